/** Operators that read and write by indices that are data. They carry gradients; their axes stay whole. */

import { defineOp, int, string } from "./define.ts";
import { int64s, tensor, toNumbers } from "../graph/tensor.ts";
import { fail } from "../graph/error.ts";

/** https://onnx.ai/onnx/operators/onnx__GatherElements.html */
export const GatherElements = defineOp({
  name: "GatherElements",
  since: 13,
  inputs: ["data", "indices"],
  attributes: { axis: int(0) },
  shape: ({ indices }) => indices.shape,
  gradient: (g, dy, { data, indices }, { axis }) => ({
    data: () => g.ScatterElements(g.filled(0, data.shape), indices, dy, { axis, reduction: "add" }),
  }),
  samples: [
    { inputs: [[3, 4], tensor("int64", [2, 4], [0, 2, 1, 0, 2, 2, 1, 0])] },
    { inputs: [[3, 4], tensor("int64", [3, 2], [0, 3, 1, 1, 2, 0])], attributes: { axis: 1 } },
  ],
});

const noOther = (reduction: string): void => {
  if (reduction !== "none" && reduction !== "add")
    fail("unsupported", `the gradient of reduction "${reduction}" is not known`);
};

/** https://onnx.ai/onnx/operators/onnx__ScatterElements.html */
export const ScatterElements = defineOp({
  name: "ScatterElements",
  since: 18,
  inputs: ["data", "indices", "updates"],
  attributes: { axis: int(0), reduction: string("none") },
  shape: ({ data }) => data.shape,
  gradient(g, dy, { indices, updates }, { axis, reduction }) {
    noOther(reduction);
    return {
      data: () => (reduction === "add" ? dy : g.ScatterElements(dy, indices, g.filled(0, updates.shape), { axis })),
      updates: () => g.GatherElements(dy, indices, { axis }),
    };
  },
  samples: [
    {
      inputs: [[4, 3], tensor("int64", [2, 3], [0, 1, 2, 0, 3, 1]), [2, 3]],
      attributes: { reduction: "add" },
    },
    {
      inputs: [[3, 4], tensor("int64", [3, 2], [0, 3, 1, 2, 2, 0]), [3, 2]],
      attributes: { axis: 1 },
    },
  ],
});

/** https://onnx.ai/onnx/operators/onnx__GatherND.html */
export const GatherND = defineOp({
  name: "GatherND",
  since: 13,
  inputs: ["data", "indices"],
  attributes: { batch_dims: int(0) },
  shape: ({ data, indices }, { batch_dims }) => [
    ...indices.shape.slice(0, -1),
    ...data.shape.slice(batch_dims + indices.shape.at(-1)!),
  ],
  gradient: (g, dy, { data, indices }, { batch_dims }) => ({
    data: () => {
      if (batch_dims !== 0) fail("unsupported", `its gradient with batch_dims ${batch_dims} is not known`);
      return g.ScatterND(g.filled(0, data.shape), indices, dy, { reduction: "add" });
    },
  }),
  samples: [
    { inputs: [[3, 4], tensor("int64", [3, 1], [2, 0, 2])] },
    { inputs: [[3, 4], tensor("int64", [2, 2], [2, 0, 1, 3])] },
  ],
});

/** https://onnx.ai/onnx/operators/onnx__ScatterND.html */
export const ScatterND = defineOp({
  name: "ScatterND",
  since: 18,
  inputs: ["data", "indices", "updates"],
  attributes: { reduction: string("none") },
  shape: ({ data }) => data.shape,
  gradient(g, dy, { indices, updates }, { reduction }) {
    noOther(reduction);
    return {
      data: () => (reduction === "add" ? dy : g.ScatterND(dy, indices, g.filled(0, updates.shape))),
      updates: () => g.GatherND(dy, indices),
    };
  },
  samples: [
    {
      inputs: [[4, 3], tensor("int64", [3, 1], [2, 0, 2]), [3, 3]],
      attributes: { reduction: "add" },
    },
    { inputs: [[4, 3], tensor("int64", [2, 1], [3, 1]), [2, 3]] },
  ],
});

/** https://onnx.ai/onnx/operators/onnx__OneHot.html — `depth` must be a constant */
export const OneHot = defineOp({
  name: "OneHot",
  since: 11,
  inputs: ["indices", "depth", "values"],
  attributes: { axis: int(-1) },
  shape({ indices, depth }, { axis }) {
    const size = depth.constant
      ? toNumbers(depth.constant)[0]!
      : fail("unsupported", `its depth "${depth.name}" is not a constant`);
    const at = axis < 0 ? axis + indices.shape.length + 1 : axis;
    return indices.shape.toSpliced(at, 0, size);
  },
  dtype: ({ values }) => values.dtype,
  gradient: "stop",
  samples: [
    { inputs: [int64s([0, 2, 1]), int64s([4]), tensor("float32", [2], [0, 1])] },
    { inputs: [int64s([0, 2, 1]), int64s([4]), tensor("float32", [2], [0, 1])], attributes: { axis: 0 } },
  ],
});
