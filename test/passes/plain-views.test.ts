/** Views by strides become what they are, whatever the batch. */

import { describe, expect, it } from "vitest";
import type { Graph } from "../../src/graph/graph.ts";
import { float32, int64s, sizeOf, tensor, type Shape } from "../../src/graph/tensor.ts";
import { normalise } from "../../src/passes/normalise.ts";
import { noise, runGraph } from "../support/graphs.ts";
import { graphOf, node, value } from "../onnx/support.ts";

/** What as_strided exports to, of x [N, ...rest], given the shape behind the batch and the stride of each of its axes. */
function strided(rest: Shape, shape: Shape, strides: Shape): Graph {
  const steps = shape.map((dim, axis) =>
    tensor(
      "int64",
      [dim],
      Array.from({ length: dim }, (_, i) => i * strides[axis]!),
    ),
  );
  const rank = shape.length + 1;
  const others = (axis: number) => int64s(Array.from({ length: rank }, (_, i) => i).filter((i) => i !== axis));
  return graphOf({
    inputs: [value("x", ["N", ...rest])],
    outputs: [value("y")],
    initializers: new Map([
      ["minus", int64s([-1])],
      ["zero", tensor("int64", [], [0])],
      ["one", tensor("int64", [], [1])],
      ["inner", tensor("int64", [], [sizeOf(rest)])],
      ["axes0", others(0)],
      ...steps.flatMap((step, axis) => [
        [`step${axis + 1}`, step] as const,
        [`axes${axis + 1}`, others(axis + 1)] as const,
      ]),
      ["half", float32([], [0.5])],
    ]),
    nodes: [
      node("Mul", ["x", "half"], ["h"]),
      node("Reshape", ["h", "minus"], ["flat"]),
      node("Shape", ["x"], ["batch1"], { start: 0, end: 1 }),
      node("Squeeze", ["batch1"], ["batch"]),
      node("Range", ["zero", "batch", "one"], ["counts"]),
      node("Mul", ["counts", "inner"], ["firsts"]),
      node("Unsqueeze", ["firsts", "axes0"], ["at0"]),
      ...shape.flatMap((_, axis) => [
        node("Unsqueeze", [`step${axis + 1}`, `axes${axis + 1}`], [`offset${axis + 1}`]),
        node("Add", [`at${axis}`, `offset${axis + 1}`], [`at${axis + 1}`]),
      ]),
      node("Gather", ["flat", `at${shape.length}`], ["y"], { axis: 0 }),
    ],
  });
}

const operators = ({ nodes }: Graph): string[] => nodes.map(({ op }) => op);

describe("a view by strides", () => {
  it.each([
    ["the pooled value as it is", [5, 1, 1], [5, 1, 1], [1, 5, 5], ["Mul", "Reshape"]],
    ["without its last axes", [5, 1, 1], [5], [1], ["Mul", "Reshape"]],
    ["axes joined", [3, 2, 2], [3, 4], [4, 1], ["Mul", "Reshape"]],
    ["channels last", [3, 2, 4], [4, 3, 2], [1, 8, 4], ["Mul", "Reshape", "Transpose"]],
    ["more indices than sizes have", [2048, 1, 1], [2048, 1, 1], [1, 1, 1], ["Mul", "Reshape"]],
  ] as const)("%s", async (_name, rest, shape, strides, expected) => {
    const graph = strided(rest, shape, strides);
    const plain = normalise(graph);
    expect(operators(plain)).toEqual(expected);
    for (const batch of [1, 2, 5]) {
      const feeds = { x: noise([batch, ...rest], batch) };
      expect(await runGraph(plain, feeds)).toEqual(await runGraph(graph, feeds));
    }
  });

  it.each([
    ["windows that overlap", [4], [3, 2], [1, 1]],
    ["a part of the elements", [6], [3], [2]],
    ["one element for all", [4], [4], [0]],
  ] as const)("stays a Gather where it is %s", (_name, rest, shape, strides) => {
    expect(operators(normalise(strided(rest, shape, strides)))).toContain("Gather");
  });

  it("stays a Gather where the indices are no view", () => {
    const graph = graphOf({
      inputs: [value("x", [2, 3])],
      outputs: [value("y")],
      initializers: new Map([
        ["minus", int64s([-1])],
        ["indices", int64s([0, 2, 1, 3, 4, 5])],
      ]),
      nodes: [node("Reshape", ["x", "minus"], ["flat"]), node("Gather", ["flat", "indices"], ["y"])],
    });
    expect(operators(normalise(graph))).toEqual(["Reshape", "Gather"]);
  });
});

/** Twice as many pixels, the scales computed in floats of a value's sizes as older exporters do. */
function scaled(sizes: "divided" | "floored"): Graph {
  return graphOf({
    inputs: [value("x", ["N", 3, 4, 6])],
    outputs: [value("y")],
    initializers: new Map([
      ["w", noise([4, 3, 1, 1], 3)],
      ["v", noise([2, 4, 1, 1], 4)],
      ["zero", int64s([0])],
      ["two", int64s([2])],
      ["four", int64s([4])],
      ["wanted", float32([2], [8, 12])],
      ["ones", float32([2], [1, 1])],
      ["factor", float32([], [2])],
    ]),
    nodes: [
      node("Conv", ["x", "w"], ["a"]),
      node("Shape", ["a"], ["shape"]),
      node("Cast", ["shape"], ["floats"], { to: 1 }),
      node("Slice", ["floats", "two", "four", "zero"], ["pixels"]),
      ...(sizes === "floored"
        ? [
            node("Mul", ["pixels", "factor"], ["more"]),
            node("Floor", ["more"], ["whole"]),
            node("Div", ["whole", "pixels"], ["ratio"]),
          ]
        : [node("Div", ["wanted", "pixels"], ["ratio"])]),
      node("Concat", ["ones", "ratio"], ["scales"], { axis: 0 }),
      node("Resize", ["a", "", "scales"], ["b"], { mode: "nearest" }),
      node("Conv", ["b", "v"], ["y"]),
    ],
  });
}

it.each(["divided", "floored"] as const)("scales of a Resize that are %s in floats become constants", async (sizes) => {
  const graph = scaled(sizes);
  const plain = normalise(graph);
  expect(operators(plain)).toEqual(["Conv", "Resize", "Conv"]);
  expect(plain.initializers.get("scales")).toEqual(float32([4], [1, 1, 2, 2]));
  const feeds = { x: noise([3, 3, 4, 6], 1) };
  expect(await runGraph(plain, feeds)).toEqual(await runGraph(graph, feeds));
});
