/** Operators that repeat, pick or ask for sizes. */

import { fail } from "../../graph/error.ts";
import { sizeOf, take, tensor, toNumbers, zeros, int64s, type NumericDType } from "../../graph/tensor.ts";
import { defineOp, int, tensorAttribute, type Remaining, type Resized, type Value } from "../core/define.ts";
import { broadcast, eachIndex } from "../core/elementwise.ts";
import { indexIn, integers, positive, scatterBack } from "../core/indexing.ts";
import { remainingSizes } from "./layout.ts";

/**
 * New sizes of an output in the input that states them; it stays where none changes, as it may follow an open batch.
 */
function resizedTo(
  remaining: Remaining,
  name: string,
  stated: Value,
  y: Value,
  isSize: (n: number) => boolean,
): Resized {
  const old = integers(stated);
  const sizes = remainingSizes(remaining, y, old, isSize);
  return toNumbers(sizes).every((n, i) => n === old[i]) ? {} : { inputs: { [name]: sizes } };
}

/** https://onnx.ai/onnx/operators/onnx__Expand.html */
export const Expand = defineOp({
  name: "Expand",
  since: 13,
  carries: true,
  inputs: ["input", "shape"],
  shape: ({ input, shape }) => broadcast(input.shape, integers(shape)),
  gradient: (_g, dy) => ({ input: () => dy }),
  channels(c, { input }, [y]) {
    y!.shape.forEach((dim, i) => {
      const at = i - y!.shape.length + input.shape.length;
      if (at >= 0 && input.shape[at] === dim) c.same(c.axis(input, at), c.axis(y!, i));
      else c.axis(y!, i);
    });
  },
  zero: "any",
  resize: (remaining, { shape }, [y]) => resizedTo(remaining, "shape", shape, y!, (n) => n > 1),
  fold({ input }, _attributes, [y]) {
    if (input.constant === undefined) return undefined;
    const values = toNumbers(input.constant);
    return [
      tensor(
        y!.dtype as NumericDType,
        y!.shape,
        eachIndex(y!.shape, [input.shape], ([at]) => values[at!]!),
      ),
    ];
  },
  samples: [
    { inputs: [[3, 1], int64s([2, 1, 4])] },
    { inputs: [[2, 3], int64s([1, 3])] },
    { inputs: [[2, 3, 1], int64s([4])] },
    { inputs: [[], int64s([2, 2])] },
  ],
});

/** https://onnx.ai/onnx/operators/onnx__Gather.html */
export const Gather = defineOp({
  name: "Gather",
  since: 13,
  carries: true,
  inputs: ["data", "indices"],
  attributes: { axis: int(0) },
  shape({ data, indices }, { axis }) {
    const at = positive(axis, data.shape.length);
    if (indices.constant) for (const index of integers(indices)) indexIn(index, data.shape[at]!);
    return [...data.shape.slice(0, at), ...indices.shape, ...data.shape.slice(at + 1)];
  },
  dtype: ({ data }) => data.dtype,
  gradient: (g, dy, { data, indices }, { axis }) => ({
    data: () => scatterBack(g, dy, indices, data.shape, positive(axis, data.shape.length)),
  }),
  channels(c, { data, indices }, [y], { axis }) {
    const at = positive(axis, data.shape.length);
    const rank = indices.shape.length;
    data.shape.forEach((_, i) => i !== at && c.same(c.axis(data, i), c.axis(y!, i < at ? i : i + rank - 1)));
    if (rank === 1 && indices.constant) {
      const dim = data.shape[at]!;
      c.same(c.axis(data, at).pick(integers(indices).map((i) => indexIn(i, dim))), c.axis(y!, at));
      c.axis(indices, 0);
    }
    // Indices that are data keep what they pick from whole; samples stay samples.
    if (!indices.constant) indices.shape.forEach((_, i) => c.same(c.axis(indices, i), c.axis(y!, at + i)));
  },
  zero: "any",
  resize(remaining, { data, indices }, [y], { axis }) {
    const at = positive(axis, data.shape.length);
    const left = remaining.axis(data, at);
    if (indices.shape.length !== 1 || left.length === data.shape[at]) return {};
    const old = integers(indices).map((i) => indexIn(i, data.shape[at]!));
    const place = new Map(left.map((from, to) => [from, to]));
    return { inputs: { indices: int64s(remaining.axis(y!, at).map((i) => place.get(old[i]!)!)) } };
  },
  fold({ data, indices }, { axis }, [y]) {
    if (data.constant === undefined || indices.constant === undefined) return undefined;
    const at = positive(axis, data.shape.length);
    const part = take(
      data.constant,
      at,
      integers(indices).map((i) => indexIn(i, data.shape[at]!)),
    );
    return [{ ...part, shape: y!.shape }];
  },
  samples: [
    { inputs: [[5, 3], int64s([4, 0, -1, 0])] },
    {
      inputs: [[2, 4, 3], { dtype: "int64", shape: [2, 2], data: BigInt64Array.of(0n, 3n, 1n, 1n) }],
      attributes: { axis: 1 },
    },
    { inputs: [[2, 4, 3], { dtype: "int64", shape: [], data: BigInt64Array.of(2n) }], attributes: { axis: -1 } },
    { inputs: [[2, 4, 3], int64s([3, 1, 0])], attributes: { axis: 1 } },
  ],
});

/** https://onnx.ai/onnx/operators/onnx__Shape.html — a size that is asked for may not change */
export const ShapeOp = defineOp({
  name: "Shape",
  since: 21,
  inputs: ["data"],
  attributes: { start: int(0), end: int() },
  shape: ({ data }, { start, end }) => [data.shape.slice(start, end ?? data.shape.length).length],
  dtype: () => "int64",
  gradient: "stop",
  channels(c, { data }, [y], { start, end }) {
    const asked = new Set(data.shape.map((_, axis) => axis).slice(start, end ?? data.shape.length));
    data.shape.forEach((_, axis) => {
      const sized = c.axis(data, axis);
      if (asked.has(axis)) c.freeze(sized, "it asks for its size");
    });
    c.freeze(c.axis(y!, 0), "it lists sizes");
  },
  fold: ({ data }, { start, end }) => [int64s(data.shape.slice(start, end ?? data.shape.length))],
  samples: [{ inputs: [[2, 3, 4]] }, { inputs: [[2, 3, 4]], attributes: { start: -2, end: -1 } }],
});

/** https://onnx.ai/onnx/operators/onnx__ConstantOfShape.html */
export const ConstantOfShape = defineOp({
  name: "ConstantOfShape",
  since: 21,
  inputs: ["input"],
  attributes: { value: tensorAttribute() },
  shape({ input }, { value }) {
    if (value && value.data.length !== 1)
      fail("bad-model", `its value has ${value.data.length} elements, where it must be one`);
    return integers(input);
  },
  dtype: (_inputs, { value }) => value?.dtype ?? "float32",
  gradient: "stop",
  channels(c, { input }, [y]) {
    y!.shape.forEach((_, i) => c.axis(y!, i));
    c.freeze(c.axis(input, 0), "it lists sizes");
  },
  resize: (remaining, { input }, [y]) => resizedTo(remaining, "input", input, y!, () => true),
  fold({ input }, { value }, [y]) {
    if (input.constant === undefined) return undefined;
    const dtype = y!.dtype as NumericDType;
    if (value === undefined) return [zeros(dtype, y!.shape)];
    return [tensor(dtype, y!.shape, new Float64Array(sizeOf(y!.shape)).fill(toNumbers(value)[0]!))];
  },
  samples: [
    { inputs: [int64s([2, 3])] },
    { inputs: [int64s([4])], attributes: { value: { dtype: "int64", shape: [1], data: BigInt64Array.of(7n) } } },
  ],
});
