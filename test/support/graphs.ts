/** Small graphs and runs of them, for tests. */

import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph, Model } from "../../src/graph/graph.ts";
import { float32, sizeOf, type Shape, type Tensor } from "../../src/graph/tensor.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import type { Op, Sample, Value } from "../../src/ops/core/define.ts";
import { createEmitter, emitNode, valueIn } from "../../src/ops/emitter.ts";
import type { OpName } from "../../src/ops/core/names.ts";
import { internalOpset } from "../../src/onnx/upgrade.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";

export const emptyGraph: Graph = {
  name: "test",
  nodes: [],
  inputs: [],
  outputs: [],
  initializers: new Map(),
  info: new Map(),
};

export const newBuilder = (): GraphBuilder => new GraphBuilder(emptyGraph, new Map());

/** A model file around a graph. */
export const modelOf = (graph: Graph): Model => ({
  graph,
  irVersion: 11,
  opsets: { "": internalOpset },
  producerName: "test",
  producerVersion: "",
  domain: "",
  modelVersion: 0,
  doc: "",
  metadata: {},
});

/** A value as an operator of samples `of` another type reads it. */
export function readAs(builder: GraphBuilder, value: Value, of: Sample["of"]): Value {
  const g = createEmitter(builder);
  return of === "bool" ? g.Greater(value, g.scalar(0)) : value;
}

export const isTensor = (x: Shape | Tensor): x is Tensor => !Array.isArray(x);

/** One operator on a sample: its float inputs are inputs of the graph, with what feeds them; a seed repeats it. */
export function openSample(op: Pick<Op, "key">, sample: Sample, seed: number) {
  const builder = newBuilder();
  const next = random(seed);
  const [low, high] = sample.range ?? [-1, 1];
  const feeds: Record<string, Tensor> = {};
  const inputs = sample.inputs.map((input, i) => {
    if (input === null) return undefined;
    if (isTensor(input)) return valueIn(builder, builder.constant(input, `k${i}`));
    const name = builder.input(`x${i}`, { dtype: "float32", shape: input });
    const data = Float32Array.from({ length: sizeOf(input) }, () => low + next() * (high - low));
    feeds[name] = { dtype: "float32", shape: input, data };
    return readAs(builder, valueIn(builder, name), sample.of);
  });
  const outputs = emitNode(builder, op.key as OpName, inputs, sample.attributes ?? {}, sample.outputs ?? 1);
  return { builder, outputs, feeds };
}

/** Runs a graph once in onnxruntime. */
export async function runGraph(graph: Graph, feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> {
  const session = await directRuntime.load(encodeModel(modelOf(graph)), { threads: 1 });
  try {
    return await session.run(feeds);
  } finally {
    await session.dispose();
  }
}

/** A small generator of numbers in [0, 1), the same on every machine. */
export function random(seed: number): () => number {
  let state = (seed * 2654435761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 4294967296;
  };
}

/** The numbers 0 .. n-1 in a random order. */
export function shuffled(n: number, next: () => number): number[] {
  const list = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [list[i], list[j]] = [list[j]!, list[i]!];
  }
  return list;
}

/** Largest absolute difference of two tensors, and the largest magnitude of the first. */
export function difference(a: Tensor, b: Tensor): { largest: number; range: number } {
  const [x, y] = [a.data as Float32Array, b.data as Float32Array];
  if (x.length !== y.length) return { largest: Number.POSITIVE_INFINITY, range: 0 };
  let largest = 0;
  let range = 0;
  for (let i = 0; i < x.length; i++) {
    const d = Math.abs(Number(x[i]) - Number(y[i]));
    if (!(d <= largest)) largest = d;
    range = Math.max(range, Math.abs(Number(x[i])));
  }
  return { largest, range };
}

/** The start of a small net: an input "x", and weights by name from -1 to 1 (or from `low`). */
export function tinyNet(shape: Shape, seed = 3) {
  const builder = newBuilder();
  const g = createEmitter(builder);
  const next = random(seed);
  const draw = (size: Shape, low = -1): Tensor => ({
    dtype: "float32",
    shape: size,
    data: Float32Array.from({ length: sizeOf(size) }, () => low + next() * (1 - low)),
  });
  const weight = (name: string, size: Shape, low?: number): Value => {
    builder.initializers.set(builder.fresh(name), draw(size, low));
    builder.types.set(name, { dtype: "float32", shape: size });
    return valueIn(builder, name);
  };
  const x = valueIn(builder, builder.input("x", { dtype: "float32", shape }));
  const finish = (...outputs: Value[]): Graph => builder.finish(outputs.map(({ name }) => name));
  return { builder, g, weight, x, finish, feeds: { x: draw(shape) } };
}

/** A tensor of numbers from -0.5 to 0.5; a seed repeats them. */
export function noise(shape: Shape, seed: number): Tensor {
  const next = random(seed);
  return float32(
    shape,
    Array.from({ length: sizeOf(shape) }, () => next() - 0.5),
  );
}
