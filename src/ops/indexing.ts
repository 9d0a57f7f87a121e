/** Small helpers on axes, sizes and constants that operators of shapes share. */

import { fail } from "../graph/error.ts";
import { toNumbers } from "../graph/tensor.ts";
import type { Channels } from "./channels.ts";
import type { Value } from "./define.ts";

/** An axis counted from the front. */
export const positive = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);
/** The elements of an input that must be a constant. */
export const numbers = (value: Value): number[] =>
  value.constant
    ? toNumbers(value.constant)
    : fail("unsupported", `its input "${value.name}" is computed from data, not from sizes`);

/** Axes of the same position, but for some. */
export function coupleOthers(c: Channels, x: Value, y: Value, except: readonly number[]): void {
  x.shape.forEach((_, i) => !except.includes(i) && c.same(c.axis(x, i), c.axis(y, i)));
}
