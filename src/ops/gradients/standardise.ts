/** What normalisations to mean 0 and variance 1 have in common. */

import type { Value } from "../core/define.ts";
import type { Emit } from "../core/emit.ts";

/** A vector over channels, shaped so that it broadcasts over [N, C, ...]. */
export const perChannel = (g: Emit, v: Value, rank: number): Value =>
  g.reshaped(v, [v.shape[0]!, ...Array.from({ length: rank - 2 }, () => 1)]);

/** All axes but that of the channels. */
export const allButChannel = (x: Value): number[] => x.shape.flatMap((_, i) => (i === 1 ? [] : [i]));

export interface Standard {
  /** (X - mean) · inverse */
  readonly unit: Value;
  /** 1 / √(variance + epsilon) over the axes, which stay with size 1. */
  readonly inverse: Value;
}

/** The mean over axes, which stay with size 1. */
export const meanOver = (g: Emit, x: Value, axes: readonly number[]): Value =>
  g.ReduceMean(x, g.ints(axes), { keepdims: 1 });

/** X standardised over axes. The variance is that of what is centred, so that a large mean costs no digits. */
export function standardise(g: Emit, x: Value, axes: readonly number[], epsilon: number): Standard {
  const centred = g.Sub(x, meanOver(g, x, axes));
  const variance = meanOver(g, g.Mul(centred, centred), axes);
  const inverse = g.Reciprocal(g.Sqrt(g.Add(variance, g.scalar(epsilon, x))));
  return { unit: g.Mul(centred, inverse), inverse };
}

/** dX of X̂ = standardise(X), from d = dX̂: inverse · (d - mean(d) - X̂ · mean(d · X̂)) */
export function standardiseGradient(g: Emit, d: Value, { unit, inverse }: Standard, axes: readonly number[]): Value {
  const along = g.Mul(unit, meanOver(g, g.Mul(d, unit), axes));
  return g.Mul(inverse, g.Sub(g.Sub(d, meanOver(g, d, axes)), along));
}
