/** Slices of a minibatch, and what was found of several slices made one. */

import { zeros, type NumericDType, type Tensor, type TypedArray } from "../graph/tensor.ts";
import type { Tensors } from "../runtime/port.ts";
import type { EvidenceOutput, PassNeed } from "../objective/evidence.ts";

/** What a slice cannot tell: the square of a sum over all samples is no sum over slices. */
export const wholeBatchNeeds = new Set<PassNeed>(["weights"]);

/** Rows of samples stand one after the other; all else is a mean over samples, or linear in gradients that are. */
export function joinEvidence({ need, output }: EvidenceOutput, found: readonly Tensors[]): Tensor {
  const values = found.map((results) => results[output]!);
  if (need !== "gates") return meanOf(values);
  const { dtype, shape } = values[0]!;
  const data = new Float32Array(values.reduce((n, value) => n + value.data.length, 0));
  let at = 0;
  for (const value of values) {
    data.set(value.data as Float32Array, at);
    at += value.data.length;
  }
  return { dtype, shape: [shape[0]! * values.length, ...shape.slice(1)], data };
}

export function meanOf(values: readonly Tensor[]): Tensor {
  const { dtype, shape } = values[0]!;
  const mean = zeros(dtype as NumericDType, shape);
  const data = mean.data as Float32Array;
  for (const value of values) (value.data as Float32Array).forEach((x, i) => (data[i]! += x / values.length));
  return mean;
}

/** The samples of one slice of a batch. */
export function sliceOf(value: Tensor, index: number, count: number): Tensor {
  if (count === 1) return value;
  const rows = value.shape[0]! / count;
  const each = value.data.length / count;
  const data = (value.data as TypedArray).subarray(index * each, (index + 1) * each);
  return { dtype: value.dtype, shape: [rows, ...value.shape.slice(1)], data };
}
