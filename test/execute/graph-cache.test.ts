/** What is kept of a graph: found again for the same content, and for nothing else. */

import { describe, expect, it } from "vitest";
import type { Graph, Node } from "../../src/graph/graph.ts";
import { int64s, tensor, type Tensor } from "../../src/graph/tensor.ts";
import { cachedFor } from "../../src/execute/graph-cache.ts";
import { emptyGraph, noise } from "../support/graphs.ts";

const W = noise([20, 10], 1);
const clip: Node = {
  op: "LeakyRelu",
  domain: "",
  name: "",
  inputs: ["x"],
  outputs: ["y"],
  attributes: { alpha: { type: "float", value: Number.POSITIVE_INFINITY } },
};
const base: Graph = {
  ...emptyGraph,
  nodes: [clip],
  inputs: [{ name: "x", dtype: "float32", shape: ["batch", 10] }],
  initializers: new Map<string, Tensor>([
    ["W", W],
    ["V", noise([13, 10], 3)],
    ["axes", int64s([0, 2])],
  ]),
};

const withAlpha = (value: number): Graph => ({
  ...base,
  nodes: [{ ...clip, attributes: { alpha: { type: "float", value } } }],
});
const withTensor = (name: string, value: Tensor): Graph => ({
  ...base,
  initializers: new Map(base.initializers).set(name, value),
});

/** Whether what was made for `base` is found for another graph. */
function isFound(other: Graph, of: unknown = "test"): boolean {
  const made = cachedFor(base, "test", () => ({}));
  expect(cachedFor(base, "test", () => ({}))).toBe(made);
  return cachedFor(other, of, () => ({})) === made;
}

describe("what is kept of a graph", () => {
  it("is found for another object of the same content", () => {
    expect(isFound({ ...base, nodes: structuredClone(base.nodes), initializers: new Map(base.initializers) })).toBe(
      true,
    );
    expect(isFound(withTensor("axes", int64s([0, 2])))).toBe(true);
  });

  it.each<[string, Graph]>([
    ["other weights of the same shape", withTensor("W", noise([20, 10], 1))],
    ["other weights beside the largest", withTensor("V", noise([13, 10], 3))],
    ["other integers", withTensor("axes", int64s([0, 1]))],
    ["integers of another type", withTensor("axes", tensor("int32", [2], [0, 2]))],
    ["a further weight", withTensor("b", noise([3], 2))],
    ["an infinity of the other sign", withAlpha(Number.NEGATIVE_INFINITY)],
    ["no number", withAlpha(Number.NaN)],
    ["another operator", { ...base, nodes: [{ ...clip, op: "Elu" }] }],
    ["an input of another shape", { ...base, inputs: [{ name: "x", dtype: "float32", shape: ["batch", 11] }] }],
    ["groups that keep names", { ...base, groupNames: new Map([["a", "b"]]) }],
  ])("is not found for %s", (_what, other) => expect(isFound(other)).toBe(false));

  it("tells zeros of either sign apart", () => {
    const made = cachedFor(withAlpha(0), "zero", () => ({}));
    expect(cachedFor(withAlpha(-0), "zero", () => ({}))).not.toBe(made);
  });

  it("is of what was asked for", () => expect(isFound(base, { what: "test" })).toBe(false));

  it("is forgotten after a few others, what was asked for last not", () => {
    const make = (): object => ({});
    const [first, second] = ["first", "second"].map((of) => cachedFor(base, of, make));
    for (let i = 0; i < 2; i++) cachedFor(base, i, make);
    expect(cachedFor(base, "first", make)).toBe(first);
    cachedFor(base, "one more", make);
    expect(cachedFor(base, "first", make)).toBe(first);
    expect(cachedFor(base, "second", make)).not.toBe(second);
  });

  it("is made each time for a graph without weights", () => {
    expect(cachedFor(emptyGraph, "test", () => ({}))).not.toBe(cachedFor(emptyGraph, "test", () => ({})));
  });
});
