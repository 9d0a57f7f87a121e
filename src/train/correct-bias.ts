/** Biases that make up for what was removed: after them the mean of every channel is what it was. */

import type { Dataset } from "../data/batches.ts";
import { differentiate } from "../autodiff/differentiate.ts";
import { GraphBuilder } from "../graph/builder.ts";
import { fail } from "../graph/error.ts";
import { readersOf, type Graph } from "../graph/graph.ts";
import { isFloat, sizeOf, tensor, toNumbers, type NumericDType, type Tensor } from "../graph/tensor.ts";
import { alias, createEmitter, valueIn } from "../ops/emitter.ts";
import { applicationOf, trace } from "../passes/trace.ts";
import { widen } from "../passes/widen.ts";
import type { Removal } from "../prune/coupling/groups.ts";
import { replay } from "../prune/cut/replay.ts";
import type { LoadOptions, Runtime, Tensors } from "../runtime/port.ts";
import { feedsOf, refuseBatches } from "../execute/feeds.ts";
import { finishGraph } from "../objective/backward.ts";
import { runnable } from "../execute/executable.ts";

export interface CorrectBiasOptions extends LoadOptions {
  /** How the model came of the original: each removal in the numbering of before it. */
  readonly removals: readonly Removal[];
  readonly batchSize: number;
  /** Batches that means are taken over, held in memory; default 8. */
  readonly batches?: number | undefined;
  /** Decides which batches; default 0. */
  readonly seed?: number | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** An initializer that is added to what a node gives. */
interface Bias {
  readonly name: string;
  readonly output: string;
}

/**
 * Adds to each bias, channel by channel, how much the mean of what it is added to has fallen since the original, over some batches: empirical
 * bias correction (Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction", section 4.2 and appendix D).
 * Layers are corrected one after the other, each behind those that are corrected.
 *
 * @param graph a model that was cut, with an open batch
 * @param original the model that it was cut from, in the same form
 * @throws SecateurError `bad-option` where the removals do not lead from the original to the model, `bad-data` for data without a whole batch
 */
export async function correctBias(
  runtime: Runtime,
  graph: Graph,
  original: Graph,
  dataset: Dataset,
  options: CorrectBiasOptions,
): Promise<Graph> {
  const { batchSize, removals, signal } = options;
  const wide = widen(graph);
  const initializers = new Map(wide.initializers);
  const corrected: Graph = { ...wide, initializers };
  const whole = widen(original);
  const biases = biasesOf(corrected, batchSize);
  const left = elementsLeft(whole, corrected, removals, biases);
  const feeds = await readFeeds(corrected, dataset, options);
  const before = await meansOf(runtime, whole, biases, feeds, options);
  for (const [i, bias] of biases.entries()) {
    signal?.throwIfAborted();
    const now = (await meansOf(runtime, corrected, [bias], feeds, options)).get(bias.name)!;
    const old = before.get(bias.name)!;
    const value = initializers.get(bias.name)!;
    const own = left.get(bias.name)!;
    const next = toNumbers(value).map((b, channel) => b + old[own[channel]!]! - now[channel]!);
    if (!next.every(Number.isFinite))
      fail(
        "not-finite",
        `the bias "${bias.name}" became infinite or not a number: look for such values in the data or the weights`,
      );
    initializers.set(bias.name, tensor(value.dtype as NumericDType, value.shape, next));
    options.onProgress?.(i + 1, biases.length);
  }
  return corrected;
}

/** In the order of their nodes; vectors over channels only, and such as nothing else reads. */
function biasesOf(graph: Graph, batch: number): Bias[] {
  const traced = trace(graph, { batch });
  const readers = readersOf(graph);
  return graph.nodes.flatMap((node) => {
    const applied = applicationOf(traced, node);
    const found = applied?.op.bias(applied.attributes).map((position) => node.inputs[position]) ?? [];
    return found.flatMap((name) => {
      const value = name && graph.initializers.get(name);
      const isVector = value && value.shape.length > 0 && value.shape.filter((dim) => dim > 1).length <= 1;
      return isVector && isFloat(value.dtype) && readers.get(name)!.length === 1
        ? [{ name, output: node.outputs[0]! }]
        : [];
    });
  });
}

/** For each bias which of its elements in the original are left. */
function elementsLeft(
  whole: Graph,
  smaller: Graph,
  removals: readonly Removal[],
  biases: readonly Bias[],
): Map<string, readonly number[]> {
  const { shrink } = replay(whole, removals);
  return new Map(
    biases.map(({ name }) => {
      const shape = whole.initializers.get(name)?.shape;
      const all = shape && tensor("int32", shape, Array.from({ length: sizeOf(shape) }).keys());
      const rest = all && shrink(name, all);
      const wanted = smaller.initializers.get(name)!.shape;
      if (rest?.shape.join() !== wanted.join())
        fail(
          "bad-option",
          `the removals do not lead from the original to the model: "${name}" is [${wanted.join(", ")}] there, not [${rest?.shape.join(", ") ?? ""}]`,
        );
      return [name, toNumbers(rest)];
    }),
  );
}

async function readFeeds(graph: Graph, dataset: Dataset, options: CorrectBiasOptions): Promise<Tensors[]> {
  const { batchSize, batches = 8, seed = 0 } = options;
  const feeds: Tensors[] = [];
  let seen: number | undefined;
  const given = { batchSize, shuffle: true, seed, epoch: 0, dropLast: true, limit: batches };
  for await (const batch of dataset.batches(given)) {
    options.signal?.throwIfAborted();
    seen = batch.size;
    if (batch.size === batchSize) feeds.push(feedsOf(graph, batch));
  }
  if (feeds.length === 0) refuseBatches(dataset, batchSize, seen);
  return feeds;
}

/** The means of what biases are added to, their elements one by one. */
async function meansOf(
  runtime: Runtime,
  graph: Graph,
  biases: readonly Bias[],
  feeds: readonly Tensors[],
  options: CorrectBiasOptions,
): Promise<Map<string, Float64Array>> {
  const finished = meansGraph(graph, biases, options.batchSize);
  const session = await runtime.load(runnable(finished, options.device), options);
  const means = new Map<string, Float64Array>();
  try {
    for (const feed of feeds) {
      const results = await session.run(feed);
      for (const { name } of biases) {
        const { data, shape } = results[meanOf(name)] as Tensor & { readonly data: Float32Array };
        const mean = means.get(name) ?? new Float64Array(sizeOf(shape));
        data.forEach((value, i) => (mean[i]! += value / feeds.length));
        means.set(name, mean);
      }
    }
    return means;
  } finally {
    await session.dispose();
  }
}

const meanOf = (name: string): string => `mean/${name}`;

/** For y = f(x) + b the gradient of b is the sum of what comes back to y: let that be y itself, and it is the sum that is wanted. */
function meansGraph(graph: Graph, biases: readonly Bias[], batch: number): Graph {
  const { types, constants } = trace(graph, { batch });
  const computed = new Map([...constants].filter(([name]) => !graph.initializers.has(name)));
  const builder = new GraphBuilder(graph, types, computed);
  const g = createEmitter(builder);
  for (const { name, output } of biases) {
    if (!types.has(output)) fail("bad-option", `the original has no value "${output}", which the model has`);
    const y = valueIn(builder, output);
    const bias = valueIn(builder, name);
    const sum = differentiate(builder, [{ value: y, seed: y }], [name]).get(name);
    if (sum === undefined) fail("bad-option", `"${name}" is not added to "${output}" in the original`);
    const mean = g.Mul(sum, g.scalar(sizeOf(bias.shape) / sizeOf(y.shape)));
    alias(builder, mean.name, builder.claim(meanOf(name)));
  }
  return finishGraph(
    builder,
    biases.map(({ name }) => meanOf(name)),
  );
}
