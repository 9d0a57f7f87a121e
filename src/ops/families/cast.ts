/** Conversions between element types. */

import { fail } from "../../graph/error.ts";
import { holdsBits, isFloat, tensor, type DType, type NumericDType, type Tensor } from "../../graph/tensor.ts";
import { defineOp, given, int, string, type Value } from "../core/define.ts";
import { computed, coupleAll, elementsOf } from "../core/elementwise.ts";

const elementTypes: Readonly<Record<number, NumericDType>> = {
  1: "float32",
  2: "uint8",
  3: "int8",
  4: "uint16",
  5: "int16",
  6: "int32",
  7: "int64",
  9: "bool",
  10: "float16",
  11: "float64",
  12: "uint32",
  13: "uint64",
  16: "bfloat16",
  17: "float8e4m3fn",
  18: "float8e4m3fnuz",
  19: "float8e5m2",
  20: "float8e5m2fnuz",
  21: "uint4",
  22: "int4",
  23: "float4e2m1",
  24: "float8e8m0",
  25: "uint2",
  26: "int2",
};
/** The element type that a number stands for in the file format. */
export const elementType = (code: number): NumericDType =>
  elementTypes[code] ?? fail("unsupported", `element type number ${code} is not known`);
const codeOf = (dtype: string): number => Number(Object.entries(elementTypes).find(([, name]) => name === dtype)?.[0]);

/** A known value's elements in another type; `undefined` where they are unknown, or differ between machines. */
function castTo(input: Value, dtype: DType): Tensor[] | undefined {
  const values = elementsOf(input);
  if (values === undefined || holdsBits(dtype)) return undefined;
  if (dtype === "bool")
    return computed(
      dtype,
      input.shape,
      values.map((x) => Number(x !== 0)),
    );
  if (isFloat(dtype) || !isFloat(input.dtype)) return computed(dtype, input.shape, values);
  // What does not fit into the integers is cast as the machine likes.
  const most = { int32: 2 ** 31, int64: 2 ** 53 }[dtype as string] ?? 0;
  return values.every((x) => Math.abs(x) < most) ? computed(dtype, input.shape, values.map(Math.trunc)) : undefined;
}

/** https://onnx.ai/onnx/operators/onnx__Cast.html */
export const Cast = defineOp({
  name: "Cast",
  since: 21,
  carries: true,
  inputs: ["input"],
  attributes: { to: int(1), saturate: int(1) },
  shape: ({ input }) => input.shape,
  dtype: (_inputs, { to }) => elementType(to),
  // No gradient flows through integers.
  gradient: (g, dy, { input }, { to }) =>
    [1, 10, 11, 16].includes(to) && /float/.test(input.dtype)
      ? { input: () => g.Cast(dy, { to: codeOf(input.dtype) }) }
      : {},
  channels: (c, { input }, [y]) => coupleAll(c, input, y!),
  zero: "any",
  fold: ({ input }, { to }) => castTo(input, elementTypes[to]!),
  samples: [
    { inputs: [[2, 3]], attributes: { to: 1 } },
    { inputs: [[2, 3]], attributes: { to: 11 } },
    { inputs: [[2, 3]], attributes: { to: 7 } },
    { inputs: [[2, 3]], attributes: { to: 6 } },
    { inputs: [[2, 3]], attributes: { to: 9 } },
  ],
});

/** https://onnx.ai/onnx/operators/onnx__CastLike.html — of the other value only the element type counts */
export const CastLike = defineOp({
  name: "CastLike",
  since: 21,
  carries: true,
  inputs: ["input", "target_type"],
  outputs: ["output"],
  attributes: { round_mode: string("up"), saturate: int(1) },
  shape: ({ input }) => input.shape,
  dtype: ({ target_type }) => target_type.dtype,
  gradient: (g, dy, { input, target_type }) =>
    isFloat(input.dtype) && isFloat(target_type.dtype) ? { input: () => g.Cast(dy, { to: codeOf(input.dtype) }) } : {},
  channels(c, { input, target_type }, [output]) {
    coupleAll(c, input, output!);
    // Whatever becomes of its axes, its type stays.
    target_type.shape.forEach((_, i) => c.axis(target_type, i));
  },
  zero: "any",
  fold: ({ input, target_type }) => castTo(input, target_type.dtype),
  samples: [
    { inputs: [[2, 3], tensor("float32", [1], [0])] },
    { inputs: [[2, 3], tensor("int64", [], [0])] },
    { inputs: [[2, 3], tensor("bool", [2], [0, 1])] },
    { inputs: given([2, 3], [4, 2]) },
  ],
});
