/** A chart of curves that grow, drawn by uPlot; its values can be read by the keyboard and by a screen reader. */

import { signal, type Signal } from "@preact/signals";
import { useEffect, useId, useMemo, useRef } from "preact/hooks";
import uPlot from "uplot";
import { painted } from "../../state/theme.ts";
import type { Point } from "../../parts/run-record.ts";
import { dashOf, toneOf } from "./swatch.tsx";

export interface Series {
  readonly name: string;
  readonly slot: number;
  /** By rising x. */
  readonly points: readonly Point[];
  /** The newest point, where it is not the one to the right. */
  readonly newest?: Point | undefined;
  readonly as: "line" | "faint" | "marked" | "dots";
}

interface ChartProps {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly series: readonly Series[];
  readonly showX: (value: number) => string;
  readonly showY: (value: number) => string;
  readonly note?: string | undefined;
  /** What is told where no values are read; without it the last of each curve. */
  readonly summary?: string;
}

export function Chart(props: ChartProps) {
  const { title, series, showX, showY, note, summary } = props;
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const heading = useId();
  const readout = useMemo(() => signal(""), []);
  // What is drawn changes only with the runs and the colours; values come as they are.
  const form = [painted.value, title, ...series.map(({ name, slot, as }) => `${name} ${slot} ${as}`)].join("\n");
  const latest = useRef(props);
  latest.current = props;
  useEffect(() => {
    const own = host.current!;
    const made = new uPlot(optionsFor(latest, own, readout), dataOf(latest.current.series), own);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: own.clientWidth, height }));
    observer.observe(own);
    return () => {
      observer.disconnect();
      made.destroy();
      readout.value = "";
    };
  }, [form]);
  useEffect(() => plot.current?.setData(dataOf(series)));
  return (
    <section class="card chart" aria-labelledby={heading}>
      <h2 id={heading}>{title}</h2>
      <div
        ref={host}
        class="plot"
        role="group"
        tabIndex={0}
        aria-label={`${title}: the arrow keys read values`}
        onKeyDown={(event) => move(plot.current, event)}
      />
      <p class="quiet readout" role="status">
        {readout.value || (summary ?? series.map((one) => lastOf(one, showX, showY)).join("; "))}
      </p>
      {note !== undefined && <p class="quiet">{note}</p>}
    </section>
  );
}

const height = 260;

function lastOf({ name, points, newest }: Series, showX: ChartProps["showX"], showY: ChartProps["showY"]): string {
  const last = newest ?? points.at(-1);
  return last ? `${name}: ${showY(last[1])} at ${showX(last[0])}` : `${name}: nothing yet`;
}

/** All curves over the same x. */
function dataOf(series: readonly Series[]): uPlot.AlignedData {
  const tables = series.map(({ points }): uPlot.AlignedData => [points.map(([x]) => x), points.map(([, y]) => y)]);
  return tables.length === 0 ? [[]] : tables.length === 1 ? tables[0]! : uPlot.join(tables);
}

function optionsFor(
  latest: { readonly current: ChartProps },
  host: HTMLElement,
  readout: Signal<string>,
): uPlot.Options {
  const { series, x, y } = latest.current;
  const style = getComputedStyle(host);
  const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  const [ink, rule] = [colour("quiet"), colour("rule")];
  const font = `12px ${style.fontFamily}`;
  const axis: uPlot.Axis = {
    stroke: ink,
    font,
    labelFont: font,
    labelSize: 20,
    grid: { stroke: rule, width: 1 },
    ticks: { stroke: rule, width: 1 },
  };
  return {
    width: host.clientWidth || 300,
    height,
    scales: { x: { time: false } },
    legend: { show: false },
    cursor: { drag: { x: true, y: false } },
    axes: [
      { ...axis, label: x, values: (_, ticks) => ticks.map((value) => latest.current.showX(value)) },
      { ...axis, label: y, size: 64, values: (_, ticks) => ticks.map((value) => latest.current.showY(value)) },
    ],
    series: [
      {},
      ...series.map(({ name, slot, as }): uPlot.Series => {
        const stroke = colour(toneOf(slot));
        const isDots = as === "dots";
        return {
          label: name,
          stroke: as === "faint" ? `${stroke}55` : stroke,
          width: as === "faint" ? 1 : 2,
          dash: [...dashOf(slot)],
          spanGaps: true,
          ...(isDots && { paths: () => null }),
          points: {
            show: isDots || as === "marked",
            size: isDots ? 10 : 6,
            stroke,
            fill: isDots ? stroke : colour("ground"),
          },
        };
      }),
    ],
    hooks: { setCursor: [(plot) => (readout.value = valuesAt(plot, latest.current))] },
  };
}

/** What the curves are where the cursor is, in words. */
function valuesAt({ cursor: { idx }, data }: uPlot, { series, x, showX, showY }: ChartProps): string {
  const at = typeof idx === "number" ? data[0][idx] : undefined;
  if (at === undefined) return "";
  const values = series.flatMap(({ name }, i) => {
    const value = data[i + 1]?.[idx!];
    return typeof value === "number" ? [`${name} ${showY(value)}`] : [];
  });
  return values.length === 0 ? "" : `${showX(at)} ${x}: ${values.join(", ")}`;
}

/** Moves the cursor from value to value. */
function move(plot: uPlot | null, event: KeyboardEvent): void {
  const xs = plot?.data[0] ?? [];
  const steps: Readonly<Record<string, number>> = {
    ArrowLeft: -1,
    ArrowRight: 1,
    PageUp: 20,
    PageDown: -20,
    Home: -xs.length,
    End: xs.length,
  };
  const step = steps[event.key];
  if (!plot || step === undefined || xs.length === 0) return;
  event.preventDefault();
  const from = plot.cursor.idx ?? (step > 0 ? -1 : xs.length);
  const to = Math.min(xs.length - 1, Math.max(0, from + step));
  plot.setCursor({ left: plot.valToPos(xs[to]!, "x"), top: 1 });
}
