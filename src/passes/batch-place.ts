/** Where the batch lies in the values of a graph: on an axis of its own, or folded into one with others. */

import { sizeOf, type Shape } from "../graph/tensor.ts";

/** An axis of outer × batch × inner, in this order: sample n has the indices (o · batch + n) · inner + i. */
export interface BatchPlace {
  readonly axis: number;
  readonly outer: number;
  readonly inner: number;
}

export const isSamePlace = (a: BatchPlace, b: BatchPlace): boolean =>
  a.axis === b.axis && a.outer === b.outer && a.inner === b.inner;

/** What the batch is multiplied by on its axis. */
export const ratioOf = ({ outer, inner }: BatchPlace): number => outer * inner;

/**
 * The places that a batch can have in one shape, when the elements lie in the same order in another.
 *
 * @returns those first in which the batch has an axis of its own, then those on the same axis
 * as before, then in the order of axes
 */
export function placesInOrder(from: Shape, place: BatchPlace, to: Shape, batch: number): BatchPlace[] {
  if (sizeOf(from) === 0) return [];
  const before = sizeOf(from.slice(0, place.axis)) * place.outer;
  const behind = place.inner * sizeOf(from.slice(place.axis + 1));
  const found = to.flatMap((size, axis): BatchPlace[] => {
    const outer = before / sizeOf(to.slice(0, axis));
    const inner = behind / sizeOf(to.slice(axis + 1));
    const fits = Number.isInteger(outer) && Number.isInteger(inner) && size === outer * batch * inner;
    return fits ? [{ axis, outer, inner }] : [];
  });
  const cost = (one: BatchPlace): number => (ratioOf(one) === 1 ? 0 : 2) + (one.axis === place.axis ? 0 : 1);
  return found.toSorted((a, b) => cost(a) - cost(b));
}

/** The indices of one sample along the axis of a place. */
export function indicesOf({ outer, inner }: BatchPlace, batch: number, sample: number): number[] {
  return Array.from({ length: outer }, (_, o) => o).flatMap((o) =>
    Array.from({ length: inner }, (_, i) => (o * batch + sample) * inner + i),
  );
}

/**
 * How the shape of a value grows with the batch.
 *
 * @param shapes at 1, 2, 3 ... times a batch
 * @returns the axis that grows as the batch does; `"same"` where none does, `undefined` where they grow otherwise
 */
export function growth(shapes: readonly Shape[], batch: number): { readonly axis: number } | "same" | undefined {
  const first = shapes[0]!;
  if (shapes.some((shape) => shape.length !== first.length)) return undefined;
  const axes = first.flatMap((size, axis) => (shapes.every((shape) => shape[axis] === size) ? [] : [axis]));
  if (axes.length === 0) return "same";
  const axis = axes[0]!;
  const grows = shapes.every((shape, k) => shape[axis] === first[axis]! * (k + 1));
  return axes.length === 1 && grows && first[axis]! % batch === 0 ? { axis } : undefined;
}
