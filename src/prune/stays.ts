/** What stays of the axes of weights after one removal or several. */

import { isZeroAt, spread, take, type Tensor } from "../graph/tensor.ts";
import type { Cut } from "./cut.ts";

/** What stays and what has gone along an axis. */
export interface Axis {
  /** Indices that there were. */
  readonly size: number;
  /** Those that stay, ascending. */
  readonly stays: readonly number[];
  /** Those that have gone, ascending. */
  readonly gone: readonly number[];
}

/** The axes along which something has gone. */
export type Axes = ReadonlyMap<number, Axis>;

/** By name, in the numbering of before some cuts, each of what the one before left. */
export function axesAfter(cuts: readonly Pick<Cut, "stays">[]): (name: string) => Axes {
  const known = new Map<string, Axes>();
  return (name) => {
    const found = known.get(name);
    if (found) return found;
    const all = new Map<number, Axis>();
    for (const cut of cuts)
      for (const [axis, { size, indices }] of cut.stays(name)) {
        const before = all.get(axis);
        const stays = before ? indices.map((index) => before.stays[index]!) : indices;
        all.set(axis, axisOf(before?.size ?? size, stays));
      }
    known.set(name, all);
    return all;
  };
}

function axisOf(size: number, stays: readonly number[]): Axis {
  const gone: number[] = [];
  let next = 0;
  for (let index = 0; index < size; index++)
    if (stays[next] === index) next++;
    else gone.push(index);
  return { size, stays, gone };
}

/** What stays of a tensor. */
export const shrunk = (axes: Axes, whole: Tensor): Tensor =>
  [...axes].reduce((rest, [axis, { stays }]) => take(rest, axis, stays), whole);

/** A tensor as it was, with zeros along what has gone. */
export const grown = (axes: Axes, small: Tensor): Tensor =>
  [...axes].reduce((rest, [axis, { size, stays }]) => spread(rest, axis, size, stays), small);

/** Whether a tensor is zero along what has gone. */
export const isClear = (axes: Axes, whole: Tensor): boolean =>
  [...axes].every(([axis, { gone }]) => isZeroAt(whole, axis, gone));
