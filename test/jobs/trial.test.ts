/** Trial runs: types of values that no rule gives come from onnxruntime, and follow open sizes. */

import { describe, expect, it } from "vitest";
import type { Dim, Graph, Model, Node } from "../../src/graph/graph.ts";
import { float32, int64s, type Tensor } from "../../src/graph/tensor.ts";
import { cut } from "../../src/jobs/cut.ts";
import { plan } from "../../src/jobs/plan.ts";
import { withTrial } from "../../src/jobs/trial.ts";
import { openAxes, sizeOfDim } from "../../src/passes/dims.ts";
import { trace } from "../../src/passes/trace.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { emptyGraph, modelOf } from "../support/graphs.ts";

const runtime = directRuntime;
const node = (op: string, inputs: string[], outputs: string[], domain = ""): Node => ({
  op,
  domain,
  name: op,
  inputs,
  outputs,
  attributes: {},
});
const unknown = (op: string, inputs: string[], outputs: string[]): Node => node(op, inputs, outputs, "com.microsoft");

function model(graph: Partial<Graph>): Model {
  const whole = modelOf({ ...emptyGraph, ...graph });
  return { ...whole, opsets: { ...whole.opsets, "com.microsoft": 1, acme: 1 } };
}

/** x -> the nodes -> y */
const chain = (shape: Dim[], nodes: readonly Node[], more: Partial<Graph> = {}): Model =>
  model({
    nodes,
    inputs: [{ name: "x", dtype: "float32", shape }],
    outputs: [{ name: "y", dtype: "float32" }],
    ...more,
  });

const typesAt = async (tried: Model, shape: number[]) => {
  const sizes = new Map(openAxes(tried.graph).map(({ axis, symbol }) => [symbol, shape[axis]!]));
  const { types, refusals } = trace(tried.graph, { sizes });
  return { y: types.get("y")?.shape, reasons: refusals.map(({ reason }) => reason) };
};

describe("a trial run", () => {
  it("leaves a model alone whose types all follow", async () => {
    const known = chain(["N", 3], [node("Relu", ["x"], ["y"])]);
    expect(await withTrial(known, { runtime })).toBe(known);
  });

  it.each(["N", ""])("tells sizes that follow from the batch %j, and what is behind them has types", async (batch) => {
    const tried = await withTrial(
      chain([batch, 3, 3], [unknown("Inverse", ["x"], ["v"]), node("Relu", ["v"], ["y"])]),
      { runtime },
    );
    expect(trace(tried.graph, { batch: 5 }).types.get("y")).toEqual({ dtype: "float32", shape: [5, 3, 3] });
    expect(await withTrial(tried, { runtime })).toBe(tried);
  });

  it("does not take for fixed what a little more leaves as it was", async () => {
    const nodes = [node("STFT", ["x", "step", "window", "length"], ["f"]), node("Relu", ["f"], ["y"])];
    const initializers = new Map<string, Tensor>([
      ["step", { ...int64s([16]), shape: [] }],
      ["window", float32([32], new Float32Array(32).fill(1))],
      ["length", { ...int64s([32]), shape: [] }],
    ]);
    const tried = await withTrial(chain(["N", "L", 1], nodes, { initializers }), {
      runtime,
      shapes: { x: [1, 160, 1] },
    });
    expect(tried.graph.found!.types.has("f")).toBe(false);
    expect((await typesAt(tried, [1, 400, 1])).y).toBeUndefined();
  });

  it("tells sizes that are products of two open ones, or more by a number", async () => {
    const nodes = [
      node("Reshape", ["x", "flat"], ["f"]),
      node("Concat", ["x", "x"], ["twice"]),
      unknown("CDist", ["f", "w"], ["y"]),
    ];
    nodes[1] = { ...nodes[1]!, attributes: { axis: { type: "int", value: 1 } } };
    const initializers = new Map([
      ["flat", int64s([-1, 4])],
      [
        "w",
        float32(
          [3, 4],
          Array.from({ length: 12 }, (_, i) => i),
        ),
      ],
    ]);
    const attributes = { metric: { type: "string" as const, value: "euclidean" } };
    const tried = await withTrial(
      chain(["N", "L", 4], [...nodes.slice(0, 2), { ...nodes[2]!, attributes }], { initializers }),
      { runtime, shapes: { x: [2, 5, 4] } },
    );
    expect((await typesAt(tried, [2, 5, 4])).y).toEqual([10, 3]);
    expect((await typesAt(tried, [3, 7, 4])).y).toEqual([21, 3]);
  });

  it("takes no size for granted that depends on what the values are", async () => {
    const nodes = [
      node("Relu", ["x"], ["r"]),
      node("Reshape", ["r", "flat"], ["f"]),
      unknown("Unique", ["f"], ["u", "at", "count"]),
      node("Neg", ["u"], ["y"]),
    ];
    const whole = chain(["N", 16], nodes, { initializers: new Map([["flat", int64s([-1])]]) });
    const { y, reasons } = await typesAt(await withTrial(whole, { runtime }), [8, 16]);
    expect(y).toBeUndefined();
    expect(reasons.at(-1)).toBe('the shape of its input "u" is not known');
  });

  it("says why where the model does not run", async () => {
    const tried = await withTrial(chain(["N", 3], [node("Mystery", ["x"], ["y"], "acme")]), { runtime });
    expect((await typesAt(tried, [2, 3])).reasons[0]).toMatch(/not known.*\(a trial run did not tell: .*acme:Mystery/);
  });

  it("lets what stands behind an unknown operator be pruned", async () => {
    const weight = (...shape: number[]) =>
      float32(
        shape,
        Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i + 1)),
      );
    const nodes = [
      unknown("Inverse", ["x"], ["v"]),
      node("MatMul", ["v", "a"], ["h"]),
      node("Relu", ["h"], ["r"]),
      { ...node("MatMul", ["r", "b"], ["y"]), name: "last" },
    ];
    const initializers = new Map([
      ["a", weight(3, 8)],
      ["b", weight(8, 2)],
    ]);
    const whole = chain(["N", 3, 3], nodes, { initializers });
    const { removal, groups } = await plan(whole, { ratio: 0.5, runtime });
    expect(groups).toEqual([{ name: "a", units: 8, removed: 4 }]);
    const { after, proof } = await cut(whole, removal, { runtime });
    expect(after.params).toBe(3 * 4 + 4 * 2);
    expect(proof!.mismatch).toBeUndefined();
  });
});

describe("a declared size", () => {
  const sizes = new Map([
    ["N", 3],
    ["s0", 5],
  ]);
  it.each([
    ["N", 3],
    [7, 7],
    ["2*N", 6],
    ["N*s0", 15],
    ["N * s0 + 1", 16],
    ["s0 - 2", 3],
    ["M", undefined],
    ["", undefined],
    ["floor(N/2)", undefined],
    ["N*-1", undefined],
  ])("%j is %j", (dim, size) => expect(sizeOfDim(dim, sizes)).toBe(size));
});
