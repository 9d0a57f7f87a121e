/** Nets that look things up: embeddings, tables of relative positions, attention by equations, and sizes that are put together by index. */

import { describe, expect, it } from "vitest";
import type { Graph } from "../../src/graph/graph.ts";
import { float32, int64s, sizeOf, tensor, type Shape, type Tensor } from "../../src/graph/tensor.ts";
import type { Value } from "../../src/ops/core/define.ts";
import type { Emit } from "../../src/ops/core/emit.ts";
import { createEmitter, valueIn } from "../../src/ops/emitter.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { normalise } from "../../src/passes/normalise.ts";
import { cut } from "../../src/prune/cut/cut.ts";
import { mask } from "../../src/prune/cut/mask.ts";
import { prove } from "../../src/prune/proof/prove.ts";
import { gradientGraph } from "../../src/objective/backward.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { difference, modelOf, newBuilder, random, runGraph } from "../support/graphs.ts";
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
  const groups = analyse(graph);
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

/** Parts of `in`'s 12 units, taken by slices [start, end, step] along the last axis and multiplied. */
const sliced = (...slices: readonly (readonly [number, number, number])[]) =>
  build((g, weight, input) => {
    const x = g.MatMul(input([2, 5]), weight("in", [5, 12]));
    const part = ([start, end, step]: readonly [number, number, number]) =>
      g.Slice(x, g.ints([start]), g.ints([end]), g.ints([-1]), g.ints([step]));
    const parts = slices.map(part);
    const product = parts.reduce((a, b) => g.Mul(a, b));
    return g.MatMul(product, weight("out", [product.shape[1]!, 3]));
  });
const toTheEnd = Number.MAX_SAFE_INTEGER;

describe("slices with a step", () => {
  it.each([
    [
      "interleaved: pairs go",
      [
        [0, toTheEnd, 2],
        [1, toTheEnd, 2],
      ],
      { in: 6 },
    ],
    [
      "every third of three, backwards",
      [
        [11, -toTheEnd, -3],
        [10, -toTheEnd, -3],
      ],
      { in: 4 },
    ],
    [
      "forwards and backwards: opposite pairs go together",
      [
        [0, toTheEnd, 2],
        [-1, -toTheEnd, -2],
      ],
      { in: 3 },
    ],
    [
      "reversed: an element and its mirror",
      [
        [0, toTheEnd, 1],
        [-1, -toTheEnd, -1],
      ],
      { in: 6 },
    ],
    [
      "of two different steps: each pair ties the next",
      [
        [0, 8, 2],
        [0, toTheEnd, 3],
      ],
      { in: 1 },
    ],
  ] as const)("%s", async (_name, slices, units) => {
    expect(await unitsOf(sliced(...slices))).toMatchObject(units);
  });

  it("leave alone what no period of theirs holds", async () => {
    // 4, 6 and 8 are taken, with 5, 7 and 9; the others are read by no one.
    expect(await unitsOf(sliced([4, 9, 2]))).toEqual({ in: 6, "in#2": 3 });
  });
});

/** GroupNormalization of 6 channels as exporters write it. */
const groupNorm = (groups: number) =>
  build((g, weight, input) => {
    const x = g.Conv(input([2, 3, 4, 4]), weight("in", [6, 3, 1, 1]));
    const rows = g.Reshape(x, g.ints([0, groups, -1]));
    const unit = g.InstanceNormalization(rows, weight("ones", [groups]), weight("zeros", [groups]), { epsilon: 1e-3 });
    const y = g.Add(
      g.Mul(g.Reshape(unit, g.ints([0, 6, 4, 4])), weight("scale", [6, 1, 1])),
      weight("shift", [6, 1, 1]),
    );
    return g.Conv(g.Relu(y), weight("out", [2, 6, 1, 1]));
  });

describe("a GroupNormalization written as an InstanceNormalization", () => {
  it.each([
    // One group: every channel, which the mean counts.
    [1, [6]],
    // The same place of both groups, and whole groups.
    [2, [2, 3]],
    [3, [2, 3]],
    [6, [6]],
  ])("of %s groups", async (groups, units) => {
    const { graph } = groupNorm(groups);
    const found = analyse(graph);
    const several = found.groups.filter(({ units: own }) => own.length > 1);
    expect(several.map((group) => group.units.length).toSorted()).toEqual(units);
    const model = modelOf(graph);
    for (const group of several) {
      const proof = await prove(directRuntime, model, found, new Map([[group.name, [1]]]), { threads: 1 });
      expect(proof.mismatch).toBeUndefined();
      // Whole groups go without a trace.
      expect(proof.between.length).toBe(group.units.length === groups ? 0 : 1);
    }
  });
});

it("channels that ECA convolves with their neighbours go, and the law is shown up to there and from there", async () => {
  const { graph } = build((g, weight, input) => {
    const x = g.Conv(input([2, 3, 4, 4]), weight("in", [6, 3, 1, 1]));
    const means = g.Reshape(g.GlobalAveragePool(x), g.ints([0, 1, -1]));
    const mixed = g.Conv(means, weight("eca", [1, 1, 3]), undefined, { pads: [1, 1] });
    const factors = g.Reshape(g.Sigmoid(mixed), g.ints([0, 6, 1, 1]));
    return g.Conv(g.Mul(x, factors), weight("out", [2, 6, 1, 1]));
  });
  const groups = analyse(graph);
  expect(groups.groups.map(({ name, units }) => [name, units.length])).toEqual([["in", 6]]);
  expect(groups.groups[0]!.inexact.join()).toContain("windows hold other neighbours");
  const proof = await prove(directRuntime, modelOf(graph), groups, new Map([["in", [0, 3]]]), { threads: 1 });
  expect(proof).toMatchObject({ between: [expect.stringContaining("Conv")] });
  expect(proof.mismatch).toBeUndefined();
});

it("sizes of one node that share an initializer change on their own", async () => {
  const { graph, feeds } = sliced([2, toTheEnd, 2]);
  // As exporters merge equal constants: the start is the step too.
  const nodes = graph.nodes.map((one) =>
    one.op === "Slice" ? { ...one, inputs: one.inputs.with(4, one.inputs[1]!) } : one,
  );
  expect(await unitsOf({ graph: { ...graph, nodes }, feeds })).toEqual({ in: 2, "in#2": 5 });
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
