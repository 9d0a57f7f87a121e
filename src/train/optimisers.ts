/** Optimiser steps as graphs: from a weight, its gradient and a state to the next of each. */

import { sizeOf } from "../graph/tensor.ts";
import type { Value } from "../ops/define.ts";
import type { Emit } from "../ops/emit.ts";

export interface SgdOptions {
  readonly momentum: number;
  /** Decay of weights of more than one axis; biases and normalisations are not decayed. */
  readonly weightDecay: number;
  readonly nesterov: boolean;
}

export const defaultSgd: SgdOptions = { momentum: 0.9, weightDecay: 1e-4, nesterov: true };

/**
 * SGD with momentum as PyTorch defines it: v' = momentum v + (g + decay w); w' = w - rate v', or w - rate (g + momentum v') with
 * Nesterov's.
 */
export function sgdStep(
  g: Emit,
  { momentum, weightDecay, nesterov }: SgdOptions,
  weight: Value,
  gradient: Value,
  velocity: Value,
  rate: Value,
): { weight: Value; velocity: Value } {
  // As one row: runtimes multiply by a scalar element by element where trailing axes have length 1, as kernels of 1x1 have.
  const row = (value: Value): Value => g.reshaped(value, [sizeOf(value.shape)]);
  const [w, d, v] = [row(weight), row(gradient), row(velocity)];
  const decayed = weightDecay > 0 && weight.shape.length > 1 ? g.Add(d, g.Mul(w, g.scalar(weightDecay))) : d;
  const next = g.Add(g.Mul(v, g.scalar(momentum)), decayed);
  const step = nesterov ? g.Add(decayed, g.Mul(next, g.scalar(momentum))) : next;
  return {
    weight: g.reshaped(g.Sub(w, g.Mul(step, rate)), weight.shape),
    velocity: g.reshaped(next, weight.shape),
  };
}
