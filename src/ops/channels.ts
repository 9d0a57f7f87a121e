/** What a `channels` rule can say: which atoms of which axes are removed together. */

import type { Value } from "./define.ts";

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
  /** The same atoms in `count` units: unit j holds the atoms j, j + count, j + 2 count, ... */
  strided(count: number): Axis;
  /** The units at the given positions, in that order. */
  pick(positions: readonly number[]): Axis;
}

export interface Channels {
  /** An axis of a value (negative counts from the end), one atom a unit; it counts as spoken of. */
  axis(value: Value, axis: number): Axis;
  /** Unites unit by unit; all must have equally many units. */
  same(...axes: readonly Axis[]): void;
  /** Says that these atoms can never be removed, and why. */
  freeze(axis: Axis, reason: string): void;
}
