/** The learning rate for a model, its data and its optimiser, found by a short trial on a copy. */

import type { Dataset } from "../data/batches.ts";
import type { Graph } from "../graph/graph.ts";
import type { Runtime } from "../runtime/port.ts";
import { defaultSgd, type OptimiserOptions } from "../options/learning.ts";
import { openTrainer } from "./trainer.ts";
import { beginTrial, type Trial, type TrialOptions } from "./rate-trial.ts";

export interface RateOptions extends TrialOptions {
  /** Minibatches of the run that the rate is for, where known: a short run has a short trial. */
  readonly steps?: number | undefined;
  /** Whether the rate falls from there to next to nothing, as in fine-tuning; default not. */
  readonly falls?: boolean | undefined;
  /** No rate above this share of the optimiser's highest is tried; default 1. */
  readonly share?: number | undefined;
  /** What the rate is multiplied by where that does no harm either; default 1. */
  readonly times?: number | undefined;
}

export interface FoundRate {
  readonly learningRate: number;
  /** Where the trial was asked for a rate times something: what it was multiplied by in the end. */
  readonly times?: number | undefined;
  /** That the trial learned from, all its tries together. */
  readonly minibatches: number;
}

/** Minibatches of each try: the least, the most, and the share of the run. */
const [fewest, most, ofRun] = [8, 24, 1 / 20];
/**
 * Rates of SGD with its momentum of 0.9 are rarely higher; Adam's steps are as long as the rate whatever the gradient.
 */
const highest = { sgd: 0.1, adamw: 0.003 } as const;
/**
 * A rate is so far below the one at which the loss turns up: with momentum a step counts for so many, and so it
 * does in Adam's average of gradients.
 */
const adamMargin = 10;
/** A rate that does harm is lowered so often at most. */
const mostLowered = 6;
/** Of a rate that was multiplied. */
const digits = 3;

const marginOf = (optimiser: OptimiserOptions): number =>
  optimiser.kind === "adamw"
    ? adamMargin
    : Math.max(3, 1 / (1 - Math.min(0.99, optimiser.momentum ?? defaultSgd.momentum)));

/** The highest rate of 1, 2 or 5 times a power of ten that is not above. */
export function roundedDown(rate: number): number {
  const exponent = Math.floor(Math.log10(rate) + 1e-9);
  const digit = [5, 2, 1].find((one) => one * 10 ** exponent <= rate * (1 + 1e-9)) ?? 1;
  return Number(`${digit}e${exponent}`);
}

/** What to try where a rate did harm. */
export const lowerThan = (rate: number): number => roundedDown(Math.min(rate / 4, highest.sgd));

/**
 * Finds a rate. The loss of some minibatches is taken before anything is learned. On the same minibatches, while the
 * rate rises from next to nothing, it is seen at which rate the loss turns up. A rate well below is tried from the
 * start, and lowered until it does no harm and a lower one learns no more. All losses are compared minibatch by
 * minibatch, so that easy and hard ones make no difference.
 *
 * Steps in units of each weight's size need no such search, as their rates mean the same for any weight. Where the rate
 * falls in the run, it is the highest that does no harm: what lowers the loss most in a few minibatches is far below
 * what lowers it most in the end (Wu et al. 2018, "Understanding Short-Horizon Bias in Stochastic Meta-Optimization").
 *
 * A rate that is to be multiplied is tried again, and multiplied by half as much where it does harm, down to what was
 * found. So it is never above what the trial has borne.
 *
 * @param graph the model with an open batch; it stays as it is
 * @throws SecateurError `not-finite` where the loss is not a number before anything is
 * learned, `bad-data` as {@link Trainer.step}
 */
export async function findRate(
  runtime: Runtime,
  graph: Graph,
  dataset: Dataset,
  options: RateOptions,
): Promise<FoundRate> {
  const { step, falls, share = 1, steps = Infinity, times = 1 } = options;
  const { optimiser = { kind: "sgd" } } = step;
  const count = Math.round(Math.min(most, Math.max(fewest, steps * ofRun)));
  const mostTries = mostLowered + 3 + Math.ceil(Math.log2(Math.max(1, times)));
  const ceiling = highest[optimiser.kind] * share;
  await using trainer = await openTrainer(runtime, graph, step);
  const trial = await beginTrial(runtime, graph, trainer, dataset, options, [count, mostTries]);
  if (falls && optimiser.kind === "adamw" && optimiser.relative) {
    const learningRate = await highestHarmless(trial, ceiling);
    return { learningRate, minibatches: trial.minibatches };
  }
  const learningRate = await belowEdge(trial, ceiling, marginOf(optimiser));
  if (times <= 1) return { learningRate, minibatches: trial.minibatches };
  return { ...(await raised(trial, learningRate, times)), minibatches: trial.minibatches };
}

async function highestHarmless(trial: Trial, ceiling: number): Promise<number> {
  let rate = roundedDown(ceiling);
  for (let lowered = 0; lowered < mostLowered && trial.isHarmful(await trial.harmOf(rate)); lowered++)
    rate = roundedDown(rate / 2);
  return rate;
}

/** A rate below that at which the loss turns up, which does no harm, and of which a lower one learns no more. */
async function belowEdge(trial: Trial, ceiling: number, margin: number): Promise<number> {
  let rate = roundedDown(Math.min(ceiling, (await trial.edge()) / margin));
  let harm = await trial.harmOf(rate);
  for (let lowered = 0; lowered < mostLowered; lowered++) {
    const lower = roundedDown(rate / 2.5);
    const other = await trial.harmOf(lower);
    // What does no harm may still learn less than a lower rate does: on images that it
    // has not seen the model is then worse.
    if (!trial.isHarmful(harm) && !trial.isLess(other, harm)) break;
    [rate, harm] = [lower, other];
  }
  return rate;
}

/** A rate times something, or times half of it and so on where that does harm. */
async function raised(trial: Trial, rate: number, most: number): Promise<Pick<FoundRate, "learningRate" | "times">> {
  for (let times = most; times > 1; times /= 2) {
    const learningRate = Number((rate * times).toPrecision(digits));
    if (!trial.isHarmful(await trial.harmOf(learningRate))) return { learningRate, times };
  }
  return { learningRate: rate, times: 1 };
}
