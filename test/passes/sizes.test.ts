/** Sizes that an exporter computes from the batch, or writes down with it, leave the batch open and the channels free. */

import { describe, expect, it } from "vitest";
import type { Dim, Graph } from "../../src/graph/graph.ts";
import { float32, int64s, sizeOf, toNumbers, type Tensor } from "../../src/graph/tensor.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { normalise } from "../../src/passes/normalise.ts";
import { openBatch } from "../../src/passes/open-batch.ts";
import { cut } from "../../src/prune/cut/cut.ts";
import { mask } from "../../src/prune/cut/mask.ts";
import { difference, random, runGraph } from "../support/graphs.ts";
import { graphOf, node, value } from "../onnx/support.ts";

const noise = (shape: readonly number[], seed: number): Tensor => {
  const next = random(seed);
  return float32(
    shape,
    Array.from({ length: sizeOf(shape) }, () => next() - 0.5),
  );
};

/** Conv, Resize of all four axes by sizes, Conv. */
const net = (
  batch: Dim,
  sizes: Graph["nodes"],
  initializers: Readonly<Record<string, Tensor>>,
  attributes = {},
): Graph =>
  graphOf({
    inputs: [value("x", [batch, 3, 4, 4])],
    outputs: [value("y", [batch, 2, 7, 6])],
    initializers: new Map(Object.entries({ w: noise([5, 3, 1, 1], 1), v: noise([2, 5, 1, 1], 2), ...initializers })),
    nodes: [
      node("Conv", ["x", "w"], ["a"]),
      ...sizes,
      node("Resize", ["a", "", "", "sizes"], ["b"], { mode: "linear", ...attributes }),
      node("Conv", ["b", "v"], ["y"]),
    ],
  });

const computed = [
  node("Shape", ["a"], ["shape"]),
  node("Slice", ["shape", "from", "to"], ["lead"]),
  node("Concat", ["lead", "space"], ["sizes"], { axis: 0 }),
];
const parts = { from: int64s([0]), to: int64s([2]), space: int64s([7, 6]) };
const resizeOf = (graph: Graph) => graph.nodes.find(({ op }) => op === "Resize")!;
const four = { sizes: int64s([1, 5, 7, 6]) };

async function check(graph: Graph): Promise<void> {
  const resize = resizeOf(graph);
  expect(resize.attributes["axes"]).toEqual({ type: "ints", value: [2, 3] });
  expect(toNumbers(graph.initializers.get(resize.inputs[3]!)!)).toEqual([7, 6]);
  await compare(graph, [3, 2, 7, 6]);
}

async function compare(graph: Graph, shape: readonly number[]): Promise<void> {
  const groups = analyse(graph, { batch: 3 });
  expect(groups.groups.map(({ name, units, inexact }) => [name, units.length, inexact])).toEqual([["w", 5, []]]);
  const removal = new Map([["w", [1, 4]]]);
  const feeds = { x: noise([3, 3, 4, 4], 3) };
  const [masked, small] = [mask(graph, groups, removal), cut(graph, groups, removal).graph];
  const [a, b] = [await runGraph(masked, feeds), await runGraph(small, feeds)];
  expect(a["y"]!.shape).toEqual(shape);
  expect(difference(a["y"]!, b["y"]!).largest).toBeLessThan(1e-5);
}

describe("the sizes of a Resize", () => {
  it("that are computed from an open batch name the axes that change", () =>
    check(normalise(net("n", computed, parts))));

  it("that state a fixed batch do not, once it is open", () => check(openBatch(normalise(net(1, [], four)))));

  it("may name axes, from the end too", () => check(normalise(net("n", computed, parts, { axes: [0, 1, -2, -1] }))));

  it("stay where the input has them all, but for one", () => {
    const same = { ...parts, space: int64s([4, 4]) };
    expect(resizeOf(normalise(net("n", computed, same))).attributes["axes"]).toEqual({ type: "ints", value: [3] });
  });

  it("stay as they are where the aspect ratio of all axes counts, and are asked for no channels", async () => {
    const graph = normalise(net("n", computed, parts, { keep_aspect_ratio_policy: "not_larger" }));
    expect(resizeOf(graph).attributes["axes"]).toBeUndefined();
    expect(graph.nodes.flatMap(({ op, inputs }) => (op === "Shape" ? inputs : []))).toEqual(["x"]);
    await compare(graph, [3, 2, 4, 4]);
  });

  it("stay as they are where they follow the batch otherwise", () => {
    const twice = [
      ...computed.slice(0, 2),
      node("Mul", ["lead", "twice"], ["more"]),
      node("Concat", ["more", "space"], ["sizes"], { axis: 0 }),
    ];
    const graph = normalise(net("n", twice, { ...parts, twice: int64s([2, 1]) }));
    expect(resizeOf(graph).attributes["axes"]).toBeUndefined();
  });

  it("a batch that the sizes multiply is refused with its reason", () => {
    const wide = { sizes: int64s([3, 5, 7, 6]) };
    expect(() => openBatch(normalise(net(1, [], wide)))).toThrow(/fixed to a batch of 1/);
  });
});
