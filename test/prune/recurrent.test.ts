/** Recurrent layers in whole nets: their units, what keeps a unit from acting inside, open batches, and what a gradient costs. */

import { describe, expect, it } from "vitest";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import type { Graph, Node } from "../../src/graph/graph.ts";
import { sizeOf, tensor, type Tensor } from "../../src/graph/tensor.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { createEmitter, valueIn } from "../../src/ops/emitter.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { normalise } from "../../src/passes/normalise.ts";
import { trace } from "../../src/passes/trace.ts";
import { costsOf } from "../../src/passes/costs.ts";
import { cut } from "../../src/prune/cut/cut.ts";
import { mask } from "../../src/prune/cut/mask.ts";
import { gradientGraph } from "../../src/objective/backward.ts";
import { difference, modelOf, newBuilder, random, runGraph } from "../support/graphs.ts";
import { readNetModel } from "../support/reference.ts";
import { graphOf, node, value } from "../onnx/support.ts";
import { drawRemoval } from "./support.ts";

const load = (name: string): Graph => normalise(loadModel(readNetModel(name)).graph);

function feedsFor(graph: Graph, batch: number): Record<string, Tensor> {
  const shape = graph.inputs[0]!.shape!.map((dim, i) => (i === 0 ? batch : Number(dim)));
  const next = random(5);
  return {
    [graph.inputs[0]!.name]: tensor(
      "float32",
      shape,
      Array.from({ length: sizeOf(shape) }, () => next() * 2 - 1),
    ),
  };
}

const nodesOf = (graph: Graph, op: string): Node[] => graph.nodes.filter((node) => node.op === op);

describe("units", () => {
  it.each([
    ["lstm", [8]],
    ["lstm-folded", [8]],
    ["lstm-bidirectional", [6, 6]],
    ["gru", [8, 8]],
    ["gru-bidirectional", [6]],
    ["rnn", [9]],
  ])("of %s: the hidden size of each layer, shared by both directions", (name, sizes) => {
    const { groups } = analyse(load(name), { batch: 2 });
    expect(groups.map(({ units }) => units.length)).toEqual(sizes);
    expect(groups.flatMap(({ inexact }) => inexact)).toEqual([]);
  });
});

describe.each(["lstm", "lstm-bidirectional", "gru", "gru-bidirectional", "rnn"])("%s with an open batch", (name) => {
  it("runs on any batch once it is cut, as masked does", async () => {
    const graph = load(name);
    const groups = analyse(graph);
    for (const batch of [1, 3]) {
      const feeds = feedsFor(graph, batch);
      const removal = drawRemoval(groups, 3);
      const small = cut(graph, groups, removal).graph;
      const [a, b] = [await runGraph(mask(graph, groups, removal), feeds), await runGraph(small, feeds)];
      const { largest, range } = difference(a["output"]!, b["output"]!);
      expect(largest).toBeLessThan(1e-5 * Math.max(1, range));
      expect(costsOf(trace(small)).macs).toBeLessThan(costsOf(trace(graph)).macs);
    }
  });

  it("is not masked by zeros on what it puts out alone", async () => {
    const graph = load(name);
    const groups = analyse(graph);
    const masked = mask(graph, groups, drawRemoval(groups, 3));
    const outside = {
      ...masked,
      nodes: masked.nodes.map((node) =>
        node.outputs[0]!.endsWith("_silent") ? { ...node, op: "Identity", inputs: [node.inputs[1]!] } : node,
      ),
    };
    const feeds = feedsFor(graph, 2);
    const [a, b] = [await runGraph(masked, feeds), await runGraph(outside, feeds)];
    expect(difference(a["output"]!, b["output"]!).largest).toBeGreaterThan(1e-4);
  });
});

it("a gradient computes every step once, gates or not", () => {
  const steps = 7;
  for (const wrt of ["parameters", "gates"] as const) {
    const graph = gradientGraph(load("lstm"), { batch: 2, loss: "cross-entropy", train: false, wrt });
    expect(nodesOf(graph, "LSTM")).toEqual([]);
    expect(nodesOf(graph, "Tanh").length).toBe(2 * steps);
    expect(nodesOf(graph, "Sigmoid").length).toBe(3 * steps);
  }
});

it("a recurrence of which only the last state is named has its units", () => {
  const builder = newBuilder();
  const g = createEmitter(builder);
  const weight = (name: string, shape: readonly number[]) => {
    builder.initializers.set(name, tensor("float32", shape, new Float32Array(sizeOf(shape)).fill(0.1)));
    builder.types.set(name, { dtype: "float32", shape });
    return valueIn(builder, name);
  };
  const x = valueIn(builder, builder.input("x", { dtype: "float32", shape: [3, 2, 4] }));
  const [y, last] = g.many("RNN", [x, weight("w", [1, 6, 4]), weight("r", [1, 6, 6])], { hidden_size: 6 }, 2);
  const out = g.MatMul(g.Squeeze(last!, g.ints([0])), weight("head", [6, 5]));
  const graph = builder.finish([out.name]);
  const unnamed = graph.nodes.map((node) => ({
    ...node,
    outputs: node.outputs.map((name) => (name === y!.name ? "" : name)),
  }));
  const { groups } = analyse(loadModel(encodeModel(modelOf({ ...graph, nodes: unnamed }))).graph);
  expect(groups.map(({ name, units }) => [name, units.length])).toEqual([["w", 6]]);
});

it("a part that is picked out of what is joined is read where it comes from, but for the batch", async () => {
  const pick = (axis: number, index: number) =>
    graphOf({
      inputs: [value("x", ["batch", 3])],
      outputs: [value("y")],
      initializers: new Map([
        ["w", tensor("float32", [2, 3], [1, 2, 3, 4, 5, 6])],
        ["at", tensor("int64", [], [index])],
        ["w1", tensor("float32", [2, 1], [7, 8])],
      ]),
      nodes: [
        node("Abs", ["x"], ["a"]),
        node("Concat", axis === 0 ? ["a", "w"] : ["w", "w1", "w"], ["c"], { axis }),
        node("Gather", ["c", "at"], ["p"], { axis }),
        node("Add", ["p", "x"], ["y"]),
      ],
    });
  for (const [axis, index, whole] of [
    [0, 2, true],
    [0, -1, true],
    [1, 3, false],
    [1, -1, false],
    [1, -5, false],
    [1, 1, false],
  ] as const) {
    const graph = { ...pick(axis, index), ...(axis === 1 && { inputs: [value("x", ["batch", 2])] }) };
    const plain = normalise(graph);
    expect(nodesOf(plain, "Concat").length).toBe(whole ? 1 : 0);
    for (const batch of [2, 3]) {
      const feeds = feedsFor(graph, batch);
      expect(await runGraph(plain, feeds)).toEqual(await runGraph(graph, feeds));
    }
  }
});

it.each([1, 12])("generated values that %i others follow are copied for every reader, within bounds", async (count) => {
  const sizes = tensor("int64", [2], [2, 3]);
  const one = { type: "tensor" as const, value: tensor("float32", [1], [0.5]) };
  const doubled = Array.from({ length: count }, (_, i) => node("Add", [`v${i}`, `v${i}`], [`v${i + 1}`]));
  const graph = graphOf({
    inputs: [value("x", [2, 3])],
    outputs: [value("y"), value("z"), value("v0")],
    initializers: new Map([["sizes", sizes]]),
    nodes: [
      node("ConstantOfShape", ["sizes"], ["v0"], { value: one }),
      ...doubled,
      ...doubled.map(({ outputs: [name] }, i) => node("Mul", [name!, `v${i}`], [`w${i}`])),
      node(
        "Sum",
        doubled.map((_, i) => `w${i}`),
        ["w"],
      ),
      node("Add", ["x", "v0"], ["y"]),
      node("Mul", ["x", "w"], ["z"]),
    ],
  });
  const plain = normalise(graph);
  if (count === 1) {
    // Its reader, the reader of both and the last: what is put out stays as it is.
    expect(nodesOf(plain, "ConstantOfShape").length).toBe(4);
    expect(plain.nodes.filter(({ inputs }) => inputs.includes("v0"))).toEqual([]);
  }
  expect(plain.nodes.length).toBeLessThan(6 * graph.nodes.length);
  const feeds = feedsFor(graph, 2);
  expect(await runGraph(plain, feeds)).toEqual(await runGraph(graph, feeds));
});

it("what cannot be differentiated or run is refused by name", () => {
  const builder = newBuilder();
  const g = createEmitter(builder);
  const shapes = { x: [3, 2, 4], w: [1, 3, 4], r: [1, 3, 3] };
  const [x, w, r] = Object.entries(shapes).map(([name, shape]) =>
    valueIn(builder, builder.input(name, { dtype: "float32", shape })),
  );
  expect(() => g.RNN(x, w, r, { hidden_size: 3, layout: 1 })).toThrow(/layout 1/);
  expect(() => g.RNN(x, w, g.filled(0, [1, 3, 2]), { hidden_size: 3 })).toThrow(/do not fit/);
  expect(() => g.RNN(x, w, r, undefined, undefined, g.filled(0, [1, 5, 3]), { hidden_size: 3 })).toThrow(
    /an initial state \[1, 5, 3\] is not \[1, 2, 3\]/,
  );
  const y = g.RNN(x, w, r, { hidden_size: 3, activations: ["Elu"] });
  expect(() => differentiate(builder, [{ value: y, seed: g.filled(1, y.shape) }], [x!.name])).toThrow(
    /RNN.*its activation "Elu"/,
  );
});
