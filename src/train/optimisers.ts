/** Optimiser steps as graphs: from a weight, its gradient and a state to the next of each. */

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
  const decayed =
    weightDecay > 0 && weight.shape.length > 1 ? g.Add(gradient, g.Mul(weight, g.scalar(weightDecay))) : gradient;
  const next = g.Add(g.Mul(velocity, g.scalar(momentum)), decayed);
  const step = nesterov ? g.Add(decayed, g.Mul(next, g.scalar(momentum))) : next;
  return { weight: g.Sub(weight, g.Mul(step, rate)), velocity: next };
}
