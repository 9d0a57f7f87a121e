/** What many prunings came to: rows, the front of those that no other beats, the best of each budget, and a page. */

import type { Timing } from "../evaluate/timing.ts";
import { isShare, type MetricValue } from "../evaluate/metrics.ts";
import { lineChart, type Point } from "./charts.ts";
import { flagOf, lossFigure, metricLabel, percent, short, valueFigure } from "./figures.ts";
import { html, Markup } from "./html.ts";
import type { PruneSummary } from "./record.ts";
import { style } from "./style.ts";

/** What one run came to. */
export interface SweepRow {
  readonly run: string;
  /** What tells the run from the others: texts of options by their names. */
  readonly varied: Readonly<Record<string, string>>;
  readonly end: PruneSummary["end"];
  readonly removals: number;
  readonly units: number;
  readonly params: number;
  readonly macs: number;
  readonly bytes: number;
  /** Of the original. */
  readonly macsShare: number;
  readonly paramsShare: number;
  /** By what the run is judged, before and after: the metric that was asked for, top-1, the agreement or the loss. */
  readonly before?: MetricValue | undefined;
  readonly after?: MetricValue | undefined;
  readonly model: string;
  readonly plan?: string | undefined;
}

/** The row of a run that is finished. */
export function rowOf(
  { name, varied }: { readonly name: string; readonly varied: Readonly<Record<string, string>> },
  { end, removals, before, after, output }: PruneSummary,
  plan?: string,
): SweepRow {
  const { params, macs, bytes } = after.costs;
  return {
    run: name,
    varied,
    end,
    removals,
    units: after.units,
    params,
    macs,
    bytes,
    macsShare: macs / before.costs.macs,
    paramsShare: params / before.costs.params,
    before: judged(before.evaluation),
    after: judged(after.evaluation),
    model: output,
    plan,
  };
}

function judged(evaluation: PruneSummary["before"]["evaluation"]): MetricValue | undefined {
  if (!evaluation) return undefined;
  const { metric, top1, agreement, loss } = evaluation;
  if (metric) return metric;
  if (top1 !== undefined) return { name: "top1", better: "higher", value: top1 };
  if (agreement !== undefined) return { name: "agreement", better: "higher", value: agreement };
  return loss === undefined ? undefined : { name: "loss", better: "lower", value: loss };
}

/** Whether a value is that of the better model. */
const isBetter = (one: MetricValue, other: MetricValue): boolean =>
  one.better === "higher" ? one.value > other.value : one.value < other.value;

/** The rows that no other beats: none that costs no more is as good. From the cheapest on. */
export function frontOf(rows: readonly SweepRow[], cost: (row: SweepRow) => number | undefined): SweepRow[] {
  const measured = rows.filter((row) => row.after !== undefined && cost(row) !== undefined);
  const ordered = measured.toSorted((a, b) => cost(a)! - cost(b)! || (isBetter(a.after!, b.after!) ? -1 : 1));
  const front: SweepRow[] = [];
  for (const row of ordered) if (front.length === 0 || isBetter(row.after!, front.at(-1)!.after!)) front.push(row);
  return front;
}

/** Options that say how far to prune. */
const budgets = new Set(["maxDrop", "macs", "latency", "params", "bytes", "units", "maxLoss"]);

/** The best row of each budget, in the order of the runs. */
export function bestOf(rows: readonly SweepRow[]): { readonly budget: string; readonly row: SweepRow }[] {
  const best = new Map<string, SweepRow>();
  for (const row of rows) {
    if (row.after === undefined || row.end !== "met") continue;
    const asked = Object.entries(row.varied).filter(([name]) => budgets.has(name));
    const budget = asked.map(([name, text]) => `${name} ${text}`).join(", ") || "the budget of all runs";
    const known = best.get(budget);
    if (!known || isBetter(row.after, known.after!)) best.set(budget, row);
  }
  return [...best].map(([budget, row]) => ({ budget, row }));
}

/** Latencies of one sample by run, in milliseconds; that of the original by "". */
export type Latencies = Readonly<Record<string, Timing>>;

const shownValue = (value: MetricValue | undefined): string =>
  value === undefined ? "–" : value.name === "loss" ? lossFigure(value.value) : valueFigure(value.value, value);

/** The headings and cells of a table for people. */
export const headingsOf = (varied: readonly string[], metric: string): string[] => [
  "run",
  ...varied.map(flagOf),
  "end",
  "macs",
  "params",
  `${metric} before`,
  "after",
];
export const cellsOf = (row: SweepRow, varied: readonly string[]): string[] => [
  row.run.split("_")[0]!,
  ...varied.map((name) => row.varied[name] ?? "–"),
  row.end,
  percent(row.macsShare),
  percent(row.paramsShare),
  shownValue(row.before),
  shownValue(row.after),
];

/** The rows as CSV, one a line. */
export function csvOf(rows: readonly SweepRow[], varied: readonly string[], latencies: Latencies): string {
  const columns = ["run", ...varied.map(flagOf), "end", "removals", "units", "params", "macs", "bytes"];
  const heading = [...columns, "metric", "before", "after", "latency_ms", "model", "plan"];
  const lines = rows.map((row) => {
    const { run, end, removals, units, params, macs, bytes, before, after, model, plan } = row;
    const costs = [end, removals, units, params, macs, bytes];
    const judged = [after?.name, before?.value, after?.value, latencies[run]?.median];
    return [run, ...varied.map((name) => row.varied[name]), ...costs, ...judged, model, plan];
  });
  return [heading, ...lines].map((line) => `${line.map(field).join(",")}\n`).join("");
}

const field = (value: string | number | undefined): string => {
  const text = String(value ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

/** The page of a sweep: fronts, the best of each budget, and all rows. */
export function sweepPage(
  model: string,
  rows: readonly SweepRow[],
  failed: ReadonlyMap<string, string>,
  varied: readonly string[],
  latencies: Latencies,
): string {
  const title = `Prunings of ${model}`;
  const charts = [
    frontChart(rows, "multiply-accumulates (millions)", ({ macs }) => macs / 1e6),
    frontChart(rows, "parameters (thousands)", ({ params }) => params / 1e3),
    frontChart(rows, "measured latency of one sample (ms)", ({ run }) => latencies[run]?.median),
  ];
  return html`<!doctype html>
    <html lang="en" xmlns="http://www.w3.org/1999/xhtml">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title}</title>
        <style>
          ${new Markup(style)}
        </style>
      </head>
      <body>
        <header>
          <h1>${title}</h1>
          <p class="lead">${rows.length} runs are done${failed.size > 0 ? `, and ${failed.size} failed` : ""}.</p>
        </header>
        <section>
          <h2>What no other run beats</h2>
          <div class="charts">${charts}</div>
        </section>
        <section>
          <h2>The best of each budget</h2>
          ${tableOf(
            ["budget", ...headingsOf(varied, metricOf(rows)), "plan"],
            bestOf(rows).map(({ budget, row }) => [budget, ...cellsOf(row, varied), row.plan ?? "–"]),
          )}
        </section>
        <section>
          <h2>All runs</h2>
          ${tableOf(
            [...headingsOf(varied, metricOf(rows)), "MACs", "latency (ms)", "model"],
            rows.map((row) => [
              ...cellsOf(row, varied),
              short(row.macs),
              latencies[row.run]?.median.toFixed(3) ?? "–",
              row.model,
            ]),
          )}
          ${[...failed].map(([run, reason]) => html`<p class="notice">${run} failed: ${reason}</p>`)}
        </section>
      </body>
    </html> `.text;
}

/** What runs are judged by. */
export const metricOf = (rows: readonly SweepRow[]): string => {
  const first = rows.find(({ after }) => after !== undefined)?.after;
  return first === undefined ? "metric" : metricLabel(first.name);
};

function frontChart(
  rows: readonly SweepRow[],
  x: string,
  cost: (row: SweepRow) => number | undefined,
): Markup | undefined {
  const shown = ({ value, ...of }: MetricValue): number => (isShare(of) ? value * 100 : value);
  const pointOf = (row: SweepRow): Point => [cost(row) ?? Number.NaN, row.after ? shown(row.after) : Number.NaN];
  const front = frontOf(rows, cost);
  const unit = front[0]?.after && isShare(front[0].after) ? " (%)" : "";
  const y = `${metricOf(rows)}${unit}`;
  return lineChart({
    title: `${metricOf(rows)} against ${x.replace(/ \(.*/, "")}`,
    x,
    y,
    series: [
      { name: "all runs", tone: "second", as: "dots", points: rows.map(pointOf) },
      { name: "the front", tone: "first", points: front.map(pointOf) },
    ],
  });
}

const tableOf = (heading: readonly string[], rows: readonly (readonly string[])[]): Markup =>
  html`<table>
    <thead>
      <tr>
        ${heading.map((text) => html`<th scope="col">${text}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        (row) =>
          html`<tr>
            ${row.map((text) => html`<td>${text}</td>`)}
          </tr> `,
      )}
    </tbody>
  </table>`;
