/** What a `channels` rule can say: which atoms of which axes are removed together. */

import type { Value } from "./facts.ts";

/**
 * An axis seen as a list of units of `block` atoms each; atoms are numbered over the whole graph.
 * `slice` and `blocks` regroup without copying what they need not.
 */
export interface Axis {
  /** Atoms, unit by unit: unit i is `atoms[i * block .. (i + 1) * block)`. */
  readonly atoms: Int32Array;
  readonly block: number;
  /** The number of units. */
  readonly length: number;
  /** Units `from .. from + count`. */
  slice(from: number, count: number): Axis;
  /** The same atoms in units of `size` neighbours each. */
  blocks(size: number): Axis;
  /**
   * The same atoms in `size` units by one digit of their index, where the index is written (outer, digit, inner) with
   * `inner` values of the last: unit j holds the atoms (o · size + j) · inner + i for all o and i.
   */
  digit(size: number, inner: number): Axis;
  /** The units at the given positions, in that order. */
  pick(positions: readonly number[]): Axis;
}

/** Axes that go together unit by unit; with the reason, last, where removing them so is not what zeroing them does. */
export type Together = readonly [one: Axis, other: Axis, ...more: readonly (Axis | string)[]];

export const axesOf = (together: Together): readonly Axis[] => together.filter((one) => typeof one !== "string");

export const reasonOf = (together: Together): string | undefined => together.find((one) => typeof one === "string");

export interface Channels {
  /** An axis of a value (negative counts from the end), one atom a unit; it counts as spoken of. */
  axis(value: Value, axis: number): Axis;
  /** Unites unit by unit; all must have equally many units. */
  same(...axes: readonly Axis[]): void;
  /**
   * The axes of any one of the lists go together while every other axis named in them stays whole. So it is where one
   * axis is written as several. Of (heads, width) whole heads can go, or the same places of every head, and both after
   * one another, but no single place of one head.
   */
  either(lists: readonly Together[]): void;
  /** Says that these atoms can never be removed, and why. */
  freeze(axis: Axis, reason: string): void;
  /** Says that removing these atoms is possible but is not what zeroing them does, and why. */
  inexact(axis: Axis, reason: string): void;
}
