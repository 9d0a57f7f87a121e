/** Losses that look at more than an output and a target, at work: language models, pairs, and steps before samples. */

import { expect, it } from "vitest";
import type { Batch, Dataset } from "../../src/data/batches.ts";
import { evaluate } from "../../src/evaluate/evaluate.ts";
import { openMeter } from "../../src/evaluate/meter.ts";
import type { Graph, ValueInfo } from "../../src/graph/graph.ts";
import { tensor, type Tensor } from "../../src/graph/tensor.ts";
import type { Loss } from "../../src/options/loss.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { mask } from "../../src/prune/cut/mask.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { maskedLosses } from "../../src/score/oracle.ts";
import { score } from "../../src/score/score.ts";
import { findCriterion } from "../../src/criteria/table.ts";
import { createEmitter, valueIn } from "../../src/ops/emitter.ts";
import type { Value } from "../../src/ops/core/define.ts";
import { newBuilder, noise } from "../support/graphs.ts";

const batch = 4;

/** The net with an open batch. */
function opened(graph: Graph): Graph {
  const open = (values: readonly ValueInfo[]): ValueInfo[] =>
    values.map((value) => ({ ...value, shape: value.shape!.map((dim) => (dim === batch ? "N" : dim)) }));
  return { ...graph, inputs: open(graph.inputs), outputs: open(graph.outputs) };
}

const of = (one: Batch): Dataset => ({
  name: "one batch",
  size: one.size,
  // oxlint-disable-next-line require-await
  async *batches() {
    yield one;
  },
});

interface Case {
  readonly graph: Graph;
  readonly loss: Loss;
  readonly data: Dataset;
}

const weightsOf = (builder: ReturnType<typeof newBuilder>) => {
  let seed = 20;
  return (name: string, shape: readonly number[]): Value =>
    valueIn(builder, builder.constant(noise(shape, seed++), name));
};

const gate = "gate";

/** Hidden neurons [N, ..., 8] before their Tanh, times an input of the test: a gate for each sample and neuron. */
function gatedBy(builder: ReturnType<typeof newBuilder>, hidden: Value): Value {
  const shape = hidden.shape.map((dim, axis) => (axis === 0 || axis === hidden.shape.length - 1 ? dim : 1));
  return createEmitter(builder).Mul(hidden, valueIn(builder, builder.input(gate, { dtype: "float32", shape })));
}

/** Tokens -> embedding -> hidden -> words, with the tokens as its only input, which the data has without a name. */
function language(named: boolean, isGated: boolean): Case {
  const builder = newBuilder();
  const g = createEmitter(builder);
  const weight = weightsOf(builder);
  const ids = valueIn(builder, builder.input("input_ids", { dtype: "int64", shape: [batch, 5] }));
  if (named) builder.input("attention_mask", { dtype: "int64", shape: [batch, 5] });
  const embedded = g.Gather(weight("embedding", [7, 6]), ids, { axis: 0 });
  const plain = g.MatMul(embedded, weight("hidden", [6, 8]));
  const hidden = g.Tanh(isGated ? gatedBy(builder, plain) : plain);
  const y = g.MatMul(hidden, weight("head", [8, 7]));
  const tokens = tensor("int64", [batch, 5], [1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 3, 3, 2, 2, 1, 0, 4, 0, 4, 0]);
  const real = tensor("int64", [batch, 5], [1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0]);
  const inputs: Record<string, Tensor> = named ? { input_ids: tokens, attention_mask: real } : { "": tokens };
  return { graph: opened(builder.finish([y.name])), loss: "next-token", data: of({ inputs, size: batch }) };
}

/** Two embeddings of a sample, that belong together. */
function pairs(isGated: boolean): Case {
  const builder = newBuilder();
  const g = createEmitter(builder);
  const weight = weightsOf(builder);
  const x = valueIn(builder, builder.input("x", { dtype: "float32", shape: [batch, 6] }));
  const plain = g.MatMul(x, weight("hidden", [6, 8]));
  const hidden = g.Tanh(isGated ? gatedBy(builder, plain) : plain);
  const outputs = ["left", "right"].map((name) => {
    const value = g.MatMul(hidden, weight(`head.${name}`, [8, 3]));
    return builder.append("Identity", [value.name], {}, [value], { bases: [name] })[0]!;
  });
  const loss: Loss = { kind: "info-nce", output: "left", with: "right", temperature: 0.3 };
  return {
    graph: opened(builder.finish(outputs)),
    loss,
    data: of({ inputs: { x: noise([batch, 6], 9) }, size: batch }),
  };
}

/** A reader of lines that puts out [T, N, C]. */
function lines(isGated: boolean): Case {
  const builder = newBuilder();
  const g = createEmitter(builder);
  const weight = weightsOf(builder);
  const x = valueIn(builder, builder.input("x", { dtype: "float32", shape: [batch, 6, 5] }));
  const plain = g.MatMul(x, weight("hidden", [5, 8]));
  const hidden = g.Tanh(isGated ? gatedBy(builder, plain) : plain);
  const y = g.Transpose(g.MatMul(hidden, weight("head", [8, 4])), { perm: [1, 0, 2] });
  const target = tensor("int64", [batch, 3], [1, 2, 3, 1, -1, -1, 2, 2, -1, 3, 1, -1]);
  return {
    graph: opened(builder.finish([y.name])),
    loss: { kind: "ctc", time: 0 },
    data: of({ inputs: { x: noise([batch, 6, 5], 8) }, target, size: batch }),
  };
}

const cases: readonly (readonly [string, (isGated: boolean) => Case])[] = [
  ["a language model", (isGated) => language(true, isGated)],
  ["a language model with one input", (isGated) => language(false, isGated)],
  ["pairs of embeddings", pairs],
  ["steps before samples", lines],
];

it.each(cases)("the oracle masks as evaluation does: %s", async (_, make) => {
  const { graph, loss, data } = make(false);
  const analysis = analyse(graph, { batch });
  const group = analysis.groups.find(({ units }) => units.length === 8)!;
  const options = { loss, batchSize: batch, threads: 1 } as const;
  const subsets = [[], [0], [3, 5]];
  const { loss: whole, losses } = await maskedLosses(directRuntime, graph, data, group.name, subsets, {
    ...options,
    batches: 1,
    seed: 0,
  });
  expect(Math.abs(losses[0]! - whole)).toBeLessThan(1e-5);
  for (const [i, subset] of subsets.entries()) {
    const masked = subset.length === 0 ? graph : mask(graph, analysis, new Map([[group.name, subset]]));
    const measured = await evaluate(directRuntime, masked, data, options);
    expect(measured.loss).toBeCloseTo(losses[i]!, 5);
  }
  expect(new Set(Array.from(losses, (one) => one.toFixed(5))).size).toBe(3);
});

/** The mean over samples of (∂E_n/∂z)² for each hidden neuron, by central differences of the loss that is measured. */
async function squaredDifferences({ graph, loss, data }: Case): Promise<number[]> {
  const step = 0.05;
  const shape = graph.inputs
    .find(({ name }) => name === gate)!
    .shape!.map((dim) => (dim === "N" ? batch : Number(dim)));
  const { value: plain } = await data.batches({ batchSize: batch })[Symbol.asyncIterator]().next();
  const { "": nameless, ...named } = plain!.inputs as Record<string, Tensor>;
  const inputs = nameless ? { input_ids: nameless } : named;
  await using meter = await openMeter(directRuntime, graph, { loss, threads: 1 });
  let [total, runs] = [0, 0];
  /** The sum over the samples of the batch, with one gate of one sample at a value. */
  const lossAt = async (place: number, value: number): Promise<number> => {
    const gates = Float32Array.from({ length: batch * 8 }, (_, i) => (i === place ? value : 1));
    const gated = { ...plain!, inputs: { ...inputs, [gate]: { dtype: "float32", shape, data: gates } as const } };
    await meter.count(await meter.run(gated), gated);
    const before = total;
    total = meter.quality.loss! * batch * ++runs;
    return total - before;
  };
  const found = Array.from({ length: 8 }, () => 0);
  for (let place = 0; place < batch * 8; place++) {
    const apart = async (far: number): Promise<number> =>
      (await lossAt(place, 1 + far)) - (await lossAt(place, 1 - far));
    const slope = (8 * (await apart(step)) - (await apart(2 * step))) / (12 * step);
    found[place % 8]! += slope ** 2 / batch;
  }
  return found;
}

const importancesOf = async ({ graph, loss, data }: Case, targets: "labels" | "sampled"): Promise<number[]> => {
  const options = { loss, targets, batchSize: batch, batches: 1, seed: 0, threads: 1 } as const;
  const scores = await score(directRuntime, graph, data, findCriterion("taylor-fo-fg"), options);
  return [...[...scores.values()].find((values) => values.length === 8)!];
};

it.each(cases)("importances are the squared differences of each sample's loss: %s", async (_, make) => {
  const found = await importancesOf(make(false), "labels");
  const wanted = await squaredDifferences(make(true));
  for (const [unit, value] of found.entries()) expect(value / wanted[unit]!).toBeCloseTo(1, 2);
});

it.each(cases)("units are ranked by drawn targets too: %s", async (_, make) => {
  const found = await importancesOf(make(false), "sampled");
  expect(found.every((value) => value > 0 && Number.isFinite(value))).toBe(true);
});
