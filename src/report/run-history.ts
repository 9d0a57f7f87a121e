/** What the record of a run comes to: where it began, where it stands, and the curves on the way. */

import type { GroupSize, State } from "../jobs/prune-events.ts";
import type { Evaluation } from "../evaluate/evaluate.ts";
import { isBuiltIn, type MetricValue } from "../evaluate/metrics.ts";
import type { Point } from "./charts.ts";
import type { RemovalRecord, RunRecord, PruneSummary } from "./record.ts";

/** A model in numbers, as far as they are known. */
export type Known = Pick<State, "costs" | "units" | "evaluation">;

export interface Width extends GroupSize {
  /** Units that are left. */
  readonly left: number;
}

export interface RunHistory {
  readonly before: Known | undefined;
  /** What there is now; nothing before the first removal. */
  readonly after: Known | undefined;
  /** Where a run that is not finished stands, as the end of a sentence. */
  readonly stands: string | undefined;
  readonly widths: readonly Width[];
  readonly removals: readonly RemovalRecord[];
  /** Of the minibatches between two removals, over the units that had gone before. */
  readonly pruningLoss: readonly Point[];
  /** Measurements while pruning and the last one, over the units that had gone. */
  readonly measured: readonly Measured[];
  /** The metric that was counted besides: its name, and whether it is a share. */
  readonly metric: MetricValue | undefined;
  /** The loss of each step. */
  readonly finetuning: readonly Point[];
}

export interface Measured {
  readonly gone: number;
  readonly loss: number | undefined;
  readonly top1: number | undefined;
  readonly agreement: number | undefined;
  /** Of the user's own metric. */
  readonly metric: number | undefined;
  readonly samples: number;
  /** Whether fine-tuning came before. */
  readonly tuned: boolean;
}

export type Of<K extends RunRecord["kind"]> = Extract<RunRecord, { readonly kind: K }>;
export const isOf =
  <K extends RunRecord["kind"]>(kind: K) =>
  (record: RunRecord): record is Of<K> =>
    record.kind === kind;

export function runHistoryOf(records: readonly RunRecord[], summary: PruneSummary | undefined): RunHistory {
  const start = records.find(isOf("start"));
  const removals = records.filter(isOf("removal"));
  const evaluations = records.filter(isOf("evaluation"));
  const steps = records.filter(isOf("step"));
  const all = start?.units ?? summary?.before.units ?? 0;
  const first = evaluations.find(({ at }) => at === "start");
  const latest = evaluations.findLast(({ at }) => at !== "start");
  const now = removals.at(-1);
  return {
    before: summary?.before ?? (start && { ...start, evaluation: first?.evaluation }),
    after: summary?.after ?? (now && { ...now, evaluation: latest?.evaluation }),
    stands: summary ? undefined : standOf(records),
    widths: widthsOf(start?.groups ?? summary?.before.groups ?? [], removals),
    removals,
    pruningLoss: removals.map(({ loss }, i) => [all - (removals[i - 1]?.units ?? all), loss]),
    metric: evaluations.map(({ evaluation }) => ownMetric(evaluation)).find((metric) => metric !== undefined),
    measured: evaluations.map(({ at, units, evaluation }) => ({
      gone: all - units,
      loss: evaluation.loss,
      top1: evaluation.top1,
      agreement: evaluation.agreement,
      metric: ownMetric(evaluation)?.value,
      samples: evaluation.samples,
      tuned: at === "end",
    })),
    finetuning: steps.filter(({ phase }) => phase === "finetune").map(({ step, loss }) => [step, loss]),
  };
}

/** The other measures have their own places. */
export const ownMetric = ({ metric }: Evaluation): MetricValue | undefined =>
  metric && !isBuiltIn(metric.name) ? metric : undefined;

function standOf(records: readonly RunRecord[]): string {
  const step = records.findLast(isOf("step"));
  if (step?.phase === "finetune") {
    const of = step.steps === undefined ? "" : ` of ${step.steps}`;
    return `it stands at step ${step.step}${of} of fine-tuning`;
  }
  const removal = records.findLast(isOf("removal"));
  if (removal) return `it stands at removal ${removal.step}, with ${removal.units} units left`;
  return "nothing has been removed yet";
}

/** A group that is down to its last unit may be none any more: what counts is the last removal that names it. */
function widthsOf(groups: readonly GroupSize[], removals: readonly RemovalRecord[]): Width[] {
  const left = new Map<string, number>();
  for (const removal of removals)
    for (const { name, units, removed } of removal.groups) left.set(name, units - removed);
  return groups.map(({ name, units }) => ({ name, units, left: left.get(name) ?? units }));
}

/** A removal in a line: what was left behind it, and what was measured then. */
export interface RemovalRow {
  readonly step: number;
  readonly units: number;
  readonly macs: number;
  readonly params: number;
  readonly bytes: number;
  /** The mean training loss since the removal before. */
  readonly loss: number;
  /** Units that went, of each group that lost some. */
  readonly removed: Readonly<Record<string, number>>;
  readonly evaluation: Evaluation | undefined;
}

export function removalRows(records: readonly RunRecord[]): RemovalRow[] {
  const evaluations = new Map(
    records
      .filter(isOf("evaluation"))
      .filter(({ at }) => at === "removal" || at === "pruned")
      .map(({ step, evaluation }) => [step, evaluation]),
  );
  return records.filter(isOf("removal")).map(({ step, units, costs, loss, groups }) => {
    return {
      step,
      units,
      macs: costs.macs,
      params: costs.params,
      bytes: costs.bytes,
      loss,
      removed: Object.fromEntries(
        groups.filter(({ removed }) => removed > 0).map(({ name, removed }) => [name, removed]),
      ),
      evaluation: evaluations.get(step),
    };
  });
}

/** How many points a curve has at most, about one for every second pixel. */
const enough = 400;

/** A curve of few points: of many that fall together the lowest and the highest are kept, so that no peak is lost. */
export function thin(points: readonly Point[]): readonly Point[] {
  if (points.length <= enough) return points;
  const size = (points.length * 2) / enough;
  return Array.from({ length: enough / 2 }, (_, i) => {
    const bin = points.slice(Math.floor(i * size), Math.floor((i + 1) * size));
    const ends = [bin.reduce((a, b) => (b[1] < a[1] ? b : a)), bin.reduce((a, b) => (b[1] > a[1] ? b : a))];
    return ends.toSorted((a, b) => a[0] - b[0]);
  }).flat();
}

/** The share of a curve that its smoothed form remembers. */
const memory = 1 / 25;

/** An exponential average that does not remember where it began (Kingma & Ba 2015, section 3). */
export function smooth(points: readonly Point[]): Point[] {
  const keep = 1 - 1 / Math.max(1, points.length * memory);
  let [sum, weight] = [0, 0];
  return points.map(([x, y]) => {
    sum = keep * sum + (1 - keep) * y;
    weight = keep * weight + (1 - keep);
    return [x, sum / weight];
  });
}

/** An epoch in a line. */
export interface EpochRow {
  readonly epoch: number;
  readonly step: number;
  /** The mean loss of its minibatches; absent for what was measured before the first. */
  readonly loss: number | undefined;
  readonly evaluation: Evaluation;
}

export function epochRows(records: readonly RunRecord[]): EpochRow[] {
  const steps = records.filter(isOf("step"));
  return records.filter(isOf("epoch")).map(({ epoch, step, evaluation }) => {
    const losses = steps.filter((one) => one.epoch === epoch).map(({ loss }) => loss);
    const loss = losses.length === 0 ? undefined : losses.reduce((a, b) => a + b) / losses.length;
    return { epoch, step, loss, evaluation };
  });
}
