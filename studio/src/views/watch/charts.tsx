/** The charts of runs: the loss over minibatches, and what a model is judged by over what it costs. */

import { smooth, thin } from "../../parts/curves.ts";
import { percent } from "../../parts/format.ts";
import type { Measure, Measured, Point } from "../../parts/run-record.ts";
import { chosen, grown, recordOf, type ListedRun } from "../../state/watch.ts";
import { Chart, type Series } from "./chart.tsx";

interface RunsProps {
  readonly runs: readonly ListedRun[];
}

export const shown = ({ value, share }: Pick<Measure, "value" | "share">): string =>
  share ? percent(value) : value.toPrecision(3);

const slotOf = (id: string): number => chosen.value.get(id) ?? 0;

export function LossChart({ runs }: RunsProps) {
  void grown.value;
  const series = runs.flatMap(({ id, name }): Series[] => {
    const { losses } = recordOf(id);
    const smoothed: Series = { name, slot: slotOf(id), points: thin(smooth(losses)), as: "line" };
    // Where one run is alone, its minibatches are drawn behind it.
    return runs.length === 1
      ? [{ ...smoothed, name: "each minibatch", points: thin(losses), as: "faint" }, smoothed]
      : [smoothed];
  });
  return (
    <Chart
      title="Loss"
      x="minibatches"
      y="loss, smoothed"
      series={series}
      showX={(value) => String(Math.round(value))}
      showY={(value) => value.toPrecision(3)}
    />
  );
}

/** Runs are judged by different measures: those of the first one are drawn. */
export function MeasureChart({ runs }: RunsProps) {
  void grown.value;
  const all = runs.map((run) => ({ run, measured: recordOf(run.id).measured }));
  const first = all.flatMap(({ measured }) => measured)[0];
  if (!first) return null;
  const { name, share } = first.measure;
  const isPruned = all.some(({ measured }) => measured.some(({ macs }) => macs !== undefined));
  const fits = (one: Measured): boolean => one.measure.name === name && (one.macs !== undefined) === isPruned;
  const others = all.filter(({ measured }) => measured.length > 0 && !measured.some(fits)).map(({ run }) => run.name);
  const series = all.flatMap(({ run, measured }): Series[] => {
    const own = measured.filter(fits);
    const start = own[0]?.macs;
    const pointOf = ({ at, macs, measure }: Measured): Point => [
      macs === undefined ? at : macs / (start ?? macs),
      measure.value,
    ];
    const sorted = (points: readonly Point[]): Point[] => points.toSorted((a, b) => a[0] - b[0]);
    const way = own.filter(({ tuned }) => !tuned).map(pointOf);
    const ends = own.filter(({ tuned }) => tuned).map(pointOf);
    const slot = slotOf(run.id);
    return [
      { name: run.name, slot, points: sorted(way), newest: way.at(-1), as: "marked" },
      ...(ends.length > 0
        ? [{ name: `${run.name}, fine-tuned`, slot, points: sorted(ends), as: "dots" } as const]
        : []),
    ];
  });
  const notes = [
    ...(series.some(({ as }) => as === "dots") ? ["Full dots are models after fine-tuning."] : []),
    ...(others.length > 0 ? [`Not judged by that, and not drawn: ${others.join(", ")}.`] : []),
  ];
  return (
    <Chart
      title={`${name[0]!.toUpperCase()}${name.slice(1)} over ${isPruned ? "multiply-accumulates" : "minibatches"}`}
      x={isPruned ? "multiply-accumulates that are left" : "minibatches"}
      y={name}
      series={series}
      showX={(value) => (isPruned ? percent(value, 0) : String(Math.round(value)))}
      showY={(value) => shown({ value, share })}
      note={notes.length > 0 ? notes.join(" ") : undefined}
    />
  );
}
