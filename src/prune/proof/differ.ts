/** How far two tensors are apart. */

import { toNumbers, type Tensor } from "../../graph/tensor.ts";
import { widenTensor } from "../../passes/widen.ts";

/** How far two tensors of one shape are apart. */
export interface Difference {
  readonly largest: number;
  /** The largest as a share of the largest magnitude of the first. */
  readonly difference: number;
  readonly elements: number;
  /** Elements that are the same and not finite, which shows nothing. */
  readonly notFinite: number;
}

/** Tensors of different shapes are infinitely far apart. */
export function differ(a: Tensor, b: Tensor): Difference {
  const [x, y] = [a, b].map(numbersOf) as [ArrayLike<number>, ArrayLike<number>];
  const apart = Number.POSITIVE_INFINITY;
  const sameShape = a.shape.length === b.shape.length && a.shape.every((dim, i) => dim === b.shape[i]);
  if (!sameShape) return { largest: apart, difference: apart, elements: x.length, notFinite: 0 };
  let [range, largest, notFinite] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const value = x[i]!;
    if (Number.isFinite(value)) {
      range = Math.max(range, Math.abs(value));
      const difference = Math.abs(value - y[i]!);
      // Not a number is farther than any.
      largest = difference <= largest ? largest : Number.isNaN(difference) ? apart : difference;
    } else if (Object.is(value, y[i])) notFinite++;
    else largest = apart;
  }
  const difference = largest === 0 ? 0 : largest / Math.max(range, 1e-30);
  return { largest, difference, elements: x.length, notFinite };
}

const numbersOf = (value: Tensor): ArrayLike<number> =>
  value.dtype === "float32" ? (value.data as Float32Array) : toNumbers(widenTensor(value));
