/** Proofs: they hold where the law does, go from node to node where it cannot, and name the node where a cut is wrong. */

import { describe, expect, it } from "vitest";
import type { Graph } from "../../../src/graph/graph.ts";
import { float32, sizeOf, tensor, type Shape } from "../../../src/graph/tensor.ts";
import type { Value } from "../../../src/ops/core/define.ts";
import { createEmitter, valueIn } from "../../../src/ops/emitter.ts";
import { analyse, type Analysis } from "../../../src/prune/coupling/analysis.ts";
import { assertProved, prove } from "../../../src/prune/proof/prove.ts";
import { directRuntime } from "../../../src/runtime/onnxruntime-node.ts";
import { modelOf, newBuilder, random } from "../../support/graphs.ts";

const once = { threads: 1 };

/** x [2, 3, 4, 4] -> conv -> BatchNormalization -> `middle` -> conv -> y. */
function net(middle: (g: ReturnType<typeof createEmitter>, x: Value) => Value): Graph {
  const builder = newBuilder();
  const g = createEmitter(builder);
  const next = random(5);
  const weight = (name: string, shape: Shape, low = -1): Value => {
    const data = Float32Array.from({ length: sizeOf(shape) }, () => low + next() * (1 - low));
    builder.initializers.set(builder.fresh(name), { dtype: "float32", shape, data });
    builder.types.set(name, { dtype: "float32", shape });
    return valueIn(builder, name);
  };
  const x = valueIn(builder, builder.input("x", { dtype: "float32", shape: [2, 3, 4, 4] }));
  const first = g.Conv(x, weight("first", [6, 3, 1, 1]));
  const normal = g.BatchNormalization(
    first,
    weight("scale", [6], 0.5),
    weight("shift", [6]),
    weight("mean", [6]),
    weight("var", [6], 0.5),
  );
  const last = g.Conv(middle(g, normal), weight("second", [2, 6, 1, 1]));
  return builder.finish([last.name]);
}

const proof = (graph: Graph, groups: Analysis, units: readonly number[]) =>
  prove(directRuntime, modelOf(graph), groups, new Map([["first", units]]), once);

/** Groups in which two units take each other's number of a weight along. */
function swapped(right: Analysis, weight: string, one: number, other: number): Analysis {
  const first = right.coupling.first(weight, 0);
  const swap = new Map([
    [first + one, first + other],
    [first + other, first + one],
  ]);
  const [group] = right.groups;
  const units = group!.units.map(({ atoms }) => ({ atoms: atoms.map((atom) => swap.get(atom) ?? atom) }));
  return { ...right, groups: [{ ...group!, units }] };
}

describe("a proof", () => {
  it("holds for a cut that is right, as a whole", async () => {
    const graph = net((g, x) => g.Relu(x));
    const found = await proof(graph, analyse(graph), [1, 4]);
    expect(found.mismatch).toBeUndefined();
    expect(found.between).toEqual([]);
    // Of eight draws the output, and what the first convolution computes.
    expect(found.elements).toBe(8 * (2 * 2 * 16 + 2 * 4 * 16));
    expect(found.difference).toBeLessThan(1e-6);
    assertProved(found);
  });

  it.each([
    ["Softmax", (g: ReturnType<typeof createEmitter>, x: Value) => g.Softmax(x, { axis: 1 })],
    [
      "ReduceMean",
      (g: ReturnType<typeof createEmitter>, x: Value) => g.Sub(x, g.ReduceMean(x, g.ints([1]), { keepdims: 1 })),
    ],
  ])("goes from node to node where %s counts zeros", async (op, middle) => {
    const graph = net(middle);
    const groups = analyse(graph);
    expect(groups.groups.map(({ name, units, inexact }) => [name, units.length, inexact.length])).toEqual([
      ["first", 6, 1],
    ]);
    const found = await proof(graph, groups, [0, 3]);
    expect(found.between).toEqual([expect.stringContaining(op)]);
    expect(found.mismatch).toBeUndefined();
    expect(found.difference).toBeLessThan(1e-6);
    // The output, what goes into the node, and what the first convolution computes are compared.
    expect(found.elements).toBe(8 * (2 * 2 * 16 + 2 * 2 * 4 * 16));
  });

  it("gives what is random to both, and names it", async () => {
    const training = { dtype: "bool", shape: [], data: Uint8Array.of(1) } as const;
    const graph = net((g, x) => g.Relu(g.Dropout(x, g.scalar(0.5), g.constant(training))));
    const [groups, removal] = [analyse(graph), new Map([["first", [1, 4]]])];
    // The optimiser takes a Dropout whose mask nobody reads for the identity.
    const found = await prove(directRuntime, modelOf(graph), groups, removal, { ...once, optimise: false });
    expect(found.mismatch).toBeUndefined();
    expect(found.random).toEqual([expect.stringMatching(/^Dropout .* is in training mode$/)]);
    expect(found.difference).toBeLessThan(1e-5);
  });

  it("holds where the optimiser makes another thing of one of the two", async () => {
    const padded = (g: ReturnType<typeof createEmitter>, x: Value): Value => {
      const pads = g.ints([0, 0, 1, 1, 0, 0, 1, 1]);
      // Zeros around negative numbers are their maximum; as the pooling's own padding they would not be.
      return g.MaxPool(g.Pad(g.Neg(g.Abs(x)), pads, g.scalar(0)), { kernel_shape: [3, 3], strides: [1, 1] });
    };
    const graph = net(padded);
    const found = await proof(graph, analyse(graph), [1, 4]);
    expect(found.mismatch).toBeUndefined();
    expect(found.difference).toBeLessThan(1e-5);
    const [groups, removal] = [analyse(graph), new Map([["first", [1, 4]]])];
    const wrong = swapped(groups, "scale", 1, 2);
    expect((await prove(directRuntime, modelOf(graph), wrong, removal, once)).mismatch).toBeDefined();
  });

  it("compares quantised activations without their steps, and sees a scale that is cut wrongly", async () => {
    const quantised = (g: ReturnType<typeof createEmitter>, x: Value): Value => {
      const scale = g.constant(float32([6], [0.1, 0.02, 0.3, 0.05, 0.2, 0.01]));
      const zero = g.constant(tensor("int8", [6], [0, 0, 0, 0, 0, 0]));
      return g.DequantizeLinear(g.QuantizeLinear(g.Relu(x), scale, zero), scale, zero);
    };
    const graph = net(quantised);
    const groups = analyse(graph);
    const removal = new Map([["first", [1, 4]]]);
    const found = await prove(directRuntime, modelOf(graph), groups, removal, once);
    expect(found.mismatch).toBeUndefined();
    expect(found.noisy).toBe(0);
    const scales = graph.nodes.find(({ op }) => op === "QuantizeLinear")!.inputs[1]!;
    const wrong = swapped(groups, scales, 1, 2);
    const { mismatch } = await prove(directRuntime, modelOf(graph), wrong, removal, once);
    expect(mismatch).toBeDefined();
  });

  it("names the first node at which a wrong cut differs", async () => {
    const graph = net((g, x) => g.Relu(x));
    const right = analyse(graph);
    const wrong = swapped(right, "scale", 1, 2);
    const found = await proof(graph, wrong, [1]);
    expect(found.mismatch?.node).toContain("BatchNormalization");
    expect(found.mismatch!.difference).toBeGreaterThan(found.tolerance);
    expect(() => assertProved(found)).toThrow(/differ first at BatchNormalization .*Please report/);
  });
});
