/** How good a model is on its way to a smaller one. */

import type { Dataset } from "../data/batches.ts";
import { fail } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import { trace } from "../passes/trace.ts";
import { widen } from "../passes/widen.ts";
import { costsOf } from "../prune/costs.ts";
import { findGroups } from "../prune/groups.ts";
import type { Runtime } from "../runtime/port.ts";
import { compare, type CompareOptions, type Pair } from "../train/compare.ts";
import { evaluate, type Evaluation } from "../train/evaluate.ts";
import type { EvaluationEvent, PhaseEvent, State } from "./prune-events.ts";
import type { PruneJobOptions } from "./prune-options.ts";

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
  options: PruneJobOptions,
  tell: (event: EvaluationEvent | PhaseEvent) => void,
): Measure {
  const { validation, targets = "labels", loss = "cross-entropy", batchSize = 128, evaluateBatches = 16 } = options;
  const { device, threads, signal } = options;
  return async (at, step, units, graph) => {
    if (!validation) return undefined;
    tell({ kind: "phase", phase: "measuring" });
    const limited = at === "start" || at === "end" ? {} : { limit: evaluateBatches };
    const given = { loss, batchSize, device, threads, signal, ...limited };
    const evaluation =
      targets === "labels"
        ? await evaluate(runtime, graph, validation, given)
        : await agreementOf(runtime, [original, graph], validation, given);
    tell({ kind: "evaluation", at, step, units, evaluation });
    return evaluation;
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
  const { agreement, divergence, samples } = await compare(runtime, graphs, data, options);
  const seconds = (performance.now() - started) / 1000;
  return { loss: divergence!, agreement: agreement!, samples, samplesPerSecond: samples / seconds };
}

/** Percentage points that a graph has lost against the one at the start; `roughly` on some minibatches only. */
export type Drop = (graph: Graph, roughly: boolean) => Promise<number>;

export async function createDrop(
  runtime: Runtime,
  original: Graph,
  heldOut: Dataset,
  { targets = "labels", loss = "cross-entropy", batchSize = 128, evaluateBatches = 16, ...options }: PruneJobOptions,
): Promise<Drop> {
  if (loss !== "cross-entropy")
    fail("bad-option", "--max-drop is of top-1 or agreement, which go with --loss cross-entropy only");
  const { device, threads, signal } = options;
  const share = async (graph: Graph, roughly: boolean): Promise<number> => {
    const given = { loss, batchSize, device, threads, signal, ...(roughly && { limit: evaluateBatches }) };
    return targets === "labels"
      ? (await evaluate(runtime, graph, heldOut, given)).top1!
      : (await compare(runtime, [original, graph], heldOut, given)).agreement!;
  };
  const [all, some] = [await share(original, false), await share(original, true)];
  return async (graph, roughly) => ((roughly ? some : all) - (await share(graph, roughly))) * 100;
}

/** What a graph costs, and how many units each of its groups has. */
export function stateOf(graph: Graph): Omit<State, "evaluation"> {
  const traced = trace(widen(graph));
  const groups = findGroups(traced).groups.map(({ name, units }) => ({ name, units: units.length }));
  return { costs: costsOf(traced), units: groups.reduce((n, { units }) => n + units, 0), groups };
}
