/** What stays of the axes of weights after one removal or several. */

import { isZeroAt, spread, take, type Tensor } from "../../graph/tensor.ts";
import type { Cut } from "./cut.ts";

/** What stays and what has gone along an axis. */
export interface Axis {
  /** Indices that there were. */
  readonly size: number;
  /** Those that stay, ascending. */
  readonly remaining: readonly number[];
  /** Those that have gone. */
  readonly gone: readonly number[];
  /** Those of them that the last cut took. */
  readonly last: readonly number[];
}

/** The axes along which something has gone. */
export type Axes = ReadonlyMap<number, Axis>;
/** By name, in the numbering of before some cuts, each of what the one before left; of what has lost nothing there are none. */
export type AxesOf = (name: string) => Axes;

const none: Axes = new Map();
/** Before any cut. */
export const noAxes: AxesOf = () => none;

/** After another cut, which is not held: it has a graph with weights. */
export function axesAfter(before: AxesOf, cut: Pick<Cut, "remaining">, names: Iterable<string>): AxesOf {
  const found = new Map<string, Axes>();
  for (const name of names) {
    const all = new Map([...before(name)].map(([axis, one]) => [axis, { ...one, last: [] as readonly number[] }]));
    for (const [axis, { size, indices }] of cut.remaining(name)) all.set(axis, shorter(all.get(axis), size, indices));
    if (all.size > 0) found.set(name, all);
  }
  return (name) => found.get(name) ?? none;
}

/** An axis of which some of what stayed stays. */
function shorter(before: Axis | undefined, size: number, indices: readonly number[]): Axis {
  const at = (index: number): number => before?.remaining[index] ?? index;
  const last: number[] = [];
  let next = 0;
  for (let index = 0; index < size; index++)
    if (indices[next] === index) next++;
    else last.push(at(index));
  return { size: before?.size ?? size, remaining: indices.map(at), gone: [...(before?.gone ?? []), ...last], last };
}

/** What stays of a tensor. */
export const shrunk = (axes: Axes, whole: Tensor): Tensor =>
  [...axes].reduce((rest, [axis, { remaining }]) => take(rest, axis, remaining), whole);

/** A tensor as it was, with zeros along what has gone. */
export const grown = (axes: Axes, small: Tensor): Tensor =>
  [...axes].reduce((rest, [axis, { size, remaining }]) => spread(rest, axis, size, remaining), small);

/** Whether a tensor is zero along what has gone. */
export const isClear = (axes: Axes, whole: Tensor): boolean =>
  [...axes].every(([axis, { gone }]) => isZeroAt(whole, axis, gone));
