/** What stays of the axes of weights after one removal or several. */

import { isZeroAt, spread, take, type Tensor } from "../graph/tensor.ts";
import type { Cut, Stays } from "./cut.ts";

/** By name, and by axis where something goes. */
export type StaysOf = (name: string) => ReadonlyMap<number, Stays>;

/** What stays after cuts, each of what the one before left, in the numbering of before them all. */
export function staysAfter(cuts: readonly Pick<Cut, "stays">[]): StaysOf {
  const known = new Map<string, ReadonlyMap<number, Stays>>();
  return (name) => {
    const found = known.get(name);
    if (found) return found;
    const all = new Map<number, Stays>();
    for (const { stays } of cuts)
      for (const [axis, next] of stays(name)) {
        const before = all.get(axis);
        all.set(
          axis,
          before ? { size: before.size, indices: next.indices.map((index) => before.indices[index]!) } : next,
        );
      }
    known.set(name, all);
    return all;
  };
}

/** What stays of a tensor. */
export const shrunk = (stays: ReadonlyMap<number, Stays>, whole: Tensor): Tensor =>
  [...stays].reduce((rest, [axis, { indices }]) => take(rest, axis, indices), whole);

/** A tensor as it was, with zeros along what has gone. */
export const grown = (stays: ReadonlyMap<number, Stays>, small: Tensor): Tensor =>
  [...stays].reduce((rest, [axis, { size, indices }]) => spread(rest, axis, size, indices), small);

/** The indices that have gone. */
export function goneOf({ size, indices }: Stays): number[] {
  const left = new Set(indices);
  return Array.from({ length: size }, (_, i) => i).filter((i) => !left.has(i));
}

/** Whether a tensor is zero along what has gone. */
export const isClear = (stays: ReadonlyMap<number, Stays>, whole: Tensor): boolean =>
  [...stays].every(([axis, one]) => isZeroAt(whole, axis, goneOf(one)));
