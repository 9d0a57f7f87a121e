/** Between numbers and the integers that stand for them: x ≈ (q - zero point) · scale. */

import { fail } from "../../graph/error.ts";
import {
  float32,
  holdsBits,
  sizeOf,
  tensor,
  toNumbers,
  type NumericDType,
  type Shape,
  type Tensor,
} from "../../graph/tensor.ts";
import type { Channels } from "../core/channels.ts";
import { defineOp, int, type Value } from "../core/define.ts";
import { coupleAll } from "../core/elementwise.ts";
import type { Emit } from "../core/emit.ts";
import { positive } from "../core/indexing.ts";

/** Integers that the runtime quantises to, with the number by which ONNX names them, and their range. */
const integers: readonly { code: number; dtype: NumericDType; low: number; high: number }[] = [
  { code: 2, dtype: "uint8", low: 0, high: 255 },
  { code: 3, dtype: "int8", low: -128, high: 127 },
  { code: 4, dtype: "uint16", low: 0, high: 65535 },
  { code: 5, dtype: "int16", low: -32768, high: 32767 },
];

/** Refuses what is neither one scale for all nor one for each place of an axis. */
function check(x: Value, scale: Value, zeroPoint: Value | undefined, axis: number, block: number): Shape {
  if (block !== 0 || scale.shape.length > 1)
    fail("unsupported", "blocked quantisation is not known, only one scale for all or one for each place of an axis");
  for (const value of zeroPoint ? [scale, zeroPoint] : [scale])
    if (isPerAxis(value) && value.shape[0] !== x.shape[positive(axis, x.shape.length)])
      fail(
        "bad-model",
        `"${value.name}" [${value.shape.join(", ")}] does not fit axis ${axis} of [${x.shape.join(", ")}]`,
      );
  return x.shape;
}

/** One number is for all, whatever the axis. */
const isPerAxis = ({ shape }: Value): boolean => sizeOf(shape) > 1;

/** A scale or a zero point, as float32 and shaped so that it broadcasts over x. */
function along(g: Emit, value: Value, x: Value, axis: number): Value {
  const number = value.dtype === "float32" ? value : g.Cast(value, { to: 1 });
  if (!isPerAxis(value)) return g.reshaped(number, []);
  const at = positive(axis, x.shape.length);
  return g.reshaped(
    number,
    x.shape.slice(at).map((_, i) => (i === 0 ? sizeOf(value.shape) : 1)),
  );
}

/** The numbers of constant integers; `undefined` where an input is computed or the scale is not float32. */
function dequantised(x: Value, scale: Value, zeroPoint: Value | undefined, axis: number): Tensor | undefined {
  if (!x.constant || holdsBits(x.dtype) || scale.constant?.dtype !== "float32" || (zeroPoint && !zeroPoint.constant))
    return undefined;
  const [scales, zeros] = [toNumbers(scale.constant), zeroPoint ? toNumbers(zeroPoint.constant!) : [0]];
  const at = scales.length > 1 || zeros.length > 1 ? positive(axis, x.shape.length) : 0;
  const [size, inner] = [x.shape[at] ?? 1, sizeOf(x.shape.slice(at + 1))];
  const place = (i: number, list: ArrayLike<number>): number =>
    list[list.length === 1 ? 0 : Math.floor(i / inner) % size]!;
  return float32(
    x.shape,
    Float32Array.from(x.constant.data as ArrayLike<number>, (q, i) => (q - place(i, zeros)) * place(i, scales)),
  );
}

/** A gradient over all of x, summed to the shape of the scale. */
function toScale(g: Emit, d: Value, scale: Value, axis: number): Value {
  const at = positive(axis, d.shape.length);
  const rest = d.shape.flatMap((_, i) => (i === at && isPerAxis(scale) ? [] : [i]));
  return g.reshaped(g.summed(d, rest), scale.shape);
}

/** A unit takes its scale and its zero point along. */
function couple(c: Channels, x: Value, y: Value, axis: number, ...settings: readonly (Value | undefined)[]): void {
  coupleAll(c, x, y);
  for (const one of settings) if (one && isPerAxis(one)) c.same(c.axis(x, axis), c.axis(one, 0));
}

/** Whether the integer 0 stands for the number 0. */
const zeroIsZero = (zeroPoint: Value | undefined): boolean =>
  zeroPoint === undefined || (zeroPoint.constant !== undefined && toNumbers(zeroPoint.constant).every((n) => n === 0));

/**
 * https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html — y = saturate(round(x / y_scale) + y_zero_point). A step
 * has no derivative: the gradient goes straight through the rounding, d(x / y_scale) where y is not saturated, so that
 * quantising and dequantising together are the identity between the bounds. Gradients of integers are float32.
 */
export const QuantizeLinear = defineOp({
  name: "QuantizeLinear",
  since: 23,
  carries: true,
  inputs: ["x", "y_scale", "y_zero_point?"],
  outputs: ["y"],
  attributes: { axis: int(1), block_size: int(0), output_dtype: int(0), precision: int(0), saturate: int(1) },
  shape({ x, y_scale, y_zero_point }, { axis, block_size, precision }) {
    if (precision !== 0) fail("unsupported", `its precision ${precision} is not known, only that of its scale`);
    return check(x, y_scale, y_zero_point, axis, block_size);
  },
  dtype({ y_zero_point }, { output_dtype }) {
    const found = integers.find(({ code, dtype }) =>
      y_zero_point ? dtype === y_zero_point.dtype : code === (output_dtype || 2),
    );
    return found?.dtype ?? fail("unsupported", "it quantises to a type that is not known");
  },
  gradient(g, dy, { x, y_scale, y_zero_point }, { axis }, y) {
    const { low, high } = integers.find(({ dtype }) => dtype === y.dtype)!;
    const scale = along(g, y_scale, x, axis);
    const steps = g.Div(x, scale);
    const exact = y_zero_point ? g.Add(steps, along(g, y_zero_point, x, axis)) : steps;
    // Half a step beyond a bound still rounds to it.
    const zero = g.scalar(0, dy);
    const below = g.Where(g.Less(exact, g.scalar(high + 0.5, x)), g.Div(dy, scale), zero);
    const inside = g.Where(g.Greater(exact, g.scalar(low - 0.5, x)), below, zero);
    return {
      x: () => inside,
      y_scale: () => g.Neg(toScale(g, g.Mul(inside, steps), y_scale, axis)),
    };
  },
  channels: (c, { x, y_scale, y_zero_point }, [y], { axis }) => couple(c, x, y!, axis, y_scale, y_zero_point),
  quantisedBy: ["y_scale", "y_zero_point"],
  zero: ({ y_zero_point }) => (zeroIsZero(y_zero_point) ? "any" : undefined),
  unrounded(g, { x, y_scale, y_zero_point }, { axis, output_dtype }) {
    const bounds = integers.find(({ code, dtype }) =>
      y_zero_point ? dtype === y_zero_point.dtype : code === (output_dtype || 2),
    );
    if (bounds === undefined) return undefined;
    const steps = g.Div(x, along(g, y_scale, x, axis));
    const exact = y_zero_point ? g.Add(steps, along(g, y_zero_point, x, axis)) : steps;
    return [g.Clip(exact, g.scalar(bounds.low, x), g.scalar(bounds.high, x))];
  },
  samples: [
    { inputs: [[2, 3, 4], float32([], [0.01])] },
    { inputs: [[2, 3, 4], float32([], [0.05]), tensor("int8", [], [-7])] },
    { inputs: [[2, 3, 2], float32([3], [0.1, 0.2, 0.01]), tensor("int8", [3], [1, 100, -2])] },
    { inputs: [[2, 3], float32([2], [0.001, 0.0001]), tensor("int16", [2], [0, 0])], attributes: { axis: 0 } },
    { inputs: [[2, 2, 3], float32([3], [0.3, 0.2, 0.1]), null], attributes: { axis: -1, output_dtype: 3 } },
    { inputs: [[5], float32([1], [0.001]), tensor("uint16", [1], [9])], attributes: { axis: 0 } },
  ],
});

/**
 * https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html — y = (x - x_zero_point) · x_scale. The integers have a
 * gradient, in float32, for the sake of what was quantised; a weight that is integers itself does not learn.
 */
export const DequantizeLinear = defineOp({
  name: "DequantizeLinear",
  since: 23,
  carries: true,
  inputs: ["x", "x_scale", "x_zero_point?"],
  outputs: ["y"],
  attributes: { axis: int(1), block_size: int(0), output_dtype: int(0) },
  shape({ x, x_scale, x_zero_point }, { axis, block_size, output_dtype }) {
    if (output_dtype !== 0)
      fail("unsupported", `its output_dtype ${output_dtype} is not known, only that of its scale`);
    return check(x, x_scale, x_zero_point, axis, block_size);
  },
  dtype: ({ x_scale }) => x_scale.dtype,
  gradient(g, dy, { x, x_scale, x_zero_point }, { axis }) {
    return {
      x: () => g.Mul(dy, along(g, x_scale, x, axis)),
      x_scale: () => {
        const q = g.Cast(x, { to: 1 });
        const steps = x_zero_point ? g.Sub(q, along(g, x_zero_point, x, axis)) : q;
        return toScale(g, g.Mul(dy, steps), x_scale, axis);
      },
    };
  },
  channels: (c, { x, x_scale, x_zero_point }, [y], { axis }) => couple(c, x, y!, axis, x_scale, x_zero_point),
  quantisedBy: ["x_scale", "x_zero_point"],
  dequantised: ({ x, x_scale, x_zero_point }, { axis }) => dequantised(x, x_scale, x_zero_point, axis),
  zero: ({ x_zero_point }) => (zeroIsZero(x_zero_point) ? "any" : "all"),
  unrounded(g, { x, x_scale, x_zero_point }, { axis }) {
    const steps = g.Cast(x, { to: 1 });
    return [g.Mul(x_zero_point ? g.Sub(steps, along(g, x_zero_point, x, axis)) : steps, along(g, x_scale, x, axis))];
  },
  samples: [
    { inputs: [tensor("int8", [2, 3], [1, -2, 127, -128, 0, 5]), [], tensor("int8", [], [3])] },
    { inputs: [tensor("uint8", [2, 3, 1], [1, 20, 255, 0, 128, 5]), [3], tensor("uint8", [3], [3, 128, 0])] },
    { inputs: [tensor("int32", [3], [1000, -70000, 5]), [3], null], attributes: { axis: 0 } },
    { inputs: [tensor("int8", [2, 2], [1, -5, 7, 4]), [2], tensor("int8", [2], [0, 0])], attributes: { axis: -1 } },
    { inputs: [tensor("int16", [2, 1], [1000, -300]), [1], null] },
  ],
});
