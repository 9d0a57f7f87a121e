/**
 * New statistics for BatchNormalization where nothing is learned, as after a cut: the
 * old ones are of what was there before.
 */

import type { Augment, Dataset } from "../data/batches.ts";
import { GraphBuilder } from "../graph/builder.ts";
import { fail } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import { zeros, type NumericDType, type Shape, type Tensor } from "../graph/tensor.ts";
import { alias, createEmitter, valueIn } from "../ops/emitter.ts";
import { enterTraining } from "../passes/training.ts";
import { widen } from "../passes/widen.ts";
import { analyse } from "../prune/coupling/analysis.ts";
import type { MachineOptions, Runtime } from "../runtime/port.ts";
import { feedsOf } from "../execute/feeds.ts";
import { wholeBatches } from "../execute/minibatches.ts";
import { finishGraph } from "../objective/backward.ts";
import { uniformNoise } from "../objective/random-inputs.ts";
import { executable } from "../execute/executable.ts";

export interface RecalibrateOptions extends MachineOptions {
  readonly batchSize: number;
  /** Batches that are looked at, at most; default all of an epoch. */
  readonly batches?: number | undefined;
  /** Decides which batches, and what is drawn at random; default 0. */
  readonly seed?: number | undefined;
  readonly augment?: Augment | undefined;
  readonly onProgress?: ((done: number) => void) | undefined;
}

const countName = "count";
const meanOf = (name: string): string => `mean/${name}`;
const nextOf = (name: string): string => `next/${name}`;

/**
 * Runs a graph in training mode, learns nothing, and puts the means of the batches' statistics in the places of the
 * running ones: PyTorch's update_bn, with ONNX's variances.
 *
 * @param graph the model with an open batch
 * @returns the graph with its new statistics; itself where it keeps none
 * @throws SecateurError `bad-data` for a data set that has no whole batch,
 * `not-finite` where a statistic is not a number
 */
export async function recalibrate(
  runtime: Runtime,
  graph: Graph,
  dataset: Dataset,
  options: RecalibrateOptions,
): Promise<Graph> {
  const { batchSize, batches, seed = 0, augment, device, threads, signal } = options;
  const { graph: finished, starts, randomInputs } = meansGraph(graph, batchSize);
  if (starts.size === 0) return graph;
  const inputs = finished.inputs.filter(({ name }) => graph.inputs.some((input) => input.name === name));
  const carried = [...starts].map(([name, start]) => ({ input: meanOf(name), output: nextOf(name), start }));
  await using session = await runtime.load(executable(finished, device), { device, threads, signal, carried });
  const given = { batchSize, shuffle: true, seed, epoch: 0, limit: batches, augment, signal };
  let done = 0;
  for await (const batch of wholeBatches(dataset, given)) {
    const noise = randomInputs.map(
      ({ name, shape }, i) => [name, uniformNoise(shape as Shape, seed, done, i)] as const,
    );
    done++;
    await session.run({
      ...feedsOf({ inputs }, batch),
      ...Object.fromEntries(noise),
      [countName]: { dtype: "float32", shape: [], data: Float32Array.of(done) },
    });
    options.onProgress?.(done);
  }
  const means = await session.carried(true);
  const wide = widen(graph);
  const initializers = new Map(wide.initializers);
  for (const name of starts.keys()) initializers.set(name, finite(name, means[meanOf(name)]!));
  return { ...wide, initializers };
}

/**
 * The graph that keeps the mean m' = m + (s - m) / count of each statistic s of the batches; nothing else leaves it.
 */
function meansGraph(graph: Graph, batch: number) {
  const base = widen(graph);
  const {
    graph: training,
    states,
    randomInputs,
  } = enterTraining(base, { randomInputBatch: batch, batchStatisticsOnly: true });
  const builder = new GraphBuilder(training, analyse(training, { batch }).traced.types);
  const g = createEmitter(builder);
  const count = valueIn(builder, builder.input(countName, { dtype: "float32", shape: [] }, true));
  const starts = new Map<string, Tensor>();
  for (const [name, next] of states) {
    if (!base.initializers.has(name)) continue;
    const now = valueIn(builder, next);
    const mean = valueIn(builder, builder.input(meanOf(name), now, true));
    alias(builder, g.Add(mean, g.Div(g.Sub(now, mean), count)).name, builder.claim(nextOf(name)));
    starts.set(name, zeros(now.dtype as NumericDType, now.shape));
  }
  const finished = finishGraph(builder, [...starts.keys()].map(nextOf));
  return { graph: finished, starts, randomInputs };
}

function finite(name: string, mean: Tensor): Tensor {
  if (!(mean.data as Float32Array).every(Number.isFinite))
    fail(
      "not-finite",
      `the statistic "${name}" became infinite or not a number: look for such values in the data or the weights`,
    );
  return mean;
}
