/** Proofs: they hold where the law does, go from node to node where it cannot, and name the node where a cut is wrong. */

import { describe, expect, it } from "vitest";
import type { Graph } from "../../src/graph/graph.ts";
import { sizeOf, type Shape } from "../../src/graph/tensor.ts";
import type { Value } from "../../src/ops/define.ts";
import { createEmitter, valueIn } from "../../src/ops/emitter.ts";
import { trace } from "../../src/passes/trace.ts";
import { findGroups, type Groups } from "../../src/prune/groups.ts";
import { assertProved, prove } from "../../src/prune/prove.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { modelOf, newBuilder, random } from "../support/graphs.ts";

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

const proof = (graph: Graph, groups: Groups, units: readonly number[]) =>
  prove(directRuntime, modelOf(graph), groups, new Map([["first", units]]), once);

describe("a proof", () => {
  it("holds for a cut that is right, as a whole", async () => {
    const graph = net((g, x) => g.Relu(x));
    const found = await proof(graph, findGroups(trace(graph)), [1, 4]);
    expect(found.mismatch).toBeUndefined();
    expect(found.between).toEqual([]);
    // The output, and what the first convolution computes.
    expect(found.elements).toBe(2 * 2 * 16 + 2 * 4 * 16);
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
    const groups = findGroups(trace(graph));
    expect(groups.groups.map(({ name, units, inexact }) => [name, units.length, inexact.length])).toEqual([
      ["first", 6, 1],
    ]);
    const found = await proof(graph, groups, [0, 3]);
    expect(found.between).toEqual([expect.stringContaining(op)]);
    expect(found.mismatch).toBeUndefined();
    expect(found.difference).toBeLessThan(1e-6);
    // The output, what goes into the node, and what the first convolution computes are compared.
    expect(found.elements).toBe(2 * 2 * 16 + 2 * 2 * 4 * 16);
  });

  it("names the first node at which a wrong cut differs", async () => {
    const graph = net((g, x) => g.Relu(x));
    const right = findGroups(trace(graph));
    // Units 1 and 2 take each other's scale along.
    const scale = right.coupling.first("scale", 0);
    const swapped = (atom: number): number => (atom === scale + 1 ? scale + 2 : atom === scale + 2 ? scale + 1 : atom);
    const [group] = right.groups;
    const units = group!.units.map(({ atoms }) => ({ atoms: atoms.map(swapped) }));
    const wrong: Groups = { ...right, groups: [{ ...group!, units }] };
    const found = await proof(graph, wrong, [1]);
    expect(found.mismatch?.node).toContain("BatchNormalization");
    expect(found.mismatch!.difference).toBeGreaterThan(found.tolerance);
    expect(() => assertProved(found)).toThrow(/differ first at BatchNormalization .*nothing was written/);
  });
});
