/** Importances from data: the gates' gradients of some minibatches, the weights as they are. */

import { Average, sampleGates, type Criterion, type Scores } from "../criteria/criterion.ts";
import type { Dataset } from "../data/batches.ts";
import { checkLabels } from "../data/checks.ts";
import { fail } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import { trace } from "../passes/trace.ts";
import { findGroups, refuseWithout } from "../prune/groups.ts";
import type { LoadOptions, Runtime } from "../runtime/port.ts";
import { checkTarget, feedsOf, refuseBatches, wantedTarget } from "./feeds.ts";
import { appendBackward, finishGraph } from "./gradients.ts";
import type { Loss } from "./losses.ts";
import { runnable } from "./trainer.ts";

export interface ScoreOptions extends LoadOptions {
  readonly loss: Loss;
  readonly batchSize: number;
  /** Minibatches to average over. */
  readonly batches: number;
  readonly seed: number;
  readonly onProgress?: (batch: number, batches: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The importance of every unit of a model, which stays in inference mode.
 *
 * @param graph the model with an open batch
 * @param dataset not needed by criteria that look at weights alone
 */
export async function score(
  runtime: Runtime,
  graph: Graph,
  dataset: Dataset | undefined,
  criterion: Criterion,
  options: ScoreOptions,
): Promise<Scores> {
  if (criterion.kind === "weights") {
    const groups = findGroups(trace(graph));
    refuseWithout(groups);
    return criterion.score(groups, graph.initializers, options.seed);
  }
  const data = dataset ?? fail("bad-option", `${criterion.name} needs data: give it by --data`);
  const { batchSize, batches, seed } = options;
  const backward = appendBackward(graph, {
    batch: batchSize,
    loss: options.loss,
    parameters: false,
    gates: true,
    train: false,
  });
  const groups = backward.groups!.groups.filter(({ name }) => backward.gates.has(name));
  refuseWithout({ ...backward.groups!, groups });
  const scoring = finishGraph(backward.builder, ["loss", ...[...backward.gates.values()].map(({ name }) => name)]);
  const session = await runtime.load(runnable(scoring), options);
  const average = new Average();
  let seen: number | undefined;
  try {
    for await (const batch of data.batches({
      batchSize,
      shuffle: true,
      seed,
      epoch: 0,
      dropLast: true,
      limit: batches,
    })) {
      options.signal?.throwIfAborted();
      seen = batch.size;
      if (batch.size !== batchSize) continue;
      if (options.loss === "cross-entropy") checkLabels(batch, backward.classes);
      checkTarget(batch.target, wantedTarget(scoring));
      const feeds = {
        ...feedsOf({ ...graph, inputs: scoring.inputs.filter(({ name }) => name !== "target") }, batch),
        target: batch.target,
      };
      const results = await session.run(feeds);
      if (!Number.isFinite(Number(results["loss"]!.data[0])))
        fail(
          "not-finite",
          `the loss of minibatch ${average.count + 1} is ${Number(results["loss"]!.data[0])}: look for values that are not numbers in the data or the weights`,
        );
      const gradients = (name: string) => results[backward.gates.get(name)!.name]!.data as Float32Array;
      average.add(sampleGates(criterion, groups, gradients, batchSize));
      options.onProgress?.(average.count, batches);
    }
  } finally {
    await session.dispose();
  }
  if (average.count === 0) refuseBatches(data, batchSize, seen);
  return average.mean();
}
