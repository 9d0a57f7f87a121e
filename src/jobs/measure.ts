/** How good a model is on its way to a smaller one. */

import type { Dataset } from "../data/batches.ts";
import { fail, option } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import { trace } from "../passes/trace.ts";
import { widen } from "../passes/widen.ts";
import { costsOf } from "../prune/costs.ts";
import { findGroups, type Groups } from "../prune/groups.ts";
import type { Runtime } from "../runtime/port.ts";
import { compare, type CompareOptions, type Pair } from "../train/compare.ts";
import { evaluate, type Evaluation } from "../train/evaluate.ts";
import { isShare, lostBetween, type MetricValue } from "../train/metrics.ts";
import type { ProgressEvent } from "./job.ts";
import type { EvaluationEvent, PhaseEvent, State } from "./prune-events.ts";
import type { CheckedOptions } from "./prune-options.ts";

/** Measures a graph, of so many units after so many removals; nothing where there is no data for it. */
export type Measure = (
  at: EvaluationEvent["at"],
  step: number,
  units: number,
  graph: Graph,
) => Promise<Evaluation | undefined>;

/** Measures by the data for validation, where there is any, and tells what it finds. */
export function createMeasure(
  runtime: Runtime,
  original: Graph,
  options: CheckedOptions,
  tell: (event: EvaluationEvent | PhaseEvent | ProgressEvent) => void,
): Measure {
  const { validation, evaluateBatches } = options;
  const evaluateOn = validation && evaluator(runtime, original, validation, options, tell);
  return async (at, step, units, graph) => {
    if (!evaluateOn) return undefined;
    tell({ kind: "phase", phase: "measuring" });
    const evaluation = await evaluateOn(graph, at === "start" || at === "end" ? undefined : evaluateBatches);
    tell({ kind: "evaluation", at, step, units, evaluation });
    return evaluation;
  };
}

/** Measures graphs on data: by its labels, or by their agreement with the original. */
function evaluator(
  runtime: Runtime,
  original: Graph,
  data: Dataset,
  options: CheckedOptions,
  tell: (event: ProgressEvent) => void,
): (graph: Graph, limit: number | undefined) => Promise<Evaluation> {
  const { targets, loss, batchSize, metric, device, threads, signal } = options;
  return (graph, limit) => {
    const onProgress = (done: number, all: number | undefined): void => tell({ kind: "samples", done, all });
    const limited = limit === undefined ? {} : { limit };
    const given = { loss, batchSize, metric, device, threads, signal, onProgress, ...limited };
    return targets === "labels" && metric !== "agreement"
      ? evaluate(runtime, graph, data, given)
      : agreementOf(runtime, [original, graph], data, given);
  };
}

/** How far a model without labels has gone from the original. */
async function agreementOf(
  runtime: Runtime,
  graphs: Pair<Graph>,
  data: Dataset,
  options: CompareOptions,
): Promise<Evaluation> {
  const started = performance.now();
  const { agreement, divergence, metric, samples } = await compare(runtime, graphs, data, options);
  const seconds = (performance.now() - started) / 1000;
  const of = metric && { metric: metric[1] };
  return { loss: divergence!, agreement: agreement!, ...of, samples, samplesPerSecond: samples / seconds };
}

/** What a graph has lost against the one at the start, as {@link lostBetween} has it. */
export interface Drop {
  /** The name of the metric. */
  readonly metric: string;
  of(graph: Graph): Promise<number>;
  /** Whether it has lost more than fine-tuning is hoped to win back, by some minibatches only. */
  isHopeless(graph: Graph): Promise<boolean>;
}

/** Five times what may be lost, but no less than 10 percentage points, or a third of what another metric was. */
const hopeless = (maxDrop: number, { name, value }: MetricValue): number =>
  Math.max(5 * maxDrop, isShare(name) ? 10 : Math.abs(value) / 3);

/** Measures drops by the metric, by default top-1 or without labels the agreement with the original. */
export async function createDrop(
  runtime: Runtime,
  original: Graph,
  heldOut: Dataset,
  options: CheckedOptions & { readonly maxDrop: number },
  tell: (event: PhaseEvent | ProgressEvent) => void,
): Promise<Drop> {
  const { targets, loss, evaluateBatches, maxDrop } = options;
  if (loss !== "cross-entropy" && options.metric === undefined)
    fail(
      "bad-option",
      `${option("maxDrop")} is of top-1 or agreement, which go with ${option("loss", "cross-entropy")}; say of what else by ${option("metric")}`,
    );
  const metric = options.metric ?? (targets === "labels" ? "top1" : "agreement");
  tell({ kind: "phase", phase: "measuring" });
  const evaluateOn = evaluator(runtime, original, heldOut, { ...options, metric }, tell);
  const [all, some] = [await evaluateOn(original, undefined), await evaluateOn(original, evaluateBatches)];
  const lost = (before: Evaluation, after: Evaluation): number =>
    lostBetween(before.metric!, after.metric!, after.samples);
  return {
    metric: all.metric!.name,
    of: async (graph) => lost(all, await evaluateOn(graph, undefined)),
    isHopeless: async (graph) => lost(some, await evaluateOn(graph, evaluateBatches)) > hopeless(maxDrop, some.metric!),
  };
}

/** What a graph costs, and how many units each of its groups has. */
export const stateOf = (graph: Graph): Omit<State, "evaluation"> => stateOfGroups(findGroups(trace(widen(graph))));

export function stateOfGroups(found: Groups): Omit<State, "evaluation"> {
  const groups = found.groups.map(({ name, units }) => ({ name, units: units.length }));
  return {
    costs: costsOf(found.coupling.traced),
    units: groups.reduce((n, { units }) => n + units, 0),
    groups,
  };
}
