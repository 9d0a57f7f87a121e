/** The learning rate for a model, its data and its optimiser, found by a short trial on a copy. */

import type { Batch, Dataset } from "../data/batches.ts";
import { checkClasses } from "../data/checks.ts";
import { classesIn } from "../objective/objective.ts";
import { SecateurError } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import type { Runtime } from "../runtime/port.ts";
import { defaultSgd, type OptimiserOptions } from "../options/learning.ts";
import type { StepOptions } from "./step.ts";
import { openStream, type StreamOptions } from "./stream.ts";
import type { TrialEvent } from "./events.ts";
import type { Teacher } from "./teacher.ts";
import { openTrainer, type Trainer } from "./trainer.ts";

export interface RateTrial {
  /** How the model learns. */
  readonly step: StepOptions;
  readonly stream: StreamOptions;
  readonly teacher?: Teacher | undefined;
  /** Minibatches of the run that the rate is for, where known: a short run has a short trial. */
  readonly steps?: number | undefined;
  /** Whether the rate falls from there to next to nothing, as in fine-tuning; default not. */
  readonly falls?: boolean | undefined;
  /** No rate above this share of the optimiser's highest is tried; default 1. */
  readonly share?: number | undefined;
  /** What the rate is multiplied by where that does no harm either; default 1. */
  readonly times?: number | undefined;
  /** Is told of each minibatch. */
  readonly onTrial?: ((event: TrialEvent) => void) | undefined;
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
/** From where rates rise, and by what factor at most with each minibatch. */
const [lowest, fastest] = [1e-6, 4];
/**
 * Rates of SGD with its momentum of 0.9 are rarely higher; Adam's steps are as long as the rate whatever the gradient.
 */
const highest = { sgd: 0.1, adamw: 0.003 } as const;
/**
 * A rate is so far below the one at which the loss turns up: with momentum a step counts for so many, and so it
 * does in Adam's average of gradients.
 */
const adamMargin = 10;
/** What the loss may be above where it began, as a share of that. */
const rise = 0.1;
/** A rate that does harm is lowered so often at most. */
const mostLowered = 6;
/** Of a rate that was multiplied. */
const digits = 3;
/** Trials see the data in an order of their own. */
const trialEpoch = 2_000_000;

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
export async function findRate(runtime: Runtime, graph: Graph, dataset: Dataset, trial: RateTrial): Promise<FoundRate> {
  const { step, teacher, steps = Infinity, times = 1 } = trial;
  const { optimiser = { kind: "sgd" }, signal } = step;
  const count = Math.round(Math.min(most, Math.max(fewest, steps * ofRun)));
  const ceiling = highest[optimiser.kind] * (trial.share ?? 1);
  const mostTries = mostLowered + 3 + Math.ceil(Math.log2(Math.max(1, times)));
  let minibatches = 0;
  /** The losses of the trial's minibatches, in turn, with the rates of a function. */
  const learn = async (
    trainer: Trainer,
    rateOf: (step: number) => number,
    enough: (loss: number, step: number) => boolean,
  ) => {
    const losses: number[] = [];
    await using stream = openStream(dataset, trial.stream, { epoch: trialEpoch, batch: 0 });
    for (let i = 0; i < count; i++) {
      signal?.throwIfAborted();
      const batch = await stream.next();
      minibatches++;
      trial.onTrial?.({ kind: "trial", done: minibatches, all: count * mostTries });
      const loss = await lossOf(trainer, batch, rateOf(i), i, teacher);
      losses.push(loss);
      if (enough(loss, i)) break;
    }
    return losses;
  };
  await using trainer = await openTrainer(runtime, graph, step);
  checkClasses(dataset, classesIn(trainer.objective));
  const scaleBefore = async () => {
    await using stream = openStream(dataset, trial.stream, { epoch: trialEpoch, batch: 0 });
    const batch = await stream.next();
    // What is no number here is none because of the model or the data, whatever the rate.
    await trainer.step(batch, 0, 0, teacher);
    return trainer.scaleOf(batch, teacher);
  };
  const scale = await scaleBefore();
  const base = await learn(
    trainer,
    () => 0,
    () => false,
  );
  const level = mean(base);
  const slight = scale.slight + rise * level;
  /** The rate at which the loss turns up. */
  const edgeOf = async (): Promise<number> => {
    const growth = Math.min(fastest, (1 / lowest) ** (1 / (count - 1)));
    const rateOf = (i: number): number => growth ** (i - count + 1);
    const risen = await learn(trainer, rateOf, (loss, i) => loss > base[i]! + slight);
    const turned = risen.at(-1)! > base[risen.length - 1]! + slight;
    return turned ? rateOf(risen.length - 1) : 1;
  };
  /** By how much the loss is above what it was, over the last half of a try. */
  const harmOf = async (rate: number): Promise<number> => {
    await using fresh = await openTrainer(runtime, graph, step);
    const losses = await learn(
      fresh,
      () => rate,
      (loss) => !Number.isFinite(loss),
    );
    if (!Number.isFinite(losses.at(-1)!)) return Infinity;
    const half = Math.floor(count / 2);
    return mean(losses.slice(half).map((loss, i) => loss - base[half + i]!));
  };
  const isHarmful = (harm: number): boolean => harm > slight / 2;
  if (trial.falls && optimiser.kind === "adamw" && optimiser.relative) {
    let rate = roundedDown(ceiling);
    for (let lowered = 0; lowered < mostLowered && isHarmful(await harmOf(rate)); lowered++)
      rate = roundedDown(rate / 2);
    return { learningRate: rate, minibatches };
  }
  let learningRate = roundedDown(Math.min(ceiling, (await edgeOf()) / marginOf(optimiser)));
  let harm = await harmOf(learningRate);
  for (let lowered = 0; lowered < mostLowered; lowered++) {
    const lower = roundedDown(learningRate / 2.5);
    const other = await harmOf(lower);
    // What does no harm may still learn less than a lower rate does: on images that it
    // has not seen the model is then worse.
    if (!isHarmful(harm) && other > harm - Math.max(slight / 10, 0.1 * Math.abs(harm))) break;
    [learningRate, harm] = [lower, other];
  }
  if (times <= 1) return { learningRate, minibatches };
  for (let raised = times; raised > 1; raised /= 2) {
    const rate = Number((learningRate * raised).toPrecision(digits));
    if (!isHarmful(await harmOf(rate))) return { learningRate: rate, times: raised, minibatches };
  }
  return { learningRate, times: 1, minibatches };
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

async function lossOf(
  trainer: Trainer,
  batch: Batch,
  rate: number,
  number: number,
  teacher: Teacher | undefined,
): Promise<number> {
  try {
    return (await trainer.step(batch, rate, number, teacher)).loss;
  } catch (error) {
    if (error instanceof SecateurError && error.code === "not-finite") return Infinity;
    throw error;
  }
}
