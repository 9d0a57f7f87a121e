/** Boxes: their corners, and how far two of them overlap. */

import { toNumbers, type Tensor } from "../../graph/tensor.ts";

/** Left, top, right, bottom. */
export type Box = readonly [number, number, number, number];

/** How four numbers say a box: both corners, the centre and the size, or the first corner and the size. */
export type BoxForm = "corners" | "centre" | "size";

const corners: Readonly<Record<BoxForm, (a: number, b: number, c: number, d: number) => Box>> = {
  corners: (a, b, c, d) => [a, b, c, d],
  centre: (x, y, w, h) => [x - w / 2, y - h / 2, x + w / 2, y + h / 2],
  size: (x, y, w, h) => [x, y, x + w, y + h],
};

/** @param value [..., 4] */
export function boxesOf(value: Tensor, form: BoxForm): Box[] {
  const numbers = toNumbers(value);
  return Array.from({ length: numbers.length / 4 }, (_, i) =>
    corners[form](numbers[4 * i]!, numbers[4 * i + 1]!, numbers[4 * i + 2]!, numbers[4 * i + 3]!),
  );
}

const areaOf = ([left, top, right, bottom]: Box): number => Math.max(0, right - left) * Math.max(0, bottom - top);

/** The area that two boxes share, as a part of what they cover together. */
export function overlapOf(a: Box, b: Box): number {
  const shared = areaOf([Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])]);
  return shared === 0 ? 0 : shared / (areaOf(a) + areaOf(b) - shared);
}
