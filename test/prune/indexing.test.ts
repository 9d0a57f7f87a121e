/** Nets that look things up: embeddings, tables of relative positions, attention by equations, and sizes that are put together by index. */

import { describe, expect, it } from "vitest";
import type { Graph } from "../../src/graph/graph.ts";
import { float32, int64s, sizeOf, tensor, type Shape, type Tensor } from "../../src/graph/tensor.ts";
import type { Value } from "../../src/ops/define.ts";
import type { Emit } from "../../src/ops/emit.ts";
import { createEmitter, valueIn } from "../../src/ops/emitter.ts";
import { normalise } from "../../src/passes/normalise.ts";
import { trace } from "../../src/passes/trace.ts";
import { cut, mask } from "../../src/prune/cut.ts";
import { findGroups } from "../../src/prune/groups.ts";
import { gradientGraph } from "../../src/train/gradients.ts";
import { difference, newBuilder, random, runGraph } from "../support/graphs.ts";
import { graphOf, node, value } from "../onnx/support.ts";
import { drawRemoval } from "./support.ts";

type Weight = (name: string, shape: Shape) => Value;

function build(net: (g: Emit, weight: Weight, input: (shape: Shape, integer?: boolean) => Value) => Value): {
  graph: Graph;
  feeds: Record<string, Tensor>;
} {
  const builder = newBuilder();
  const next = random(7);
  const drawn = (shape: Shape) => Array.from({ length: sizeOf(shape) }, () => next() - 0.5);
  const feeds: Record<string, Tensor> = {};
  const weight: Weight = (name, shape) => {
    builder.initializers.set(name, float32(shape, drawn(shape)));
    builder.types.set(name, { dtype: "float32", shape });
    return valueIn(builder, name);
  };
  const out = net(createEmitter(builder), weight, (shape, integer = false) => {
    const name = builder.input("x", { dtype: integer ? "int64" : "float32", shape });
    feeds[name] = integer
      ? tensor(
          "int64",
          shape,
          drawn(shape).map((_, i) => i % 4),
        )
      : float32(shape, drawn(shape));
    return valueIn(builder, name);
  });
  return { graph: builder.finish([out.name]), feeds };
}

/** Units by group; the law of the project is tried on the way. */
async function unitsOf({ graph, feeds }: ReturnType<typeof build>): Promise<Record<string, number>> {
  const groups = findGroups(trace(graph));
  for (const seed of [1, 2, 3]) {
    const removal = drawRemoval(groups, seed);
    const [a, b] = [
      await runGraph(mask(graph, groups, removal), feeds),
      await runGraph(cut(graph, groups, removal).graph, feeds),
    ];
    const name = graph.outputs[0]!.name;
    const { largest, range } = difference(a[name]!, b[name]!);
    expect(largest).toBeLessThan(1e-5 * Math.max(1, range));
  }
  return Object.fromEntries(groups.groups.map(({ name, units }) => [name, units.length]));
}

/** Attention of 4 heads over 3 places, with a table of relative positions; by products of matrices or by equations. */
const attention = (equations: boolean) =>
  build((g, weight, input) => {
    const [heads, width, places] = [4, 3, 3];
    const x = input([2, places, 5]);
    const project = (name: string) => {
      const y = g.Reshape(g.MatMul(x, weight(name, [5, heads * width])), g.ints([2, places, heads, width]));
      return equations ? y : g.Transpose(y, { perm: [0, 2, 1, 3] });
    };
    const [q, k, v] = ["q", "k", "v"].map(project) as [Value, Value, Value];
    const distances = tensor(
      "int64",
      [places, places],
      Array.from({ length: places * places }, (_, i) => (i % places) - Math.floor(i / places) + places - 1),
    );
    const table = g.Gather(weight("table", [2 * places - 1, heads]), g.constant(distances), { axis: 0 });
    const bias = g.Unsqueeze(g.Transpose(table, { perm: [2, 0, 1] }), g.ints([0]));
    const scores = equations
      ? g.Einsum(q, k, { equation: "bihd,bjhd->bhij" })
      : g.MatMul(q, g.Transpose(k, { perm: [0, 1, 3, 2] }));
    const shares = g.Softmax(g.Add(scores, bias), { axis: -1 });
    const mixed = equations
      ? g.Einsum(shares, v, { equation: "bhij,bjhd->bihd" })
      : g.Transpose(g.MatMul(shares, v), { perm: [0, 2, 1, 3] });
    return g.MatMul(g.Reshape(mixed, g.ints([2, places, heads * width])), weight("out", [heads * width, 6]));
  });

describe("units", () => {
  it.each([false, true])("of attention with a table of relative positions (equations: %s)", async (equations) => {
    // Heads go with their column of the table, which has one name; places of a head, the same of every head, go in two ways.
    const units = await unitsOf(attention(equations));
    expect(Object.values(units).toSorted()).toEqual([3, 3, 4]);
  });

  it("of an embedding: its width, not its entries", async () => {
    const net = build((g, weight, input) => {
      const words = g.Gather(weight("words", [6, 8]), input([2, 3], true));
      const places = g.Gather(weight("places", [4, 8]), g.constant(int64s([0, 1, 2])));
      return g.MatMul(g.Relu(g.MatMul(g.Add(words, places), weight("up", [8, 7]))), weight("down", [7, 5]));
    });
    expect(await unitsOf(net)).toEqual({ words: 8, up: 7 });
  });

  it("of a scatter: what lies beside the axis that is indexed", async () => {
    const net = build((g, weight, input) => {
      const x = g.MatMul(input([2, 4, 5]), weight("in", [5, 6]));
      const index = g.constant(tensor("int64", [2, 2], [0, 1, 1, 3]));
      const replaced = g.ScatterND(x, index, weight("update", [2, 6]));
      const picked = g.GatherND(replaced, g.constant(tensor("int64", [3, 2], [0, 1, 1, 0, 1, 3])));
      return g.MatMul(g.Tile(picked, g.ints([2, 2])), weight("out", [12, 3]));
    });
    expect(await unitsOf(net)).toEqual({ in: 6 });
  });
});

it("units along an axis that indices are stated beside", async () => {
  const net = build((g, weight, input) => {
    const x = g.Transpose(g.MatMul(input([2, 5]), weight("in", [5, 6])), { perm: [1, 0] });
    const one = g.GatherND(x, g.constant(tensor("int64", [6, 1, 1], [0, 1, 1, 0, 1, 0])), { batch_dims: 1 });
    return g.MatMul(g.Transpose(one, { perm: [1, 0] }), weight("out", [6, 3]));
  });
  expect(await unitsOf(net)).toEqual({ in: 6 });
});

it("samples are told apart behind an embedding of steps before samples", async () => {
  const { graph, feeds } = build((g, weight, input) => {
    const words = g.Gather(weight("words", [6, 8]), g.Transpose(input([2, 3], true), { perm: [1, 0] }));
    return g.ReduceMean(g.MatMul(words, weight("head", [8, 5])), g.ints([0]), { keepdims: 0 });
  });
  const options = { batch: 2, loss: "cross-entropy", train: false, wrt: "gates" } as const;
  const results = await runGraph(gradientGraph(graph, options), { ...feeds, target: int64s([0, 3]) });
  expect(results["grad/words"]!.shape).toEqual([2, 8]);
});

it("sizes that are put together by index are constants", async () => {
  const scalar = (value: number) => tensor("int64", [], [value]);
  const graph = graphOf({
    inputs: [value("x", ["batch", 3, 4])],
    outputs: [value("y")],
    initializers: new Map([
      ["at", tensor("int64", [2, 1], [1, -1])],
      ["new", int64s([6, 2])],
      ["two", int64s([2])],
      ["three", int64s([3])],
      ["one", int64s([1])],
      ["front", int64s([0])],
      ["zero", scalar(0)],
      ["step", scalar(1)],
      ["w", float32([2, 5], Array.from({ length: 10 }, random(3)))],
    ]),
    nodes: [
      node("Shape", ["x"], ["sizes"]),
      node("Slice", ["sizes", "two", "three"], ["last"]),
      node("CumSum", ["last", "zero"], ["summed"]),
      node("Squeeze", ["summed"], ["limit"]),
      node("Range", ["zero", "limit", "step"], ["positions"]),
      node("Tile", ["one", "last"], ["ones"]),
      node("Expand", ["ones", "last"], ["all"]),
      node("NonZero", ["all"], ["found"]),
      node("Squeeze", ["found", "front"], ["every"]),
      node("Gather", ["x", "positions"], ["a"], { axis: 2 }),
      node("Gather", ["a", "every"], ["b"], { axis: 2 }),
      node("ScatterND", ["sizes", "at", "new"], ["target"]),
      node("Reshape", ["b", "target"], ["c"]),
      node("MatMul", ["c", "w"], ["y"]),
    ],
  });
  const plain = normalise(graph);
  expect(plain.nodes.map(({ op }) => op)).toEqual(["Gather", "Gather", "Reshape", "MatMul"]);
  const feeds = { x: float32([2, 3, 4], Array.from({ length: 24 }, random(4))) };
  const [before, after] = [await runGraph(graph, feeds), await runGraph(plain, feeds)];
  expect(after["y"]).toEqual(before["y"]);
});

describe("refusals", () => {
  const given = (shape: Shape, dtype: "float32" | "bool" | "int64" = "float32") => {
    const builder = newBuilder();
    const x = valueIn(builder, builder.input("x", { dtype: "float32", shape: [2, 3] }));
    return { g: createEmitter(builder), x, other: valueIn(builder, builder.input("n", { dtype, shape })) };
  };

  it("of outputs that have as many elements as data say", () => {
    const { g, x, other } = given([2], "bool");
    expect(() => g.NonZero(x)).toThrow(/depends on data/);
    expect(() => g.Compress(x, other, { axis: 0 })).toThrow(/computed from data/);
  });

  it("of equations that do not fit, or that onnxruntime does not compute", () => {
    const { g, x, other } = given([1, 4]);
    const einsum = (equation: string) => () => g.Einsum(x, other, { equation });
    expect(einsum("ij,jk->ik")).toThrow(/broadcast from size 1/);
    expect(einsum("ij,ki->jk")).toThrow(/"i".* is 2 and 4/);
    expect(einsum("ij->j")).toThrow(/1 terms for 2 operands/);
    expect(einsum("ij,k->i")).toThrow(/the term "k"/);
    expect(einsum("ij,kl->m")).toThrow(/makes "m" of nothing/);
    expect(einsum("...j,...->j")).toThrow(/different numbers of axes/);
  });

  it("of sums along an axis that is no axis, or that is data", () => {
    const { g, x, other } = given([], "int64");
    expect(() => g.CumSum(x, other)).toThrow(/computed from data/);
    expect(() => g.CumSum(x, g.constant(tensor("int64", [], [2])))).toThrow(/has no axis 2/);
  });
});
