/** Networks between pairs of QuantizeLinear and DequantizeLinear are cut with their scales; what computes on integers is refused. */

import { describe, expect, it } from "vitest";
import { magnitude } from "../../src/criteria/magnitude.ts";
import type { Graph } from "../../src/graph/graph.ts";
import {
  float32,
  sizeOf,
  tensor,
  toNumbers,
  type NumericDType,
  type Shape,
  type Tensor,
} from "../../src/graph/tensor.ts";
import { explainUnknown } from "../../src/ops/refused.ts";
import { ops } from "../../src/ops/table.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { inFloat } from "../../src/passes/in-float.ts";
import { trace } from "../../src/passes/trace.ts";
import { costsOf } from "../../src/passes/costs.ts";
import { createCostModel } from "../../src/prune/select/cost-model.ts";
import { cut } from "../../src/prune/cut/cut.ts";
import { mask } from "../../src/prune/cut/mask.ts";
import { findGates } from "../../src/prune/gates/gates.ts";
import { summarise } from "../../src/prune/summary.ts";
import { gradientGraph, parameterNames } from "../../src/objective/backward.ts";
import { difference, modelOf, random, runGraph } from "../support/graphs.ts";
import { graphOf, node, value } from "../onnx/support.ts";

const draw = (dtype: NumericDType, shape: Shape, low: number, high: number, seed: number): Tensor => {
  const next = random(seed);
  const numbers = Array.from({ length: sizeOf(shape) }, () => low + next() * (high - low));
  return tensor(dtype, shape, dtype === "float32" ? numbers : numbers.map(Math.round));
};

/** A power of two: what is quantised in float32 or by integers is then the same. */
const step = 2 ** -6;
const scales = (count: number, seed: number): Tensor =>
  float32(
    [count],
    Array.from(draw("int8", [count], 0, 2, seed).data as Int8Array, (n) => step / 2 ** n),
  );

/** Two layers of Conv whose weights and activations are integers, each channel of the first weight with its own scale. */
const net: Graph = graphOf({
  inputs: [value("x", [2, 3, 6, 6])],
  outputs: [value("y")],
  initializers: new Map<string, Tensor>([
    ["step", float32([], [step])],
    ["zero", tensor("uint8", [], [0])],
    ["middle", tensor("int8", [], [-3])],
    ["w", draw("int8", [8, 3, 3, 3], -90, 90, 1)],
    ["w_scale", scales(8, 2)],
    ["w_zero", draw("int8", [8], -4, 4, 3)],
    ["b", draw("int32", [8], -300, 300, 4)],
    ["b_scale", float32([8], new Float32Array(8).fill(step * step))],
    ["v", draw("int8", [5, 8, 1, 1], -90, 90, 5)],
    ["v_scale", scales(5, 6)],
    ["g", draw("int8", [5, 4], -90, 90, 7)],
    ["g_scale", scales(4, 8)],
  ]),
  nodes: [
    node("QuantizeLinear", ["x", "step", "middle"], ["xq"]),
    node("DequantizeLinear", ["xq", "step", "middle"], ["xf"]),
    node("DequantizeLinear", ["w", "w_scale", "w_zero"], ["wf"], { axis: 0 }),
    node("DequantizeLinear", ["b", "b_scale"], ["bf"], { axis: 0 }),
    node("Conv", ["xf", "wf", "bf"], ["a"], { pads: [1, 1, 1, 1] }),
    node("Relu", ["a"], ["r"]),
    node("QuantizeLinear", ["r", "step", "zero"], ["rq"]),
    node("MaxPool", ["rq"], ["pq"], { kernel_shape: [2, 2], strides: [2, 2] }),
    node("DequantizeLinear", ["pq", "step", "zero"], ["pf"]),
    node("DequantizeLinear", ["v", "v_scale"], ["vf"], { axis: 0 }),
    node("Conv", ["pf", "vf"], ["c"]),
    node("QuantizeLinear", ["c", "step", "middle"], ["cq"]),
    node("DequantizeLinear", ["cq", "step", "middle"], ["cf"]),
    node("GlobalAveragePool", ["cf"], ["m"]),
    node("Flatten", ["m"], ["f"]),
    node("DequantizeLinear", ["g", "g_scale"], ["gf"], { axis: -1 }),
    node("MatMul", ["f", "gf"], ["y"]),
  ],
});

const feeds = { x: draw("float32", [2, 3, 6, 6], -1, 1, 9) };
const groups = analyse(net);

describe("a network of quantised weights and activations", () => {
  it("has the units of its weights, with scales and zero points", () => {
    expect(groups.groups.map(({ name, units, inexact }) => [name, units.length, inexact])).toEqual([
      ["w", 8, []],
      ["v", 5, []],
    ]);
    const places = groups.groups[0]!.axes.map((place) => `${place.value}:${place.axis}`);
    expect(places).toEqual(
      expect.arrayContaining(["w:0", "w_scale:0", "w_zero:0", "b:0", "b_scale:0", "rq:1", "pq:1", "pf:1", "v:1"]),
    );
  });

  it("loses them with their scales, and computes what masked it computes", async () => {
    const removal = new Map([
      ["w", [0, 3, 6]],
      ["v", [1, 2]],
    ]);
    const small = cut(net, groups, removal).graph;
    for (const name of ["w_scale", "w_zero", "b", "b_scale"]) expect(small.initializers.get(name)!.shape).toEqual([5]);
    expect(small.initializers.get("v")!.shape).toEqual([3, 5, 1, 1]);
    expect(small.initializers.get("v_scale")!.shape).toEqual([3]);
    const [a, b] = [await runGraph(mask(net, groups, removal), feeds), await runGraph(small, feeds)];
    const { largest, range } = difference(a["y"]!, b["y"]!);
    expect(range).toBeGreaterThan(0.1);
    expect(largest / range).toBeLessThan(1e-5);
  });

  it("is proved without its steps, also where integers are masked", async () => {
    const removal = new Map([
      ["w", [0, 3, 6]],
      ["v", [1, 2]],
    ]);
    const zeroed = mask(net, groups, removal, undefined, () => true);
    const forms = [zeroed, cut(net, groups, removal).graph].map((graph) => inFloat(graph));
    expect(forms.map(({ unrounded }) => unrounded)).toEqual([true, true]);
    const [a, b] = await Promise.all(forms.map(({ graph }) => runGraph(graph, feeds)));
    const { largest, range } = difference(a!["y"]!, b!["y"]!);
    expect(range).toBeGreaterThan(0.1);
    expect(largest / range).toBeLessThan(1e-6);
  });

  it("bears its gates on numbers, not on the integers that stand for them", () => {
    const gates = findGates(groups);
    expect([...gates].map(([name, places]) => [name, places.map((place) => place.value)])).toEqual([
      ["w", ["pf"]],
      ["v", ["cf"]],
    ]);
  });

  it("gives every unit a gradient, straight through the rounding", async () => {
    const graph = gradientGraph(net, { batch: 2, loss: "mse", train: false, wrt: "gates" });
    const target = float32([2, 4], new Float32Array(8));
    const results = await runGraph(graph, { ...feeds, target });
    for (const [name, count] of [
      ["w", 8],
      ["v", 5],
    ] as const) {
      const { shape, data } = results[`grad/${name}`]!;
      expect(shape).toEqual([2, count]);
      expect((data as Float32Array).every(Number.isFinite)).toBe(true);
      expect((data as Float32Array).filter((x) => x !== 0).length).toBeGreaterThan(count);
    }
  });
});

describe("weights that are integers", () => {
  it("are ranked by the numbers that they stand for", () => {
    const scores = magnitude.score(groups, net.initializers, 1);
    const [w, scale, zero] = ["w", "w_scale", "w_zero"].map((name) => toNumbers(net.initializers.get(name)!)) as [
      number[],
      number[],
      number[],
    ];
    const sizes = scale.map((s, i) =>
      w.slice(27 * i, 27 * i + 27).reduce((sum, q) => sum + ((q - zero[i]!) * s) ** 2, 0),
    );
    scores.get("w")!.forEach((score, i) => expect(score / sizes[i]!).toBeCloseTo(1, 5));
    expect(new Set(sizes).size).toBe(8);
  });

  it("count as parameters, before a cut and as units go; scales and zero points do not", () => {
    const all = 8 * 3 * 9 + 8 + 5 * 8 + 5 * 4;
    expect(costsOf(trace(net)).params).toBe(all);
    const saved = createCostModel(groups).saving(groups.groups[0]!.units[0]!);
    expect(saved.params).toBe(27 + 1 + 5);
    // A scale and a zero point of the weight, a scale of the bias, which has four bytes an element.
    expect(saved.bytes).toBe(27 + 4 + 5 + (4 + 1 + 4));
  });

  it("of operators that compute on integers count too", () => {
    const scale = float32([4], [1, 1, 1, 1]);
    const initializers = new Map<string, Tensor>([
      ["s", float32([], [0.1])],
      ["z", tensor("uint8", [], [3])],
      ["w", draw("int8", [4, 3, 1, 1], -9, 9, 1)],
      ["ws", scale],
      ["wz", tensor("int8", [4], [0, 0, 0, 0])],
      ["b", draw("int32", [4], -9, 9, 2)],
      ["m", draw("int8", [4, 6], -9, 9, 3)],
    ]);
    const graph = graphOf({
      inputs: [value("q", [1, 3, 4, 4], "uint8"), value("p", [1, 4], "uint8")],
      outputs: [value("y", undefined, "uint8"), value("o", undefined, "int32")],
      initializers,
      nodes: [
        node("QLinearConv", ["q", "s", "z", "w", "ws", "wz", "s", "z", "b"], ["y"]),
        node("MatMulInteger", ["p", "m"], ["o"]),
      ],
    });
    expect(costsOf(trace(graph)).params).toBe(12 + 4 + 24);
  });

  it("do not learn, nor do their scales: a model that has nothing else is refused", () => {
    expect(() => parameterNames(net)).toThrow(
      /weights are quantised, and integers do not learn: prune and fine-tune the float/,
    );
    const mixed = { ...net, initializers: new Map([...net.initializers, ["k", float32([2], [1, 2])]]) };
    expect(parameterNames(mixed)).toEqual(["k"]);
  });
});

describe("what computes on integers", () => {
  it("is named by inspect, with what it freezes", () => {
    const graph = graphOf({
      inputs: [value("x", [1, 3, 4, 4])],
      outputs: [value("y")],
      initializers: new Map([
        ["s", float32([], [0.1])],
        ["z", tensor("uint8", [], [3])],
        ["w", draw("uint8", [4, 3, 1, 1], 0, 255, 1)],
      ]),
      nodes: [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("QLinearConv", ["q", "s", "z", "w", "s", "z", "s", "z"], ["c"]),
        node("DequantizeLinear", ["c", "s", "z"], ["y"]),
      ],
    });
    const summary = summarise(modelOf(graph));
    expect(summary.groups).toEqual([]);
    expect(summary.refused).toEqual([
      {
        node: "QLinearConv -> c",
        reason:
          "operator QLinearConv computes on integers, through which nothing learns and no unit can be zeroed; export the model " +
          "with QuantizeLinear and DequantizeLinear around operators on floats, or prune it before it is quantised",
      },
      { node: "DequantizeLinear -> y", reason: 'the shape of its input "c" is not known' },
    ]);
  });

  it("is refused where the table would otherwise say that it is not known", () => {
    const integers = ["ConvInteger", "DynamicQuantizeLinear", "MatMulInteger", "QLinearConv", "QLinearMatMul"];
    for (const name of integers) expect(explainUnknown(name, "")).toMatch(/computes on integers/);
    expect(explainUnknown("QLinearConv", "com.example")).toMatch(/com.example.QLinearConv is not known/);
    expect([...ops.keys()].filter((name) => explainUnknown(name, "").includes("integers"))).toEqual([]);
  });

  it.each([
    ["QuantizeLinear", ["x", "s"], { block_size: 2 }, /blocked quantisation is not known/],
    ["QuantizeLinear", ["x", "s"], { precision: 10 }, /its precision 10 is not known/],
    ["QuantizeLinear", ["x", "s"], { output_dtype: 17 }, /quantises to a type that is not known/],
    ["DequantizeLinear", ["i", "s"], { block_size: 2 }, /blocked quantisation is not known/],
    ["DequantizeLinear", ["i", "s"], { output_dtype: 10 }, /its output_dtype 10 is not known/],
  ] as const)("%s %j %j is refused by name", (op, inputs, attributes, message) => {
    const initializers = new Map([
      ["s", float32([], [0.1])],
      ["i", tensor("int8", [2, 4], [1, 2, 3, 4, 5, 6, 7, 8])],
    ]);
    const nodes = [node(op, inputs, ["y"], attributes)];
    const graph = graphOf({ inputs: [value("x", [2, 4])], outputs: [value("y")], initializers, nodes });
    expect(trace(graph).refusals[0]?.reason).toMatch(message);
  });

  it("a scale that fits no axis contradicts the model", () => {
    const initializers = new Map([["s", float32([3], [1, 1, 1])]]);
    const nodes = [node("QuantizeLinear", ["x", "s"], ["y"])];
    const graph = graphOf({ inputs: [value("x", [2, 4])], outputs: [value("y")], initializers, nodes });
    expect(() => trace(graph)).toThrow(/"s" \[3\] does not fit axis 1 of \[2, 4\]/);
  });
});
