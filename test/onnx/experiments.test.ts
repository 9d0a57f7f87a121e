/** Operators that were experiments until opset 9: read as onnxruntime reads them, or left as they were. */

import { expect, test } from "vitest";
import { int64s, type Tensor } from "../../src/graph/tensor.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { fileForm } from "../../src/onnx/file-form.ts";
import { loadModel } from "../../src/onnx/load.ts";
import type { Node } from "../../src/graph/graph.ts";
import { f, feedsOf, floats, modelOf, node, run, value } from "./support.ts";

const modelFor = (opset: number, shape: readonly number[], nodes: readonly Node[], constants: Record<string, Tensor>) =>
  modelOf(opset, {
    nodes,
    inputs: [value("x", shape)],
    outputs: [value("y")],
    initializers: new Map(Object.entries(constants)),
  });

const mvn = (attributes: Parameters<typeof node>[3]) => node("MeanVarianceNormalization", ["x"], ["y"], attributes);
const images = [2, 3, 8, 9];

/** What is written is younger where the experiment became an operator of the standard later. */
test.each<[string, number, readonly number[], readonly Node[], readonly string[], number?]>([
  ["MeanVarianceNormalization over the batch", 7, images, [mvn({})], ["MeanVarianceNormalization"], 9],
  ["MeanVarianceNormalization over all", 8, images, [mvn({ across_channels: 1 })], ["MeanVarianceNormalization"], 9],
  ["MeanVarianceNormalization without variance", 8, images, [mvn({ normalize_variance: 0 })], ["ReduceMean", "Sub"]],
  [
    "MeanVarianceNormalization over all, without variance",
    7,
    images,
    [mvn({ across_channels: 1, normalize_variance: 0 })],
    ["ReduceMean", "Sub"],
  ],
  [
    "ImageScaler",
    8,
    images,
    [node("ImageScaler", ["x"], ["y"], { scale: f(0.75), bias: floats(1, -2, 3) })],
    ["Mul", "Add"],
  ],
  ["ImageScaler, bias only", 7, images, [node("ImageScaler", ["x"], ["y"], { bias: floats(1, -2, 3) })], ["Add"]],
  ["Crop by its border", 8, images, [node("Crop", ["x"], ["y"], { border: [1, 2, 0, 1] })], ["Slice"]],
  ["Crop by what stays", 9, images, [node("Crop", ["x"], ["y"], { border: [2, 1, 0, 0], scale: [3, 2] })], ["Slice"]],
  ["Affine", 9, [3, 5], [node("Affine", ["x"], ["y"], { alpha: f(1.5), beta: f(-0.25) })], ["Mul", "Add"]],
  ["Affine that changes nothing", 9, [3, 5], [node("Affine", ["x"], ["y"])], ["Identity"]],
  ["Scale", 7, [3, 5], [node("Scale", ["x"], ["y"], { scale: f(3) })], ["Mul"]],
  [
    "ScaledTanh",
    7,
    [3, 5],
    [node("ScaledTanh", ["x"], ["y"], { alpha: f(0.5), beta: f(0.25) })],
    ["Mul", "Tanh", "Mul"],
  ],
  [
    "ParametricSoftplus",
    9,
    [3, 5],
    [node("ParametricSoftplus", ["x"], ["y"], { alpha: f(2), beta: f(0.5) })],
    ["Mul", "Softplus", "Mul"],
  ],
  ["ThresholdedRelu", 8, [3, 5], [node("ThresholdedRelu", ["x"], ["y"], { alpha: f(0.1) })], ["ThresholdedRelu"], 10],
  ["DynamicSlice", 8, [3, 5], [node("DynamicSlice", ["x", "starts", "ends"], ["y"])], ["Slice"]],
])("%s", async (_, opset, shape, nodes, ops, written = opset) => {
  const old = modelFor(opset, shape, nodes, { starts: int64s([1, 0]), ends: int64s([3, 4]) });
  const bytes = encodeModel(old);
  const model = loadModel(bytes);
  expect(model.graph.nodes.map(({ op }) => op)).toEqual(ops);
  expect(fileForm(model).model.opsets[""]).toBe(written);
  const feeds = feedsOf(old);
  const floatsOf = (y: { bytes: unknown }) => [...new Float32Array(Uint8Array.from(y.bytes as number[]).buffer)];
  const [wanted, got] = [await run(bytes, feeds), await run(encodeModel(model), feeds)];
  expect(got["y"]!.dims).toEqual(wanted["y"]!.dims);
  const right = floatsOf(wanted["y"]!);
  expect(Math.max(...right.map(Math.abs))).toBeGreaterThan(0.1);
  floatsOf(got["y"]!).forEach((one, i) => expect(one).toBeCloseTo(right[i]!, 5));
});

test.each([
  ["ScaledTanh without its numbers", node("ScaledTanh", ["x"], ["y"], { alpha: f(2) })],
  ["Crop with another border", node("Crop", ["x"], ["y"], { border: [1, 1] })],
  ["MeanVarianceNormalization of a matrix", mvn({})],
  ["GRUUnit, which nothing runs", node("GRUUnit", ["x", "x"], ["y"])],
  ["GivenTensorFill, which nothing runs", node("GivenTensorFill", ["x"], ["y"], { values: floats(1, 2), shape: [2] })],
])("left as it was: %s", (_, one) => {
  const old = modelFor(8, [3, 5], [one], {});
  const model = loadModel(encodeModel(old));
  expect(fileForm(model).model.graph.nodes).toEqual(old.graph.nodes);
});
