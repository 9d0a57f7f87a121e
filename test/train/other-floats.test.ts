/** Models of bfloat16 and float64, for which the runtime has few kernels: all work on them is in float32, and what is written has their types. */

import { describe, expect, it } from "vitest";
import type { Model } from "../../src/graph/graph.ts";
import { fromBrain, toBrain } from "../../src/graph/half.ts";
import { float32, tensor, type NumericDType, type Tensor } from "../../src/graph/tensor.ts";
import { cut } from "../../src/jobs/cut.ts";
import { plan } from "../../src/jobs/plan.ts";
import { prune } from "../../src/jobs/prune.ts";
import { finetune } from "../../src/jobs/train.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { restoreForm } from "../../src/passes/restore.ts";
import { narrowTo, narrowTensor, widen, widenTensor } from "../../src/passes/widen.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { prepare } from "../../src/execute/prepare.ts";
import { randomDataset } from "../support/datasets.ts";
import { runGraph } from "../support/graphs.ts";
import { modelOf, node, noise, value } from "../onnx/support.ts";

const codes = { bfloat16: 16, float64: 11 } as const;

/** Two layers in an element type, between inputs and outputs in float32. */
function modelIn(dtype: keyof typeof codes): Model {
  const of = (shape: number[], seed: number): Tensor => {
    const numbers = noise(
      shape.reduce((a, b) => a * b),
      seed,
    );
    return dtype === "float64" ? tensor("float64", shape, numbers) : narrowTensor(float32(shape, numbers), dtype);
  };
  const made = modelOf(22, {
    inputs: [value("x", ["n", 6])],
    outputs: [value("y", ["n", 5])],
    nodes: [
      node("Cast", ["x"], ["a"], { to: codes[dtype] }),
      node("Gemm", ["a", "w", "b"], ["h"], { transB: 1 }),
      node("Relu", ["h"], ["r"]),
      node("Gemm", ["r", "v"], ["o"], { transB: 1 }),
      node("Cast", ["o"], ["y"], { to: 1 }),
    ],
    initializers: new Map([
      ["w", of([8, 6], 1)],
      ["b", of([8], 2)],
      ["v", of([5, 8], 3)],
    ]),
    info: new Map([["h", value("h", ["n", 8], dtype)]]),
  });
  return loadModel(encodeModel({ ...made, irVersion: 9 }));
}

const typesOf = ({ graph }: Model) =>
  Object.fromEntries([...graph.initializers].map(([name, { dtype }]) => [name, dtype]));

describe.each(["bfloat16", "float64"] as const)("%s", (dtype) => {
  const types = { w: dtype, b: dtype, v: dtype };

  it("is cut with a proof, and its elements are those that it had", async () => {
    const model = modelIn(dtype);
    const { removal } = await plan(model, { ratio: 0.5 });
    const { model: small, proof, after } = await cut(model, removal, { runtime: directRuntime, threads: 1 });
    expect(after.params).toBe(4 * 6 + 4 + 5 * 4);
    expect(proof!.elements).toBeGreaterThan(0);
    const written = loadModel(encodeModel(small));
    expect(typesOf(written)).toEqual(types);
    expect(written.graph.nodes.map(({ attributes }) => attributes["to"]?.value)).toEqual([
      codes[dtype],
      undefined,
      undefined,
      undefined,
      1,
    ]);
    const before = new Set(model.graph.initializers.get("w")!.data as Float64Array);
    for (const element of written.graph.initializers.get("w")!.data as Float64Array) expect(before).toContain(element);
  });

  it("is pruned and learns, and is written in its type", async () => {
    const model = modelIn(dtype);
    const data = randomDataset(prepare(model), { samples: 16, seed: 3, labels: 5 });
    const budget = { units: 0.5 };
    const options = { runtime: directRuntime, data, budget, batchSize: 8, every: 2, epochs: 1, threads: 1 };
    const { model: small, end } = await prune(model, options).result;
    expect(end).toBe("met");
    const written = loadModel(encodeModel(small));
    expect(typesOf(written)).toEqual(types);
    expect(written.graph.info.get("h")?.dtype ?? dtype).toBe(dtype);
    const { y } = await runGraph(widen(written.graph), { x: float32([2, 6], noise(12)) });
    expect([...(y!.data as Float32Array)].every((one) => Number.isFinite(one))).toBe(true);
  });

  it("comes back as it was where nothing was learned", () => {
    const { graph } = modelIn(dtype);
    const wide = widen(graph);
    expect([...wide.initializers.values()].map((one) => one.dtype)).toEqual(["float32", "float32", "float32"]);
    expect(wide.info.get("h")!.dtype).toBe("float32");
    expect(wide.nodes[0]!.attributes["to"]!.value).toBe(1);
    expect(restoreForm(wide, graph)).toEqual(graph);
  });
});

it("float64 in a part of a network is measured and written after it has learned", async () => {
  const made = modelOf(17, {
    inputs: [value("x", ["n", 6])],
    outputs: [value("y", ["n", 5])],
    nodes: [
      node("Gemm", ["x", "w"], ["h"], { transB: 1 }),
      node("Relu", ["h"], ["r"]),
      node("Gemm", ["r", "v"], ["o"], { transB: 1 }),
      node("Cast", ["o"], ["a"], { to: codes.float64 }),
      node("Add", ["a", "anchors"], ["b"]),
      node("Cast", ["b"], ["y"], { to: 1 }),
    ],
    initializers: new Map([
      ["w", float32([8, 6], noise(48, 1))],
      ["v", float32([5, 8], noise(40, 2))],
      ["anchors", tensor("float64", [1, 5], noise(5, 3))],
    ]),
  });
  const model = loadModel(encodeModel({ ...made, irVersion: 8 }));
  const data = randomDataset(prepare(model), { samples: 16, seed: 3, labels: 5 });
  const learned = await finetune(model, {
    runtime: directRuntime,
    data,
    validation: data,
    batchSize: 8,
    epochs: 1,
    threads: 1,
  }).result;
  const written = loadModel(encodeModel(learned));
  expect(typesOf(written)).toEqual({ w: "float32", v: "float32", anchors: "float64" });
  const { y } = await runGraph(written.graph, { x: float32([2, 6], noise(12)) });
  expect(y!.shape).toEqual([2, 5]);
});

it("bfloat16 is the upper half of a float32, rounded to the nearest, ties to even", () => {
  for (const bits of [0, 0x8000, 0x3f80, 0xc000, 0x7f7f, 0x7f80, 0xff80, 0x0001])
    expect(toBrain(fromBrain(bits))).toBe(bits);
  expect([1, -2, 1.00390625, 1.01171875, 3.4e38, Number.NaN].map(toBrain)).toEqual([
    0x3f80, 0xc000, 0x3f80, 0x3f82, 0x7f80, 0x7fc0,
  ]);
  expect(fromBrain(0x3fc0)).toBe(1.5);
  const value = tensor("bfloat16" satisfies NumericDType, [2], [0x3f80, 0xbf80]);
  expect([...(widenTensor(value).data as Float32Array)]).toEqual([1, -1]);
  expect(narrowTo(widenTensor(value), value)).toEqual(value);
});
