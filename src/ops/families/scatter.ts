/** Operators that read and write by indices. The axes that are indexed stay whole; the others go element by element. */

import { defineOp, int, string, type Value } from "../core/define.ts";
import { int64s, sizeOf, tensor, toNumbers, type NumericDType } from "../../graph/tensor.ts";
import { fail } from "../../graph/error.ts";
import type { Channels } from "../core/channels.ts";
import type { Emit } from "../core/emit.ts";
import { cartesian } from "../gradients/geometry.ts";
import { checkSameType, indexIn, integers, numbers, positive } from "../core/indexing.ts";

/** https://onnx.ai/onnx/operators/onnx__GatherElements.html */
export const GatherElements = defineOp({
  name: "GatherElements",
  since: 13,
  carries: true,
  inputs: ["data", "indices"],
  attributes: { axis: int(0) },
  shape: ({ indices }) => indices.shape,
  gradient: (g, dy, { data, indices }, { axis }) => ({
    data: () => g.ScatterElements(g.zeros(data.shape, indices), indices, dy, { axis, reduction: "add" }),
  }),
  channels: (c, { data, indices }, [y], { axis }) => coupleBeside(c, axis, [data, indices, y!]),
  zero: "any",
  samples: [
    { inputs: [[3, 4], tensor("int64", [2, 4], [0, 2, 1, 0, 2, 2, 1, 0])] },
    { inputs: [[3, 4], tensor("int64", [3, 2], [0, 3, 1, 1, 2, 0])], attributes: { axis: 1 } },
    { inputs: [[3, 4], tensor("int64", [2, 2], [0, 3, 1, -1])], attributes: { axis: -1 } },
  ],
});

/**
 * All axes but the indexed one, where the values have them in one size; an axis that indices cover in part stays whole.
 */
function coupleBeside(c: Channels, axis: number, values: readonly Value[]): void {
  const [first, ...others] = values;
  first!.shape.forEach((dim, i) => {
    if (i === positive(axis, first!.shape.length) || others.some(({ shape }) => shape[i] !== dim)) return;
    c.same(...values.map((value) => c.axis(value, i)));
  });
}

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
  shape({ data, updates }) {
    checkSameType(data, updates);
    return data.shape;
  },
  gradient(g, dy, { indices, updates }, { axis, reduction }) {
    noOther(reduction);
    return {
      data: () =>
        reduction === "add" ? dy : g.ScatterElements(dy, indices, g.zeros(updates.shape, indices), { axis }),
      updates: () => g.GatherElements(dy, indices, { axis }),
    };
  },
  channels: (c, { data, indices, updates }, [y], { axis }) => coupleBeside(c, axis, [data, indices, updates, y!]),
  zero: "all",
  samples: [
    { inputs: [[4, 3], tensor("int64", [2, 3], [0, 1, 2, 0, 3, 1]), [2, 3]], attributes: { reduction: "add" } },
    { inputs: [[3, 4], tensor("int64", [3, 2], [0, 3, 1, 2, 2, 0]), [3, 2]], attributes: { axis: 1 } },
    { inputs: [[3, 4], tensor("int64", [2, 2], [0, 3, 1, 2]), [2, 2]], attributes: { axis: -1 } },
  ],
});

/** Indices that begin with the place in each axis of the batch, which they are stated beside. */
function fullIndices(g: Emit, indices: Value, batch: number): Value {
  if (batch === 0) return indices;
  const lead = indices.shape.slice(0, -1);
  const places = cartesian(lead).flatMap((at) => at.slice(0, batch));
  return g.Concat(g.constant(tensor("int64", [...lead, batch], places)), indices, { axis: lead.length });
}

/** The rows that a GatherND takes as a Gather along the first axis would; `undefined` where it takes anything else. */
function rowsOf(data: Value, indices: Value, batchDims: number): number[] | undefined {
  if (batchDims !== 0 || indices.shape.length !== 2 || indices.shape[1] !== 1 || !indices.constant) return undefined;
  return integers(indices).map((index) => indexIn(index, data.shape[0]!));
}

/** https://onnx.ai/onnx/operators/onnx__GatherND.html */
export const GatherND = defineOp({
  name: "GatherND",
  since: 13,
  carries: true,
  inputs: ["data", "indices"],
  attributes: { batch_dims: int(0) },
  shape: ({ data, indices }, { batch_dims }) => [
    ...indices.shape.slice(0, -1),
    ...data.shape.slice(batch_dims + indices.shape.at(-1)!),
  ],
  gradient: (g, dy, { data, indices }, { batch_dims }) => ({
    data: () =>
      g.ScatterND(g.zeros(data.shape, indices), fullIndices(g, indices, batch_dims), dy, { reduction: "add" }),
  }),
  channels(c, { data, indices }, [y], { batch_dims }) {
    for (let i = 0; i < batch_dims; i++) c.same(c.axis(data, i), c.axis(indices, i), c.axis(y!, i));
    for (let i = -1; i >= batch_dims + indices.shape.at(-1)! - data.shape.length; i--)
      c.same(c.axis(data, i), c.axis(y!, i));
    const rows = rowsOf(data, indices, batch_dims);
    if (rows === undefined) return;
    c.same(c.axis(data, 0).pick(rows), c.axis(y!, 0));
    c.axis(indices, 0);
  },
  zero: "any",
  resize(remaining, { data, indices }, [y], { batch_dims }) {
    const rows = rowsOf(data, indices, batch_dims);
    const left = remaining.axis(data, 0);
    if (rows === undefined || left.length === data.shape[0]) return {};
    const place = new Map(left.map((from, to) => [from, to]));
    const now = remaining.axis(y!, 0).map((i) => place.get(rows[i]!)!);
    return { inputs: { indices: tensor("int64", [now.length, 1], now) } };
  },
  samples: [
    { inputs: [[3, 4], tensor("int64", [3, 1], [2, 0, 2])] },
    { inputs: [[5, 4], tensor("int64", [4, 1], [4, 0, -2, 1])] },
    { inputs: [[3, 4], tensor("int64", [2, 2], [2, 0, 1, 3])] },
    { inputs: [[3, 4, 2, 3], tensor("int64", [2, 2], [2, 0, 1, 3])] },
    { inputs: [[2, 4, 3], tensor("int64", [2, 3, 1], [2, 0, 2, 1, 3, -2])], attributes: { batch_dims: 1 } },
    { inputs: [[2, 2, 3, 2], tensor("int64", [2, 2, 1], [2, 0, 1, 1])], attributes: { batch_dims: 2 } },
  ],
});

/** https://onnx.ai/onnx/operators/onnx__ScatterND.html */
export const ScatterND = defineOp({
  name: "ScatterND",
  since: 18,
  inputs: ["data", "indices", "updates"],
  attributes: { reduction: string("none") },
  shape({ data, updates }) {
    checkSameType(data, updates);
    return data.shape;
  },
  gradient(g, dy, { indices, updates }, { reduction }) {
    noOther(reduction);
    return {
      data: () => (reduction === "add" ? dy : g.ScatterND(dy, indices, g.zeros(updates.shape, indices))),
      updates: () => g.GatherND(dy, indices),
    };
  },
  channels(c, { data, indices, updates }, [y]) {
    for (let i = -1; i >= indices.shape.at(-1)! - data.shape.length; i--)
      c.same(c.axis(data, i), c.axis(updates, i), c.axis(y!, i));
  },
  zero: "all",
  fold({ data, indices, updates }, { reduction }) {
    if (!data.constant || !indices.constant || !updates.constant || reduction !== "none") return undefined;
    const [result, rows, values] = [toNumbers(data.constant), integers(indices), toNumbers(updates.constant)];
    const deep = indices.shape.at(-1)!;
    const inner = sizeOf(data.shape.slice(deep));
    for (let row = 0; row * deep < rows!.length; row++) {
      const at = rows!
        .slice(row * deep, (row + 1) * deep)
        .reduce((flat, index, axis) => flat * data.shape[axis]! + indexIn(index, data.shape[axis]!), 0);
      for (let i = 0; i < inner; i++) result![at * inner + i] = values![row * inner + i]!;
    }
    return [tensor(data.dtype as NumericDType, data.shape, result!)];
  },
  samples: [
    { inputs: [[4, 3], tensor("int64", [3, 1], [2, 0, 2]), [3, 3]], attributes: { reduction: "add" } },
    { inputs: [[4, 3], tensor("int64", [2, 1], [3, -3]), [2, 3]] },
    { inputs: [[3, 4, 2, 3], tensor("int64", [2, 2], [2, 0, 1, 3]), [2, 2, 3]] },
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
      ? numbers(depth)[0]!
      : fail("unsupported", `its depth "${depth.name}" is not a constant`);
    const at = positive(axis, indices.shape.length + 1);
    return indices.shape.toSpliced(at, 0, size);
  },
  dtype: ({ values }) => values.dtype,
  gradient: "stop",
  channels(c, { indices }, [y], { axis }) {
    const at = positive(axis, y!.shape.length);
    indices.shape.forEach((_, i) => c.same(c.axis(indices, i), c.axis(y!, i < at ? i : i + 1)));
  },
  samples: [
    { inputs: [int64s([0, 2, 1]), int64s([4]), tensor("float32", [2], [0, 1])] },
    { inputs: [int64s([0, 2, 1]), int64s([4]), tensor("float32", [2], [0, 1])], attributes: { axis: 0 } },
  ],
});
