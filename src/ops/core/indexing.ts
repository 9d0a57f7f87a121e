/** Small helpers on axes, sizes and constants that operators of shapes share. */

import { fail } from "../../graph/error.ts";
import { isFloat, toNumbers, type Shape } from "../../graph/tensor.ts";
import type { Channels } from "./channels.ts";
import type { Value } from "./define.ts";
import type { Emit } from "./emit.ts";

/** An axis counted from the front. */
export function positive(axis: number, rank: number): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank)
    fail("bad-model", `a value of ${rank} axes has no axis ${axis}`);
  return axis < 0 ? axis + rank : axis;
}
/** An index along an axis of `dim` elements, counted from the front. */
export function indexIn(index: number, dim: number): number {
  if (!Number.isInteger(index) || index < -dim || index >= dim)
    fail("bad-model", `an axis of ${dim} elements has no element ${index}`);
  return index < 0 ? index + dim : index;
}
/** The elements of an input that must be a constant. */
export const numbers = (value: Value): number[] =>
  value.constant
    ? toNumbers(value.constant)
    : fail("unsupported", `its input "${value.name}" is computed from data, not from sizes`);
/** The elements of an input that must be a constant of whole numbers: sizes, axes, indices. */
export function integers(value: Value): number[] {
  const list = numbers(value);
  if (isFloat(value.dtype)) fail("bad-model", `its input "${value.name}" is ${value.dtype}, and must be whole numbers`);
  return list;
}
/** Refuses inputs that the specification wants of one element type. */
export function checkSameType(first: Value, ...others: readonly (Value | undefined)[]): void {
  const other = others.find((value) => value !== undefined && value.dtype !== first.dtype);
  if (other)
    fail("bad-model", `"${first.name}" is ${first.dtype} and "${other.name}" ${other.dtype}, which must be the same`);
}

/** The transpose of gathering along an axis: what was taken is added where it came from. */
export function scatterBack(g: Emit, dy: Value, indices: Value, shape: Shape, at: number): Value {
  const rank = indices.shape.length;
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
  // With the gathered axis in front, rows are added where they came from.
  const rows = g.transposed(dy, [...range(at, at + rank), ...range(0, at), ...range(at + rank, dy.shape.length)]);
  const flat = g.zeros([shape[at]!, ...shape.toSpliced(at, 1)], indices);
  const added = g.ScatterND(flat, g.reshaped(indices, [...indices.shape, 1]), rows, { reduction: "add" });
  return g.transposed(added, [...range(1, at + 1), 0, ...range(at + 1, shape.length)]);
}

/** Axes of the same position, but for some. */
export function coupleOthers(c: Channels, x: Value, y: Value, except: readonly number[]): void {
  x.shape.forEach((_, i) => !except.includes(i) && c.same(c.axis(x, i), c.axis(y, i)));
}
