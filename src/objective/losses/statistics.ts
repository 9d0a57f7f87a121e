/** What losses need of the numbers of a target to know how well a constant answer can do. */

import { sizeOf, toNumbers, type Tensor } from "../../graph/tensor.ts";

export const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** The mean square of what numbers are above or below the mean of all. */
export function varianceOf(values: readonly number[]): number {
  const mean = meanOf(values);
  return meanOf(values.map((value) => (value - mean) ** 2));
}

/** -Σ p log p of probabilities. */
export const entropyOf = (shares: readonly number[]): number =>
  shares.reduce((sum, p) => (p > 0 ? sum - p * Math.log(p) : sum), 0);

/** The vectors that lie along an axis of a tensor, place by place. */
export function vectorsOf(value: Tensor, axis: number): number[][] {
  const { shape } = value;
  const values = toNumbers(value);
  const length = shape[axis]!;
  const inner = sizeOf(shape.slice(axis + 1));
  return Array.from({ length: values.length / length }, (_, place) => {
    const start = Math.floor(place / inner) * length * inner + (place % inner);
    return Array.from({ length }, (__, i) => values[start + i * inner]!);
  });
}

/** Steps of the search over a range: enough for losses whose least values lie apart by a hundredth of it. */
const steps = 200;
const golden = (Math.sqrt(5) - 1) / 2;

/** The least value of a function on a range: the best of a grid, and from there by sections (Kiefer 1953). */
export function leastOver(of: (x: number) => number, low: number, high: number): number {
  const width = (high - low) / steps;
  const grid = Array.from({ length: steps + 1 }, (_, i) => low + i * width);
  const best = grid.reduce((a, b) => (of(b) < of(a) ? b : a));
  let [left, right] = [Math.max(low, best - width), Math.min(high, best + width)];
  for (let i = 0; i < 60; i++) {
    const part = golden * (right - left);
    if (of(right - part) < of(left + part)) right = left + part;
    else left = right - part;
  }
  return of((left + right) / 2);
}
