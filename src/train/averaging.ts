/** One state of what several machines learned: means by samples, and a step of the weights towards them. */

import { fail } from "../graph/error.ts";
import { zeros, type NumericDType, type Tensor, type TypedArray } from "../graph/tensor.ts";
import type { OuterStep } from "./spread.ts";

/** What one of several has, and how much it counts. */
export interface Weighed<T> {
  readonly value: T;
  readonly samples: number;
}

/**
 * Σ samples · value / Σ samples, element by element, in float64. That of one is itself, bit for bit.
 *
 * @param parts tensors of one shape and one float type, at least one
 */
export function meanTensor(parts: readonly Weighed<Tensor>[]): Tensor {
  const [first] = parts as [Weighed<Tensor>];
  if (parts.length === 1) return first.value;
  const { dtype, shape } = first.value;
  if (dtype !== "float32" && dtype !== "float64") fail("internal", `there is no mean of ${dtype}`);
  const count = parts.reduce((sum, { samples }) => sum + samples, 0);
  const sums = new Float64Array((first.value.data as TypedArray).length);
  for (const { value, samples } of parts)
    (value.data as Float32Array).forEach((element, i) => (sums[i]! += element * samples));
  const mean = zeros(dtype as NumericDType, shape);
  sums.forEach((sum, i) => ((mean.data as Float32Array)[i] = sum / count));
  return mean;
}

/** The means of tensors that all have, by name. */
export function meanTensors(parts: readonly Weighed<ReadonlyMap<string, Tensor>>[]): Map<string, Tensor> {
  return new Map(
    [...parts[0]!.value.keys()].map((name) => [
      name,
      meanTensor(parts.map(({ value, samples }) => ({ value: value.get(name)!, samples }))),
    ]),
  );
}

/** A weight and the velocity of its outer steps; there is none where no momentum is kept. */
export interface Stepped {
  readonly weight: Tensor;
  readonly velocity: Tensor | undefined;
}

/**
 * The outer step of DiLoCo (Douillard et al. 2023, "DiLoCo: Distributed Low-Communication Training of Language Models",
 * arXiv 2311.08105, algorithm 1), with Nesterov's momentum as PyTorch's SGD has it:
 *
 *     Δ = w - mean;  v' = momentum v + Δ;  w' = w - rate (Δ + momentum v')
 *
 * With a rate of 1 and no momentum, w' is the mean itself.
 */
export function outerStep(
  weight: Tensor,
  mean: Tensor,
  velocity: Tensor | undefined,
  { outerRate = 1, outerMomentum = 0 }: OuterStep,
): Stepped {
  if (outerRate === 1 && outerMomentum === 0) return { weight: mean, velocity: undefined };
  const { dtype, shape } = mean;
  const next = zeros(dtype as NumericDType, shape);
  const moving = zeros(dtype as NumericDType, shape);
  const [w, m, v] = [weight, mean, velocity ?? moving].map(({ data }) => data as Float32Array) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  for (let i = 0; i < w.length; i++) {
    const delta = w[i]! - m[i]!;
    const fast = outerMomentum * v[i]! + delta;
    (next.data as Float32Array)[i] = w[i]! - outerRate * (delta + outerMomentum * fast);
    (moving.data as Float32Array)[i] = fast;
  }
  return { weight: next, velocity: outerMomentum === 0 ? undefined : moving };
}
