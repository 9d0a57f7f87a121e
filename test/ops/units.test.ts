/** Which units a normalisation, a resize or a move of blocks leaves, and what it refuses. */

import { describe, expect, it } from "vitest";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { float32, int64s, toNumbers, type Tensor } from "../../src/graph/tensor.ts";
import { createEmitter, valueIn } from "../../src/ops/emitter.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { trace } from "../../src/passes/trace.ts";
import { cut } from "../../src/prune/cut/cut.ts";
import type { Group } from "../../src/prune/coupling/groups.ts";
import { newBuilder, noise, runGraph } from "../support/graphs.ts";
import { graphOf, node, value } from "../onnx/support.ts";

const input = [2, 3, 2, 4];

/** A 1x1 Conv of six channels, the nodes from "a" to "b", and a 1x1 Conv of the channels that they leave. */
const net = (nodes: Graph["nodes"]): Graph =>
  graphOf({
    inputs: [value("x", input)],
    outputs: [value("y")],
    initializers: new Map(
      Object.entries({ w: noise([6, 3, 1, 1], 1), v: noise([2, 6, 1, 1], 2), s: noise([6], 3), t: noise([6], 4) }),
    ),
    nodes: [node("Conv", ["x", "w"], ["a"]), ...nodes, node("Conv", ["b", "v"], ["y"])],
  });

const groupsOf = (graph: Graph) => analyse(graph);
const brief = (groups: readonly Group[]) =>
  groups.map(({ name, units, inexact }) => `${name} ${units.length}${inexact.length > 0 ? " inexact" : ""}`);
const unitOn = (graph: Graph, group: Group, name: string) => {
  const { locate } = groupsOf(graph).coupling;
  return group.units.map(({ atoms }) =>
    [...atoms].map(locate).flatMap((place) => (place.value === name ? [place.index] : [])),
  );
};

const groupNorm = (num_groups: number) => net([node("GroupNormalization", ["a", "s", "t"], ["b"], { num_groups })]);

describe("GroupNormalization", () => {
  it("gives up whole groups, and inexactly the same place of every group", () => {
    const graph = groupNorm(3);
    const { groups } = groupsOf(graph);
    expect(brief(groups)).toEqual(["w 3", "w#2 2 inexact"]);
    expect(unitOn(graph, groups[0]!, "a")).toEqual([
      [0, 1],
      [2, 3],
      [4, 5],
    ]);
    expect(unitOn(graph, groups[1]!, "s")).toEqual([
      [0, 2, 4],
      [1, 3, 5],
    ]);
    expect(groups[1]!.inexact).toEqual([
      "GroupNormalization -> b: the mean and variance of a group count its channels, zeros too",
    ]);
  });

  it("has as many groups as are left, after either removal and both", async () => {
    const graph = groupNorm(3);
    const groups = groupsOf(graph);
    const feeds = { x: noise(input, 5) };
    for (const [removal, left, channels] of [
      [{ w: [1] }, 2, 4],
      [{ "w#2": [0] }, 3, 3],
      [{ w: [0], "w#2": [1] }, 2, 2],
    ] as const) {
      const small = cut(graph, groups, new Map(Object.entries(removal))).graph;
      expect(small.nodes[1]!.attributes["num_groups"]?.value).toBe(left);
      expect(small.initializers.get("s")!.shape).toEqual([channels]);
      expect((await runGraph(small, feeds))["y"]!.shape).toEqual([2, 2, 2, 4]);
    }
  });

  it("of single channels loses them exactly, of one group inexactly", () => {
    expect(brief(groupsOf(groupNorm(6)).groups)).toEqual(["w 6"]);
    expect(brief(groupsOf(groupNorm(1)).groups)).toEqual(["w 6 inexact"]);
  });
});

describe("channels are cut, exactly or not,", () => {
  const vectors = {
    all: noise([6, 2, 4], 7),
    plane: noise([2, 4], 8),
    row: noise([4], 9),
    scales: float32([4], [1, 1, 2, 2]),
    sizes: int64s([2, 6, 4, 8]),
  };
  it.each([
    ["InstanceNormalization", ["a", "s", "t"], {}, ["w 6"]],
    ["LayerNormalization", ["a", "all"], { axis: 1 }, ["w 6 inexact"]],
    ["LayerNormalization", ["a", "plane"], { axis: 2 }, ["w 6"]],
    ["RMSNormalization", ["a", "all"], { axis: -3 }, ["w 6 inexact"]],
    ["RMSNormalization", ["a", "row"], { axis: -1 }, ["w 6"]],
    ["LpNormalization", ["a"], { axis: 1 }, ["w 6"]],
    ["MeanVarianceNormalization", ["a"], {}, ["w 6"]],
    ["MeanVarianceNormalization", ["a"], { axes: [1] }, ["w 6 inexact"]],
    ["LRN", ["a"], { size: 1 }, ["w 6"]],
    ["LRN", ["a"], { size: 9 }, ["w 6 inexact"]],
    ["LRN", ["a"], { size: 11 }, ["w 6"]],
    ["Resize", ["a", "", "scales"], {}, ["w 6"]],
    ["Resize", ["a", "", "", "sizes"], { mode: "linear" }, ["w 6"]],
  ] as const)("of %s %j %j", async (op, inputs, attributes, expected) => {
    const plain = net([node(op, inputs, ["b"], attributes as Record<string, number>)]);
    const graph = { ...plain, initializers: new Map([...plain.initializers, ...Object.entries(vectors)]) };
    const groups = groupsOf(graph);
    expect(brief(groups.groups)).toEqual(expected);
    const small = cut(graph, groups, new Map([["w", [0, 5]]])).graph;
    const feeds = { x: noise(input, 5) };
    const [before, after] = [await runGraph(graph, feeds), await runGraph(small, feeds)];
    expect(small.initializers.get("w")!.shape).toEqual([4, 3, 1, 1]);
    expect(after["y"]!.shape).toEqual(before["y"]!.shape);
  });
});

describe("blocks of channels go together", () => {
  const blocks = (op: string, attributes: Record<string, number | string>, given: number, channels: number): Graph =>
    graphOf({
      inputs: [value("x", [1, 3, 4, 4])],
      outputs: [value("y")],
      initializers: new Map([
        ["w", noise([given, 3, 1, 1], 1)],
        ["v", noise([2, channels, 1, 1], 2)],
      ]),
      nodes: [node("Conv", ["x", "w"], ["c"]), node(op, ["c"], ["b"], attributes), node("Conv", ["b", "v"], ["y"])],
    });

  it.each([
    [
      "DepthToSpace",
      { blocksize: 2, mode: "CRD" },
      8,
      2,
      [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
      ],
      "c",
    ],
    [
      "DepthToSpace",
      { blocksize: 2 },
      8,
      2,
      [
        [0, 2, 4, 6],
        [1, 3, 5, 7],
      ],
      "c",
    ],
    [
      "SpaceToDepth",
      { blocksize: 2 },
      2,
      8,
      [
        [0, 2, 4, 6],
        [1, 3, 5, 7],
      ],
      "b",
    ],
  ] as const)("of %s %j", (op, attributes, given, channels, units, on) => {
    const graph = blocks(op, attributes, given, channels);
    const { groups } = groupsOf(graph);
    expect(groups.length).toBe(1);
    expect(unitOn(graph, groups[0]!, on)).toEqual(units);
  });
});

describe("refused by name", () => {
  const refusal = (
    op: string,
    inputs: readonly string[],
    attributes: Record<string, number | string>,
    more: Record<string, Tensor> = {},
  ) => {
    const plain = net([node(op, inputs, ["b"], attributes)]);
    const graph = { ...plain, initializers: new Map([...plain.initializers, ...Object.entries(more)]) };
    return trace(graph).refusals[0]?.reason;
  };

  it.each([
    [
      "Resize",
      ["a", "r", "f"],
      { coordinate_transformation_mode: "tf_crop_and_resize" },
      /"tf_crop_and_resize" is not/,
    ],
    ["LRN", ["a"], { size: 4 }, /its size 4 is even/],
    ["LayerNormalization", ["a", "f"], { stash_type: 11 }, /stash_type 11/],
  ] as const)("%s %j %j", (op, inputs, attributes, message) => {
    const more = { f: float32([4], [1, 1, 2, 2]), r: float32([8], [0, 0, 0, 0, 1, 1, 1, 1]) };
    expect(refusal(op, inputs, attributes, more)).toMatch(message);
  });

  it("what contradicts its inputs", () => {
    const traced =
      (op: string, inputs: readonly string[], attributes = {}) =>
      () =>
        trace({
          ...net([node(op, inputs, ["b"], attributes)]),
          initializers: new Map([...net([]).initializers, ["f", float32([3], [1, 2, 2])], ["e", int64s([2])]]),
        });
    expect(traced("Resize", ["a", "", "f"])).toThrow(/"f" has 3 numbers for 4 axes/);
    expect(traced("Resize", ["a"])).toThrow(/neither scales nor sizes/);
    expect(traced("InstanceNormalization", ["a", "f", "t"])).toThrow(/"f" \[3\] does not fit an input \[2, 6, 2, 4\]/);
    expect(traced("GroupNormalization", ["a", "s", "t"], { num_groups: 4 })).toThrow(/6 channels do not divide into 4/);
    expect(traced("LayerNormalization", ["a", "f"])).toThrow(/"f" \[3\] does not fit/);
    expect(traced("DepthToSpace", ["a"], { blocksize: 2 })).toThrow(/no blocks of 2 x 2 in its channels/);
    expect(traced("DepthToSpace", ["a"], { mode: "RCD" })).toThrow(/neither DCR nor CRD/);
    expect(traced("SpaceToDepth", ["a"], { blocksize: 3 })).toThrow(/does not divide into blocks of 3 x 3/);
  });

  it("the gradient of a Resize whose kept aspect ratio rounds up", () => {
    const builder = newBuilder();
    const g = createEmitter(builder);
    const x = valueIn(builder, builder.input("x", { dtype: "float32", shape: [1, 1, 4, 5] }));
    const attributes = { keep_aspect_ratio_policy: "not_larger", axes: [2, 3] };
    const y = g.Resize(x, undefined, undefined, g.ints([8, 7]), attributes);
    expect(y.shape).toEqual([1, 1, 6, 7]);
    expect(() => differentiate(builder, [{ value: y, seed: g.filled(1, y.shape) }], ["x"])).toThrow(
      /rounds 5.60 up to 6/,
    );
  });
});

it("LayerNormalization of float16 states its statistics in float32", () => {
  const builder = newBuilder();
  const [x, s] = ["x", "s"].map((name) => valueIn(builder, builder.input(name, { dtype: "float16", shape: [3] })));
  const outputs = createEmitter(builder).many("LayerNormalization", [x, s], {}, 3);
  expect(outputs.map(({ dtype }) => dtype)).toEqual(["float16", "float32", "float32"]);
});

it("a vector of zeros has no direction, and the gradient of LpNormalization is 0 there", async () => {
  for (const p of [1, 2]) {
    const builder = newBuilder();
    const g = createEmitter(builder);
    const x = valueIn(builder, builder.input("x", { dtype: "float32", shape: [2, 2] }));
    const y = g.LpNormalization(x, { p });
    const dx = differentiate(builder, [{ value: y, seed: g.constant(float32([2, 2], [1, 2, 1, 2])) }], ["x"]).get("x")!;
    const results = await runGraph(builder.finish([dx.name]), { x: float32([2, 2], [0, 0, 3, 0]) });
    const [a, b, , d] = toNumbers(results[dx.name]!);
    expect([a, b]).toEqual([0, 0]);
    expect(d).toBeCloseTo(2 / 3, 5);
  }
});
