/** The proof refuses cuts that take one index too far in one weight, behind whatever the net ends in, and holds for the right ones. */

import { describe, expect, it } from "vitest";
import type { Graph } from "../../src/graph/graph.ts";
import { sizeOf, type Shape } from "../../src/graph/tensor.ts";
import type { Value } from "../../src/ops/core/define.ts";
import { createEmitter, valueIn } from "../../src/ops/emitter.ts";
import { analyse, type Analysis } from "../../src/prune/coupling/analysis.ts";
import type { Removal } from "../../src/prune/coupling/removal.ts";
import { prove } from "../../src/prune/proof/prove.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { modelOf, newBuilder, random } from "../support/graphs.ts";
import { wrongCut } from "../support/wrong-cuts.ts";

type Emit = ReturnType<typeof createEmitter>;

/** What nets end in: what of their logits is seen in the output, and how much. */
const ends: Readonly<Record<string, (g: Emit, logits: Value) => Value>> = {
  Sigmoid: (g, x) => g.Sigmoid(x),
  "Sigmoid far below zero": (g, x) => g.Sigmoid(g.Sub(x, g.scalar(9))),
  Softmax: (g, x) => g.Softmax(x, { axis: -1 }),
  Tanh: (g, x) => g.Tanh(x),
  ArgMax: (g, x) => g.ArgMax(x, { axis: -1, keepdims: 0 }),
  "Relu of what is negative": (g, x) => g.Relu(g.Sub(g.Neg(g.Abs(x)), g.scalar(1e-3))),
  "one number": (g, x) => g.ReduceMean(g.Sigmoid(x), g.ints([0, 1]), { keepdims: 0 }),
};
/** What the logits are multiplied by. */
const scales = [1e-6, 1, 1e4];

/** Two convolutions, a gate in between, pooling, two layers and an end. */
function net(end: string, scale: number, seed: number): Graph {
  const builder = newBuilder();
  const g = createEmitter(builder);
  const next = random(seed + 1);
  const weight = (name: string, shape: Shape, by = 1): Value => {
    const data = Float32Array.from({ length: sizeOf(shape) }, () => (next() * 2 - 1) * by);
    builder.initializers.set(builder.fresh(name), { dtype: "float32", shape, data });
    builder.types.set(name, { dtype: "float32", shape });
    return valueIn(builder, name);
  };
  const x = valueIn(builder, builder.input("x", { dtype: "float32", shape: [1, 3, 6, 6] }));
  const first = g.Relu(g.Conv(x, weight("first", [8, 3, 3, 3]), weight("first.bias", [8])));
  const pooled = g.GlobalAveragePool(first);
  const gate = g.Sigmoid(g.Conv(pooled, weight("gate", [8, 8, 1, 1]), weight("gate.bias", [8])));
  const second = g.Conv(g.Mul(first, gate), weight("second", [6, 8, 3, 3]), weight("second.bias", [6]));
  const flat = g.reshaped(g.GlobalAveragePool(g.Relu(second)), [1, 6]);
  const hidden = g.Relu(g.Gemm(flat, weight("third", [7, 6]), weight("third.bias", [7]), { transB: 1 }));
  const logits = g.Gemm(hidden, weight("last", [5, 7], scale), weight("last.bias", [5], scale), { transB: 1 });
  return builder.finish([ends[end]!(g, logits).name]);
}

const removal: Removal = new Map([
  ["first", [2, 5]],
  ["second", [1]],
  ["third", [3]],
]);
const proof = (graph: Graph, groups: Analysis) => prove(directRuntime, modelOf(graph), groups, removal, { threads: 1 });
const cases = Object.keys(ends).flatMap((end) => scales.map((scale) => [end, scale] as const));

describe("a proof of a net that ends in", () => {
  it.each(cases)("%s of logits times %d holds for the right cut, and for no wrong one", async (end, scale) => {
    for (const seed of [1, 2, 3]) {
      const graph = net(end, scale, seed);
      const groups = analyse(graph);
      if (seed === 1) {
        const right = await proof(graph, groups);
        expect(right.mismatch).toBeUndefined();
        expect(right.elements).toBeGreaterThan(100);
      }
      const wrong = wrongCut(groups, removal, seed)!;
      const { mismatch } = await proof(graph, wrong.groups);
      expect(mismatch, wrong.what).toBeDefined();
    }
  });
});
