/** What a model computes from its weights alone is computed once, and is a weight from then on. */

import { beforeAll, describe, expect, it } from "vitest";
import type { Graph, Node } from "../../src/graph/graph.ts";
import { float32, sizeOf, tensor, type Shape, type Tensor } from "../../src/graph/tensor.ts";
import { seeThrough } from "../../src/jobs/see-through.ts";
import { load } from "../../src/jobs/load.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { weightArithmetic } from "../../src/passes/weight-arithmetic.ts";
import { toHalf } from "../../src/graph/half.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { useRuntime } from "../../src/runtime/default.ts";
import { difference, modelOf, runGraph } from "../support/graphs.ts";
import { f, graphOf, node, noise, value } from "../onnx/support.ts";

const drawn = (seed: number, ...shape: number[]): Tensor => float32(shape, noise(sizeOf(shape), seed));
const axes = (...list: number[]): Tensor => tensor("int64", [list.length], list);

const graph = (shape: Shape, initializers: Record<string, Tensor>, nodes: readonly Node[]): Graph =>
  graphOf({
    inputs: [value("x", shape)],
    outputs: [value(nodes.at(-1)!.outputs[0]!)],
    initializers: new Map(Object.entries(initializers)),
    nodes,
  });

const through = async (whole: Graph): Promise<Graph> => (await seeThrough(modelOf(whole), directRuntime)).graph;
const unitsOf = (whole: Graph): [string, number][] =>
  analyse(whole).groups.map(({ name, units }) => [name, units.length]);

/** A convolution whose filters have mean 0 and variance 1, a second one behind it. */
const standardised = graph(
  [2, 3, 5, 5],
  { "c.weight": drawn(1, 6, 3, 3, 3), a: axes(1, 2, 3), e: float32([1], [1e-5]), "d.weight": drawn(2, 4, 6, 1, 1) },
  [
    node("ReduceMean", ["c.weight", "a"], ["m"]),
    node("Sub", ["c.weight", "m"], ["s"]),
    node("Mul", ["s", "s"], ["q"]),
    node("ReduceMean", ["q", "a"], ["v"]),
    node("Add", ["v", "e"], ["w"]),
    node("Sqrt", ["w"], ["r"]),
    node("Div", ["s", "r"], ["n"]),
    node("Conv", ["x", "n"], ["h"]),
    node("Relu", ["h"], ["k"]),
    node("Conv", ["k", "d.weight"], ["y"]),
  ],
);

describe("weights that are computed", () => {
  it("are weights under their name, and the model computes what it did", async () => {
    const own = await through(standardised);
    expect(own.nodes.map(({ op }) => op)).toEqual(["Conv", "Relu", "Conv"]);
    expect([...own.initializers.keys()]).toEqual(["d.weight", "c.weight"]);
    expect(unitsOf(own)).toEqual([["c.weight", 6]]);
    const feeds = { x: drawn(3, 2, 3, 5, 5) };
    const [before, after] = [await runGraph(standardised, feeds), await runGraph(own, feeds)];
    expect(difference(before["y"]!, after["y"]!).largest).toBeLessThan(1e-6);
  });

  it("bear the name that the program has for the whole, not for a part", async () => {
    const weightNorm = (g: string, v: string): Graph =>
      graph([2, 8], { [g]: drawn(1, 1, 6), [v]: drawn(2, 8, 6), a: axes(0), u: drawn(3, 6, 4) }, [
        node("ReduceL2", [v, "a"], ["n"]),
        node("Div", [v, "n"], ["d"]),
        node("Mul", ["d", g], ["w"]),
        node("MatMul", ["x", "w"], ["h"]),
        node("MatMul", ["h", "u"], ["y"]),
      ]);
    const kinds = [
      ["fc.parametrizations.weight.original0", "fc.parametrizations.weight.original1"],
      ["fc.weight_g", "fc.weight_v"],
    ] as const;
    for (const [g, v] of kinds)
      expect([...(await through(weightNorm(g, v))).initializers.keys()]).toEqual(["u", "fc.weight"]);
  });

  it("keep the type of the file", async () => {
    const half = (of: Tensor): Tensor => ({
      ...of,
      dtype: "float16",
      data: Uint16Array.from(of.data as Float32Array, toHalf),
    });
    const whole = graph([2, 8], { w: half(drawn(1, 8, 4)), two: half(float32([8, 1], new Float32Array(8).fill(2))) }, [
      node("Mul", ["w", "two"], ["d"]),
      node("Cast", ["d"], ["e"], { to: 1 }),
      node("MatMul", ["x", "e"], ["y"]),
    ]);
    const own = await through(whole);
    expect(own.initializers.get("w")!.dtype).toBe("float32");
    const narrow = {
      ...graph([2, 8], {}, [node("MatMul", ["x", "d"], ["y"])]),
      inputs: [value("x", [2, 8], "float16")],
    };
    const kept = await through({
      ...whole,
      ...narrow,
      outputs: [value("y", undefined, "float16")],
      initializers: whole.initializers,
      nodes: [whole.nodes[0]!, ...narrow.nodes],
    });
    expect(kept.initializers.get("w")).toEqual(
      half(
        float32(
          [8, 4],
          noise(32, 1).map((x) => 2 * x),
        ),
      ),
    );
  });

  it("may be parts of one, each with its name", async () => {
    const whole = graph([2, 8], { w: drawn(1, 8, 8), c: float32([1], [0.5]) }, [
      node("Mul", ["w", "c"], ["s"]),
      node("Split", ["s"], ["p", "q"], { axis: 1, num_outputs: 2 }),
      node("MatMul", ["x", "p"], ["a"]),
      node("MatMul", ["x", "q"], ["b"]),
      node("Add", ["a", "b"], ["y"]),
    ]);
    const own = await through(whole);
    expect([...own.initializers].map(([name, { shape }]) => `${name} ${shape.join()}`)).toEqual(["w 8,4", "w_1 8,4"]);
  });
});

describe("what stays in the graph", () => {
  const unchanged = (whole: Graph): void => expect(weightArithmetic(whole)).toBeUndefined();

  it("is what only moves the elements of a weight, or gives them another type", () => {
    unchanged(
      graph([2, 8], { w: drawn(1, 4, 8), p: axes(0) }, [
        node("Transpose", ["w"], ["t"], { perm: [1, 0] }),
        node("Unsqueeze", ["t", "p"], ["u"]),
        node("Cast", ["u"], ["c"], { to: 1 }),
        node("MatMul", ["x", "c"], ["y"]),
      ]),
    );
  });

  it("is a weight that is quantised", () => {
    const parts = {
      q: tensor(
        "int8",
        [8, 4],
        noise(32).map((x) => Math.round(100 * x)),
      ),
      s: float32([], [0.01]),
      k: drawn(1, 4),
    };
    unchanged(
      graph([2, 8], parts, [
        node("DequantizeLinear", ["q", "s"], ["w"]),
        node("Mul", ["w", "k"], ["v"]),
        node("MatMul", ["x", "v"], ["y"]),
      ]),
    );
    unchanged(
      graph([2, 8], { w: drawn(2, 8, 4), s: float32([4], [0.1, 0.2, 0.1, 0.3]) }, [
        node("QuantizeLinear", ["w", "s"], ["q"], { output_dtype: 3 }),
        node("DequantizeLinear", ["q", "s"], ["v"]),
        node("MatMul", ["x", "v"], ["y"]),
      ]),
    );
  });

  it("is a weight that is read as it is too, which would be another one then", () => {
    unchanged(
      graph([2, 8], { w: drawn(1, 8, 8), c: float32([1], [0.5]) }, [
        node("MatMul", ["x", "w"], ["h"]),
        node("Mul", ["w", "c"], ["s"]),
        node("MatMul", ["h", "s"], ["y"]),
      ]),
    );
  });

  it("is what would be far larger, an output, and what is drawn anew each time", () => {
    unchanged(
      graph([2, 2048], { a: drawn(1, 2048, 1), b: drawn(2, 1, 2048) }, [
        node("Mul", ["a", "b"], ["w"]),
        node("MatMul", ["x", "w"], ["y"]),
      ]),
    );
    const whole = graph([2, 4], { w: drawn(1, 4), c: drawn(2, 4) }, [
      node("Mul", ["w", "c"], ["z"]),
      node("Add", ["x", "z"], ["y"]),
    ]);
    unchanged({ ...whole, outputs: [value("y"), value("z")] });
    unchanged(
      graph([2, 4], { w: drawn(1, 4) }, [
        node("RandomNormalLike", ["w"], ["n"], { scale: f(1) }),
        node("Add", ["x", "n"], ["y"]),
      ]),
    );
  });
});

describe("load", () => {
  beforeAll(() => useRuntime(directRuntime));

  it("sees through, and gives what there is nothing to see through byte for byte", async () => {
    const bytes = encodeModel(modelOf(standardised));
    const opened = await load(bytes);
    expect(opened.graph.nodes.length).toBe(3);
    const again = encodeModel(opened);
    expect(encodeModel(await load(again))).toEqual(encodeModel(loadModel(again)));
  });

  it("names the weights where they can not be computed", async () => {
    const broken = { ...directRuntime, load: () => Promise.reject(new Error("no memory")) };
    await expect(seeThrough(modelOf(standardised), broken)).rejects.toThrow(
      /from its weights c.weight alone can not be computed: no memory/,
    );
  });
});
