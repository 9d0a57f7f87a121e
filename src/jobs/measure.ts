/** How good a model is on its way to a smaller one. */

import type { Dataset } from "../data/batches.ts";
import type { Graph } from "../graph/graph.ts";
import { analyse, type Analysis } from "../prune/coupling/analysis.ts";
import type { Runtime } from "../runtime/port.ts";
import { compare, type CompareOptions, type Pair } from "../evaluate/compare.ts";
import { dropBetween, type Drop as Lost } from "../evaluate/drop.ts";
import { evaluate, type Evaluation } from "../evaluate/evaluate.ts";
import { changedBetween } from "../evaluate/hits.ts";
import { isShare, namedValue, type MetricValue } from "../evaluate/metrics.ts";
import { recalibrate } from "../train/recalibrate.ts";
import type { ProgressEvent } from "./job.ts";
import { measuring } from "./opened.ts";
import type { EvaluationEvent, PhaseEvent, State } from "./prune-events.ts";
import type { CheckedOptions } from "./prune-options.ts";

/** Measures a graph, of so many units after so many removals; nothing where there is no data for it. */
export type Measure = (
  at: EvaluationEvent["at"],
  step: number,
  units: number,
  graph: Graph,
) => Promise<Evaluation | undefined>;

export interface Measuring {
  readonly measure: Measure;
  /** What was lost from the start to the end, once both are measured; nothing where there is nothing to count by. */
  lost(): Promise<Lost | undefined>;
}

/** Measures by the data for validation, where there is any, and tells what it finds. */
export function createMeasure(
  runtime: Runtime,
  original: Graph,
  options: CheckedOptions,
  emit: (event: EvaluationEvent | PhaseEvent | ProgressEvent) => void,
): Measuring {
  const { validation, evaluateBatches } = options;
  const evaluateOn = validation && evaluator(runtime, original, validation, options, emit);
  const whole: { start?: Counted; end?: Counted } = {};
  return {
    async measure(at, step, units, graph) {
      if (!evaluateOn) return undefined;
      emit({ kind: "phase", phase: "measuring" });
      const isWhole = at === "start" || at === "end";
      const counted = await evaluateOn(graph, isWhole ? undefined : evaluateBatches);
      if (isWhole) whole[at] = counted;
      const { evaluation } = counted;
      emit({ kind: "evaluation", at, step, units, evaluation });
      return evaluation;
    },
    async lost() {
      if (!evaluateOn || !whole.end) return undefined;
      // A run that goes on has not measured the start itself.
      return lostBetweenCounted(whole.start ?? (await evaluateOn(original, undefined)), whole.end);
    },
  };
}

/** A measurement, with the rank of each sample's label where there are classes. */
interface Counted {
  readonly evaluation: Evaluation;
  readonly ranks: readonly number[];
}

function lostBetweenCounted(before: Counted, after: Counted): Lost | undefined {
  const pair = [countedBy(before.evaluation), countedBy(after.evaluation)] as const;
  if (!pair[0] || !pair[1]) return undefined;
  const isPaired = before.ranks.length > 0 && before.ranks.length === after.ranks.length;
  const changed = isPaired ? changedBetween([before.ranks, after.ranks]) : undefined;
  return dropBetween([pair[0], pair[1]], after.evaluation.samples, changed);
}

/** What an evaluation counts by: the metric that was asked for, else top-1, or agreement. */
function countedBy({ metric, top1, agreement, intervals }: Evaluation): MetricValue | undefined {
  if (metric) return metric;
  if (top1 !== undefined) return namedValue("top1", { top1 });
  if (agreement === undefined) return undefined;
  return { ...namedValue("agreement", { agreement }), ...(intervals?.agreement === undefined && { share: true }) };
}

/** Measures graphs on data: by its labels, or by their agreement with the original. */
function evaluator(
  runtime: Runtime,
  original: Graph,
  data: Dataset,
  options: CheckedOptions,
  emit: (event: ProgressEvent) => void,
): (graph: Graph, limit: number | undefined) => Promise<Counted> {
  const { targets, metric } = options;
  return async (graph, limit) => {
    let ranks: readonly number[] = [];
    const onRanks = (all: readonly number[]): void => void (ranks = all);
    const given = measuring({ ...options, limit }, emit);
    const evaluation =
      targets === "labels" && metric !== "agreement"
        ? await evaluate(runtime, graph, data, { ...given, onRanks })
        : await agreementOf(runtime, [original, graph], data, given);
    return { evaluation, ranks };
  };
}

/** How far a model without labels has gone from the original. */
export async function agreementOf(
  runtime: Runtime,
  graphs: Pair<Graph>,
  data: Dataset,
  options: CompareOptions,
): Promise<Evaluation> {
  const started = performance.now();
  const { metric: asked } = options;
  const takesLabels = asked === "top1" || asked === "top5" || asked === "loss";
  const found = await compare(runtime, graphs, data, { ...options, leavesTargets: !takesLabels });
  const { agreement, intervals, divergence, outputs, metric, samples } = found;
  const seconds = (performance.now() - started) / 1000;
  return {
    ...(divergence !== undefined && { loss: divergence }),
    ...(agreement !== undefined && { agreement }),
    ...(intervals && { intervals }),
    ...(outputs && { outputs }),
    ...(metric && { metric: metric[1] }),
    samples,
    samplesPerSecond: samples / seconds,
  };
}

/** What a graph has lost against the one at the start. */
export interface Drop {
  of(graph: Graph): Promise<Lost>;
  /** Whether it has lost more than fine-tuning is hoped to win back, by some minibatches only. */
  isHopeless(graph: Graph): Promise<boolean>;
}

/** Five times what may be lost, but no less than 10 percentage points, or a third of what another metric was. */
const hopeless = (maxDrop: number, metric: MetricValue): number =>
  Math.max(5 * maxDrop, isShare(metric) ? 10 : Math.abs(metric.value) / 3);

/** Minibatches whose statistics BatchNormalization takes before it is looked whether a model is past hope. */
const freshBatches = 10;

/**
 * Measures drops by the metric, by default top-1 or without labels the agreement with the original. Right after a
 * removal statistics are of what was there before, and a good model looks ruined: it is hopeless only where it is with
 * new ones too. These alone would not do: a model may need statistics that are not those of this data.
 */
export async function createDrop(
  runtime: Runtime,
  original: Graph,
  { heldOut, rest }: Readonly<Record<"heldOut" | "rest", Dataset>>,
  options: CheckedOptions & { readonly maxDrop: number },
  emit: (event: PhaseEvent | ProgressEvent) => void,
): Promise<Drop> {
  const { targets, evaluateBatches, maxDrop, batchSize, seed, device, threads, signal } = options;
  const metric = options.metric ?? (targets === "labels" ? "top1" : "agreement");
  emit({ kind: "phase", phase: "measuring" });
  const evaluateOn = evaluator(runtime, original, heldOut, { ...options, metric }, emit);
  const [all, some] = [await evaluateOn(original, undefined), await evaluateOn(original, evaluateBatches)];
  const lost = (before: Counted, after: Counted): Lost => lostBetweenCounted(before, after)!;
  const bound = hopeless(maxDrop, some.evaluation.metric!);
  return {
    of: async (graph) => lost(all, await evaluateOn(graph, undefined)),
    async isHopeless(graph) {
      const isLost = async (one: Graph): Promise<boolean> =>
        lost(some, await evaluateOn(one, evaluateBatches)).drop > bound;
      if (!(await isLost(graph))) return false;
      const given = { batchSize, batches: freshBatches, seed, device, threads, signal };
      return isLost(await recalibrate(runtime, graph, rest, given));
    },
  };
}

/** What a graph costs, and how many units each of its groups has. */
export const stateOf = (graph: Graph): Omit<State, "evaluation"> => stateIn(analyse(graph).wide);

export const stateIn = ({ costs, units, groups }: Analysis): Omit<State, "evaluation"> => ({
  costs,
  units,
  groups: groups.map(({ name, units }) => ({ name, units: units.length })),
});
