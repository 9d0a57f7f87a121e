/** Optimiser steps as graphs: from a weight, its gradient and what is kept of them to the next of each. */

import {
  defaultAdamw,
  defaultSgd,
  type AdamwOptions,
  type LearningOptions,
  type OptimiserOptions,
  type SgdOptions,
} from "../options/learning.ts";
import { sizeOf } from "../graph/tensor.ts";
import type { Value } from "../ops/core/define.ts";
import type { Emit } from "../ops/core/emit.ts";

/** A parameter at a step. */
export interface Parameter {
  readonly weight: Value;
  readonly gradient: Value;
  /** In the order in which the optimiser names them. */
  readonly optimiserState: readonly Value[];
}

/** What all parameters share at a step. */
export interface Clock {
  /** The learning rate. */
  readonly rate: Value;
  /** One of {@link numbersAt}. */
  readonly number: (name: string) => Value;
}

/** What is learned by, as far as the number of the step counts in it. */
export type Counting = Pick<LearningOptions, "optimiser" | "ema">;

const [towardsMean, towardsRoot, newShare] = ["adamw/mean", "adamw/root", "average/share"] as const;

/**
 * What follows from the number t of a step from 1 on, by the names of the inputs that take it. It is computed here, as
 * powers of numbers near 1 need float64, of which the runtime's build for WebGPU has no kernels.
 */
export function numbersAt(t: number, { optimiser, ema }: Counting): Readonly<Record<string, number>> {
  const [beta1, beta2] = (optimiser?.kind === "adamw" ? optimiser.betas : undefined) ?? defaultAdamw.betas;
  return {
    ...(optimiser?.kind === "adamw" && { [towardsMean]: 1 - beta1 ** t, [towardsRoot]: Math.sqrt(1 - beta2 ** t) }),
    ...(ema !== undefined && { [newShare]: 1 - Math.min(ema, (1 + t) / (10 + t)) }),
  };
}

export interface Optimiser {
  /** Names of what is kept of each parameter from step to step, in its shape; all 0 before the first. */
  readonly optimiserState: readonly string[];
  /** The weight and the optimiser state that follows. */
  update(g: Emit, parameter: Parameter, clock: Clock): Omit<Parameter, "gradient">;
}

export function createOptimiser(options: OptimiserOptions): Optimiser {
  const { optimiserState, update } =
    options.kind === "sgd" ? sgd({ ...defaultSgd, ...options }) : adamw({ ...defaultAdamw, ...options });
  return {
    optimiserState,
    update(g, parameter, clock) {
      const { shape } = parameter.weight;
      const next = update(
        g,
        {
          weight: row(g, parameter.weight),
          gradient: row(g, parameter.gradient),
          optimiserState: parameter.optimiserState.map((state) => row(g, state)),
        },
        clock,
        shape.length > 1,
      );
      return {
        weight: g.reshaped(next.weight, shape),
        optimiserState: next.optimiserState.map((state) => g.reshaped(state, shape)),
      };
    },
  };
}

/**
 * As one row: runtimes multiply by a scalar element by element where trailing axes
 * have length 1, as kernels of 1x1 have.
 */
const row = (g: Emit, value: Value): Value => g.reshaped(value, [sizeOf(value.shape)]);

interface Rule {
  readonly optimiserState: readonly string[];
  readonly update: (g: Emit, parameter: Parameter, clock: Clock, decays: boolean) => ReturnType<Optimiser["update"]>;
}

/**
 * SGD with momentum as PyTorch defines it: v' = momentum v + (g + decay w); w' = w - rate v', or w -
 * rate (g + momentum v') with Nesterov's.
 */
const sgd = ({ momentum, weightDecay, nesterov }: SgdOptions): Rule => ({
  optimiserState: ["velocity"],
  update(g, { weight, gradient, optimiserState: [velocity] }, { rate }, decays) {
    const decayed = weightDecay > 0 && decays ? g.Add(gradient, g.Mul(weight, g.scalar(weightDecay))) : gradient;
    const next = g.Add(g.Mul(velocity, g.scalar(momentum)), decayed);
    const step = nesterov ? g.Add(decayed, g.Mul(next, g.scalar(momentum))) : next;
    return { weight: g.Sub(weight, g.Mul(step, rate)), optimiserState: [next] };
  },
});

/**
 * AdamW (Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization") as PyTorch defines it:
 *
 *     m' = β₁ m + (1 - β₁) g
 *     v' = β₂ v + (1 - β₂) g²
 *     w' = (1 - rate decay) w - rate (m' / (1 - β₁ᵗ)) / (√(v' / (1 - β₂ᵗ)) + ε)
 *
 * With relative steps the rate is multiplied by max(10⁻³, √mean(w²)), Adafactor's (Shazeer and Stern 2018, section 8).
 */
const adamw = ({ betas: [beta1, beta2], eps, weightDecay, relative }: AdamwOptions): Rule => ({
  optimiserState: ["momentum", "variance"],
  update(g, { weight, gradient, optimiserState: [m, v] }, { rate, number }, decays) {
    const towards = (old: Value | undefined, now: Value, beta: number): Value =>
      g.Add(g.Mul(old, g.scalar(beta)), g.Mul(now, g.scalar(1 - beta)));
    const momentum = towards(m, gradient, beta1);
    const variance = towards(v, g.Mul(gradient, gradient), beta2);
    const size = g.Div(rate, number(towardsMean));
    const divisor = g.Add(g.Div(g.Sqrt(variance), number(towardsRoot)), g.scalar(eps));
    const decayed =
      weightDecay > 0 && decays ? g.Mul(weight, g.Sub(g.scalar(1), g.Mul(rate, g.scalar(weightDecay)))) : weight;
    const own = relative ? g.Mul(size, sizeOfWeight(g, weight)) : size;
    return { weight: g.Sub(decayed, g.Mul(g.Div(momentum, divisor), own)), optimiserState: [momentum, variance] };
  },
});

/** √mean(w²), and no less than what lets a weight of zeros begin. */
const sizeOfWeight = (g: Emit, weight: Value): Value =>
  g.Max(g.Sqrt(g.ReduceMean(g.Mul(weight, weight), g.ints([0]), { keepdims: 0 })), g.scalar(1e-3));

/** g · min(1, clip / (‖g‖ + 10⁻⁶)) for all gradients, ‖g‖ the norm of them as one vector: PyTorch's clip_grad_norm_. */
export function clipGradients(
  g: Emit,
  gradients: ReadonlyMap<string, Value>,
  clip: number,
): ReadonlyMap<string, Value> {
  const squares = [...gradients.values()].map((gradient) =>
    g.ReduceSumSquare(row(g, gradient), g.ints([0]), { keepdims: 0 }),
  );
  const norm = g.Sqrt(g.Sum(...squares));
  const share = g.Min(g.scalar(1), g.Div(g.scalar(clip), g.Add(norm, g.scalar(1e-6))));
  return new Map(
    [...gradients].map(([name, gradient]) => [name, g.reshaped(g.Mul(row(g, gradient), share), gradient.shape)]),
  );
}

/**
 * The exponential moving average of a weight (Polyak and Juditsky 1992): a' = d a + (1 - d) w with d = min(decay, (1 +
 * t) / (10 + t)) at step t, so that the first weights are soon forgotten.
 */
export function moveAverage(g: Emit, average: Value, weight: Value, { number }: Clock): Value {
  const [a, w] = [row(g, average), row(g, weight)];
  return g.reshaped(g.Add(a, g.Mul(g.Sub(w, a), number(newShare))), weight.shape);
}
