/** The form in which rules write graphs: `g.Gemm(A, B, { transB: 1 })`. */

import type { NumericDType, Shape, Tensor } from "../../graph/tensor.ts";
import type { Value } from "./facts.ts";
import type { OpName } from "./names.ts";

export type EmitAttributes = Readonly<Record<string, unknown>> & {
  readonly name?: never;
  readonly shape?: never | Shape;
};

/** Inputs in order (`undefined` leaves an optional one out), then attributes. */
export type EmitOne = (...inputs: readonly (Value | undefined | EmitAttributes)[]) => Value;

export interface EmitHelpers {
  /** As `g.Split(...)`, for a node with several outputs. */
  many(
    op: OpName,
    inputs: readonly (Value | undefined)[],
    attributes: Readonly<Record<string, unknown>>,
    outputs: number,
  ): readonly Value[];
  /** A node outside of the standard, with one output in the given shape and of the first input's type. */
  foreign(
    domain: string,
    op: string,
    inputs: readonly Value[],
    attributes: Readonly<Record<string, number | readonly number[]>>,
    shape: Shape,
  ): Value;
  /** A constant. */
  constant(tensor: Tensor): Value;
  /** A scalar constant of the element type of `like` (default float32). */
  scalar(value: number, like?: Value): Value;
  /** A one-dimensional int64 constant. */
  ints(values: readonly number[]): Value;
  /** A constant filled with one number. */
  filled(value: number, shape: Shape, dtype?: NumericDType): Value;
  /**
   * Zeros in a shape. Many of them a run makes itself: as a constant they would lie in the file, in the
   * session, and in a copy of every run.
   *
   * @param beside any value of integers that is not known before the run: what follows from constants
   * alone the runtime computes as it loads
   */
  zeros(shape: Shape, beside: Value): Value;
  /** The value in a shape; nothing is emitted where it has it already. */
  reshaped(value: Value, shape: Shape): Value;
  /** The value with its axes in another order; nothing is emitted for the identity. */
  transposed(value: Value, perm: readonly number[]): Value;
  /** The value summed over axes; nothing is emitted for none. */
  summed(value: Value, axes: readonly number[], keepdims?: boolean): Value;
  /** The values in one, side by side along an axis; nothing is emitted for one. */
  joined(values: readonly Value[], axis: number): Value;
  /** The value cut along an axis into pieces of one index each; nothing is emitted for one. */
  pieces(value: Value, axis: number): readonly Value[];
  /** The value summed to a shape that it was broadcast from. */
  unbroadcast(value: Value, shape: Shape): Value;
  /** The value broadcast to a shape. */
  expanded(value: Value, shape: Shape): Value;
  /** The value with zeros before and after each axis; negative amounts crop. Nothing is emitted for none. */
  padded(value: Value, before: readonly number[], after: readonly number[]): Value;
  /** A slice along some axes. `steps` defaults to 1. */
  sliced(
    value: Value,
    axes: readonly number[],
    starts: readonly number[],
    ends: readonly number[],
    steps?: readonly number[],
  ): Value;
}

/** Emits one node for every operator of the standard, typed by its name. */
export type Emit = { readonly [Name in OpName]: EmitOne } & EmitHelpers;
