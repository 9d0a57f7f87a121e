/**
 * Charts as SVG inside of HTML. Places are percentages and text is never scaled, so that a chart is as legible on a
 * phone as on a wide page; lines are drawn in a square that is stretched. Names stand in table cells, where they wrap
 * however long they are, and pages break between rows. Observable Plot and vega draw at one width in pixels: on a
 * phone their labels shrink to half.
 */

import { scaleLinear, type ScaleLinear } from "d3-scale";
import { powerOfTen } from "./figures.ts";
import { html, type Content, type Markup } from "./html.ts";

/** Horizontal, vertical. */
export type Point = readonly [x: number, y: number];

/** Colours are classes of the page's style, so that they follow light and dark. */
export type Tone = "first" | "second" | "faint";

export interface Series {
  readonly name: string;
  readonly tone: Tone;
  readonly points: readonly Point[];
  /** Default "line". */
  readonly as?: "line" | "dots" | "diamonds";
}

export interface LineChart {
  readonly title: string;
  readonly note?: string;
  /** What the axes count, with the unit. */
  readonly x: string;
  readonly y: string;
  /** Whether what spans several powers of ten is drawn over them. */
  readonly wide?: boolean;
  readonly series: readonly Series[];
}

/** A place along an axis in percent. */
const place = (share: number): string => `${Number((share * 100).toFixed(2))}%`;

/** Lines and dots over what is counted from 0 on; nothing where no series has a point. */
export function lineChart({ title, note, x, y, wide = false, series }: LineChart): Markup | undefined {
  const drawn = series
    .map((one) => ({ ...one, points: one.points.filter((point) => point.every(Number.isFinite)) }))
    .filter(({ points }) => points.length > 0);
  const points = drawn.flatMap((one) => one.points);
  if (points.length === 0) return undefined;
  const across = scaleLinear([0, points.reduce((most, [x]) => Math.max(most, x), 0) || 1], [0, 1]);
  const up = heights(
    points.map(([, y]) => y),
    wide,
  );
  const at = ([x, y]: Point): Point => [across(x), 1 - up.at(y)];
  return figure(
    title,
    note,
    drawn,
    html`<svg class="plot" xmlns="http://www.w3.org/2000/svg" role="img" aria-label="${title}: ${y} over ${x}">
      ${up.ticks.map(({ at, text }) => {
        const here = place(1 - at);
        return html`<line class="grid" x1="0" x2="100%" y1="${here}" y2="${here}" />
          <text x="-8" y="${here}" dy="0.32em" text-anchor="end">${text}</text>`;
      })}
      ${ticksOf(across, 5).map(
        ({ at, text }) => html`<text x="${place(at)}" y="100%" dy="1.5em" text-anchor="middle">${text}</text>`,
      )}
      <line class="axis" x1="0" x2="100%" y1="100%" y2="100%" />
      <text x="0" y="0" dx="-3.5em" dy="-1em">${y}</text>
      <text x="100%" y="100%" dy="3em" text-anchor="end">${x}</text>
      ${drawn.map(({ as = "line", tone, points }) => [
        as === "line" ? path(points.map(at), tone) : undefined,
        as !== "line" || points.length <= few
          ? points.map((point) => mark(at(point), tone, as, String(Number(point[1].toPrecision(4)))))
          : undefined,
      ])}
    </svg>`,
  );
}

/** A line of so few points shows where they are. */
const few = 20;

/** What spans more than this factor is drawn over powers, where it may be. */
const span = 100;

/** A scale of round numbers; values that are all the same get room on both sides. */
function heights(values: readonly number[], wide: boolean): Scale {
  const least = values.reduce((a, b) => Math.min(a, b));
  const most = values.reduce((a, b) => Math.max(a, b));
  if (wide && least > 0 && most / least > span) return powers(Math.floor(Math.log10(least)), ceiling(most));
  const room = least === most ? Math.abs(least) / 2 || 1 : 0;
  const scale = scaleLinear([least - room, most + room], [0, 1]).nice(4);
  return { at: scale, ticks: ticksOf(scale, 4) };
}

/** The first power of ten above a value. */
const ceiling = (value: number): number => Math.floor(Math.log10(value)) + 1;

/** From one power of ten to another, with a tick at about every fourth part. */
function powers(first: number, last: number): Scale {
  const at = (log: number): number => (log - first) / (last - first);
  const step = Math.ceil((last - first) / 4);
  const ticks = Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, i) => last - i * step).toReversed();
  return {
    at: (value) => at(Math.log10(value)),
    ticks: ticks.map((power) => ({ at: at(power), text: powerOfTen(power) })),
  };
}

const ticksOf = (scale: ScaleLinear<number, number>, n: number): Scale["ticks"] =>
  scale.ticks(n).map((tick) => ({ at: scale(tick), text: scale.tickFormat(n)(tick) }));

function path(points: readonly Point[], tone: Tone): Markup {
  const places = points.map(([x, y]) => `${(x * 1000).toFixed(1)},${(y * 1000).toFixed(1)}`);
  return html`<svg class="stretched" viewBox="0 0 1000 1000" width="100%" height="100%" preserveAspectRatio="none">
    <path class="line ${tone}" d="M${places.join("L")}" />
  </svg>`;
}

/** A dot, or a diamond, at a place of the chart. */
function mark([x, y]: Point, tone: Tone, as: Series["as"], text: string): Markup {
  const title = html`<title>${text}</title>`;
  const sign =
    as === "diamonds"
      ? html`<path class="${tone}" d="M0-6 6 0 0 6-6 0Z">${title}</path>`
      : html`<circle class="${tone}" r="3">${title}</circle>`;
  return html`<svg class="mark" x="${place(x)}" y="${place(y)}">${sign}</svg>`;
}

/** The section of what happened while learning; `undefined` where there is no chart for it. */
export function learningSection(charts: readonly (Markup | undefined)[]): Markup | undefined {
  const drawn = charts.filter((chart) => chart !== undefined);
  return drawn.length === 0
    ? undefined
    : html`<section>
        <h2>Learning</h2>
        <div class="charts">${drawn}</div>
      </section>`;
}

/** A mark on a row of a {@link rowChart}: along `from` … `to`, values of its axis. */
export interface RowMark {
  readonly tone: Tone;
  readonly from: number;
  readonly to: number;
  /** A bar fills its row; ranges lie on lines of their own, with dots on them, each larger than the one before. */
  readonly as: "bar" | "range";
  readonly dots?: readonly number[];
  readonly title: string;
}

export interface RowChart {
  readonly title: string;
  readonly note: string;
  /** What the axis counts, with the unit. */
  readonly axis: string;
  readonly scale: Scale;
  readonly legend?: readonly Pick<Series, "name" | "tone" | "as">[];
  /** Headings of the cells that stand before the chart. */
  readonly columns: readonly string[];
  readonly rows: readonly {
    readonly name: string;
    readonly cells: readonly string[];
    readonly marks: readonly RowMark[];
  }[];
}

/** From values to shares of a row, and the ticks to read them by. */
export interface Scale {
  at(value: number): number;
  readonly ticks: readonly { readonly at: number; readonly text: string }[];
}

/** From 0 on. */
export function linearScale(most: number): Scale {
  const scale = scaleLinear([0, most || 1], [0, 1]);
  return { at: scale, ticks: ticksOf(scale, 4) };
}

/** What lies further below the largest value counts as nothing. */
const decades = 10;
/** The share of a logarithmic row that is left for what counts as nothing, and where in it that stands. */
const nothing = { width: 0.12, at: 0.02 };

/**
 * Powers of ten, with a place at the left for 0 and what is far below the largest; nothing where no value is above 0.
 */
export function logScale(values: readonly number[]): Scale | undefined {
  const positive = values.filter((value) => value > 0 && Number.isFinite(value));
  if (positive.length === 0) return undefined;
  const last = ceiling(positive.reduce((a, b) => Math.max(a, b)));
  const shown = positive.map(Math.log10).filter((log) => log >= last - decades);
  const first = Math.floor(shown.reduce((a, b) => Math.min(a, b)));
  const scale = powers(first, last);
  const inside = (share: number): number => nothing.width + share * (1 - nothing.width);
  return {
    at: (value) => (value >= 10 ** first ? inside(scale.at(value)) : nothing.at),
    ticks: [{ at: nothing.at, text: "0" }, ...scale.ticks.map(({ at, text }) => ({ at: inside(at), text }))],
  };
}

/** A row for each name, under one axis. */
export function rowChart({ title, note, axis, scale, legend = [], columns, rows }: RowChart): Markup {
  const grid = scale.ticks.map(
    ({ at }) => html`<line class="grid" x1="${place(at)}" x2="${place(at)}" y1="0" y2="100%" />`,
  );
  const ticks = scale.ticks.map(
    ({ at, text }) => html`<text x="${place(at)}" y="1em" text-anchor="middle">${text}</text>`,
  );
  return figure(
    title,
    note,
    legend,
    html`<table class="rows" style="--columns: ${columns.length}">
      <thead>
        <tr>
          <th scope="col">layer</th>
          ${columns.map((column) => html`<th scope="col" class="number">${column}</th>`)}
          <th scope="col" class="chart">
            ${axis}<svg class="ticks" xmlns="http://www.w3.org/2000/svg" aria-hidden="true">${ticks}</svg>
          </th>
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          ({ name, cells, marks }) =>
            html`<tr>
              <th scope="row">${name}</th>
              ${cells.map((cell) => html`<td class="number">${cell}</td>`)}
              <td class="chart">
                <svg
                  class="row"
                  xmlns="http://www.w3.org/2000/svg"
                  role="img"
                  aria-label="${marks.map((mark) => mark.title).join("; ")}"
                >
                  ${grid}${rowMarks(marks, scale)}
                </svg>
              </td>
            </tr> `,
        )}
      </tbody>
    </table>`,
  );
}

function rowMarks(marks: readonly RowMark[], { at }: Scale): Content {
  const lines = marks.filter(({ as }) => as === "range").length;
  let line = 0;
  return marks.map(({ as, tone, from, to, dots = [], title }) => {
    const [x, width] = [place(at(from)), place(Math.max(at(to) - at(from), 0))];
    if (as === "bar")
      return html`<rect class="bar ${tone}" x="${x}" width="${width}" y="15%" height="70%"
        ><title>${title}</title></rect
      >`;
    line += 1;
    const y = place(line / (lines + 1));
    const radius = (i: number): number => (dots.length === 1 ? 4 : 2 + i * 0.75);
    const circles = dots.map(
      (dot, i) => html`<circle class="${tone}" cx="${place(at(dot))}" cy="${y}" r="${radius(i)}" />`,
    );
    return html`<g
      ><title>${title}</title
      ><line class="range ${tone}" x1="${x}" x2="${place(at(to))}" y1="${y}" y2="${y}" />${circles}</g
    >`;
  });
}

function figure(title: string, note: string | undefined, legend: RowChart["legend"] = [], chart: Markup): Markup {
  const key = legend.length > 1 ? html`<p class="legend">${legend.map(swatch)}</p>` : undefined;
  return html`<figure>
    <figcaption>
      <h3>${title}</h3>
      ${note === undefined ? undefined : html`<p>${note}</p>`}${key}
    </figcaption>
    ${chart}
  </figure>`;
}

const swatch = ({ name, tone, as = "line" }: Pick<Series, "name" | "tone" | "as">): Markup => {
  const sign =
    as === "line"
      ? html`<line class="line ${tone}" x1="0" x2="100%" y1="50%" y2="50%" />`
      : mark([0.5, 0.5], tone, as, name);
  return html`<span
    ><svg class="swatch" xmlns="http://www.w3.org/2000/svg" aria-hidden="true">${sign}</svg>${name}</span
  >`;
};
