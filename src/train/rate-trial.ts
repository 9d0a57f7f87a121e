/** A short trial of learning rates on a copy of a model: what the loss of some minibatches comes to with a rate. */

import type { Batch, Dataset } from "../data/batches.ts";
import { checkClasses } from "../data/checks.ts";
import { classesIn } from "../objective/objective.ts";
import { SecateurError } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import type { Runtime } from "../runtime/port.ts";
import type { TrialEvent } from "./events.ts";
import type { StepOptions } from "./step.ts";
import { openStream, type StreamOptions } from "./stream.ts";
import type { Teacher } from "./teacher.ts";
import { openTrainer, type Trainer } from "./trainer.ts";

export interface TrialOptions {
  /** How the model learns. */
  readonly step: StepOptions;
  readonly stream: StreamOptions;
  readonly teacher?: Teacher | undefined;
  /** Is told of each minibatch. */
  readonly onTrial?: ((event: TrialEvent) => void) | undefined;
}

export interface Trial {
  /** Minibatches that it learned from so far, all its tries together. */
  readonly minibatches: number;
  /** The rate at which the loss turns up while the rate rises from next to nothing with each minibatch; at most 1. */
  edge(): Promise<number>;
  /** By how much the loss is above what it was, over the last half of a try from the start. */
  harmOf(rate: number): Promise<number>;
  /** Whether the loss is so far above what it was. */
  isHarmful(harm: number): boolean;
  /** Whether one harm is below another by more than the data's noise. */
  isLess(harm: number, other: number): boolean;
}

/** From where rates rise, and by what factor at most with each minibatch. */
const [lowest, fastest] = [1e-6, 4];
/** What the loss may be above where it began, as a share of that. */
const rise = 0.1;
/** Trials see the data in an order of their own. */
const trialEpoch = 2_000_000;

/**
 * Takes the loss of some minibatches before anything is learned. Every try is of the same minibatches, and is held
 * against these losses one by one, so that easy and hard ones make no difference.
 *
 * @param trainer of the graph, which has learned nothing yet; only {@link Trial.edge} teaches it
 * @param count minibatches of each try
 * @param mostTries that are to be expected, of which events tell
 * @throws SecateurError `not-finite` where the loss is not a number before anything is learned
 */
export async function beginTrial(
  runtime: Runtime,
  graph: Graph,
  trainer: Trainer,
  dataset: Dataset,
  { step, stream: order, teacher, onTrial }: TrialOptions,
  [count, mostTries]: readonly [number, number],
): Promise<Trial> {
  let minibatches = 0;
  const openData = () => openStream(dataset, order, { epoch: trialEpoch, batch: 0 });
  /** The losses of the minibatches, in turn, with the rates of a function. */
  const learn = async (
    trainer: Trainer,
    rateOf: (step: number) => number,
    enough: (loss: number, step: number) => boolean,
  ) => {
    const losses: number[] = [];
    await using stream = openData();
    for (let i = 0; i < count; i++) {
      step.signal?.throwIfAborted();
      const batch = await stream.next();
      minibatches++;
      onTrial?.({ kind: "trial", done: minibatches, all: count * mostTries });
      const loss = await lossOf(trainer, batch, rateOf(i), i, teacher);
      losses.push(loss);
      if (enough(loss, i)) break;
    }
    return losses;
  };
  const scaleBefore = async () => {
    await using stream = openData();
    const batch = await stream.next();
    // What is no number here is none because of the model or the data, whatever the rate.
    await trainer.step(batch, 0, 0, teacher);
    return trainer.scaleOf(batch, teacher);
  };
  checkClasses(dataset, classesIn(trainer.objective));
  const scale = await scaleBefore();
  const base = await learn(
    trainer,
    () => 0,
    () => false,
  );
  const slight = scale.slight + rise * mean(base);
  return {
    get minibatches() {
      return minibatches;
    },
    async edge() {
      const growth = Math.min(fastest, (1 / lowest) ** (1 / (count - 1)));
      const rateOf = (i: number): number => growth ** (i - count + 1);
      const risen = await learn(trainer, rateOf, (loss, i) => loss > base[i]! + slight);
      const turned = risen.at(-1)! > base[risen.length - 1]! + slight;
      return turned ? rateOf(risen.length - 1) : 1;
    },
    async harmOf(rate) {
      await using fresh = await openTrainer(runtime, graph, step);
      const losses = await learn(
        fresh,
        () => rate,
        (loss) => !Number.isFinite(loss),
      );
      if (!Number.isFinite(losses.at(-1)!)) return Infinity;
      const half = Math.floor(count / 2);
      return mean(losses.slice(half).map((loss, i) => loss - base[half + i]!));
    },
    isHarmful: (harm) => harm > slight / 2,
    isLess: (harm, other) => harm <= other - Math.max(slight / 10, 0.1 * Math.abs(other)),
  };
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
