/** Options that say how a model learns. */

import { type Command, Option } from "commander";
import type { RecomputedStep } from "../../train/fit-step.ts";
import { gigabytes } from "../../train/memory.ts";
import { optimisers, type OptimiserOptions } from "../../train/optimisers.ts";
import { rateSchedules, type RateScheduleName } from "../../train/schedules.ts";
import { note } from "../output.ts";
import { augmentOf, withAugment, type AugmentFlags } from "./data.ts";
import { withRun, type RunFlags } from "./machine.ts";
import { countOrAuto, memorySize, notNegative, numberIn, numberList, positive, rateOrAuto } from "./values.ts";

/** The optimiser, its schedule, and what keeps it from learning by heart. */
export interface LearnFlags extends RunFlags, AugmentFlags {
  readonly optimiser: (typeof optimisers)[number];
  readonly momentum: number;
  readonly weightDecay?: number;
  readonly clip?: number;
  readonly learningRate: number | "auto";
  readonly minLearningRate: number;
  readonly rateSchedule: RateScheduleName;
  readonly milestones?: number[];
  readonly labelSmoothing: number;
  readonly mixup?: number;
  readonly workers: number | "auto";
  readonly memory?: number;
  readonly ema?: number;
}

const weightDecays = { sgd: 5e-4, adamw: 1e-2 } as const;

export const withLearning = (command: Command): Command =>
  withAugment(withRun(command))
    .option(
      "--learning-rate <rate>",
      "highest learning rate; auto: found by a short trial on a copy",
      rateOrAuto,
      "auto",
    )
    .addOption(
      new Option("--rate-schedule <name>", "how the learning rate falls: along half a cosine, a line, in steps, or not")
        .choices(rateSchedules)
        .default("cosine"),
    )
    .option("--min-learning-rate <rate>", "what the learning rate falls to", notNegative, 0)
    .option(
      "--milestones <list>",
      "shares of the run at which steps divide the learning rate by 10 (default: 0.5,0.75)",
      numberList,
    )
    .addOption(new Option("--optimiser <name>", "what makes steps of gradients").choices(optimisers).default("sgd"))
    .option("--momentum <share>", "momentum of sgd (Nesterov's)", numberIn(0, 1), 0.9)
    .option(
      "--weight-decay <rate>",
      `decay of weights; biases and normalisations are not decayed (default: ${weightDecays.sgd}, of adamw ${weightDecays.adamw})`,
      notNegative,
    )
    .option(
      "--workers <n>",
      "threads that each learn from a part of every minibatch; BatchNormalization then takes the statistics of a part. auto: one for each of --threads, where it pays, of 16 samples or more if there are such statistics",
      countOrAuto,
      "auto",
    )
    .option(
      "--memory <size>",
      "what the process should stay below while it learns, as 2GB: activations that would take more are computed twice instead of kept, with the same results",
      memorySize,
    )
    .option("--clip <norm>", "scale the gradients of a step down to this norm of them all", positive)
    .option("--label-smoothing <share>", "share of a label that is spread over all classes", numberIn(0, 1), 0)
    .option("--mixup <alpha>", "learn from mixtures of two samples by shares from Beta(alpha, alpha)", positive)
    .option(
      "--ema <decay>",
      "take the moving average of the weights by this decay, as 0.999, and not the last ones; not while pruning",
      numberIn(0, 0.999999),
    );

function optimiserOf({ optimiser, momentum, weightDecay = weightDecays[optimiser] }: LearnFlags): OptimiserOptions {
  return optimiser === "sgd" ? { kind: optimiser, momentum, weightDecay } : { kind: optimiser, weightDecay };
}

export const learnOptions = (flags: LearnFlags, signal: AbortSignal) => ({
  loss: flags.loss,
  batchSize: flags.batchSize,
  seed: flags.seed,
  device: flags.device,
  threads: flags.threads,
  augment: augmentOf(flags),
  optimiser: optimiserOf(flags),
  clip: flags.clip,
  rateSchedule: flags.rateSchedule,
  minRate: flags.minLearningRate,
  milestones: flags.milestones,
  labelSmoothing: flags.labelSmoothing,
  mixup: flags.mixup,
  workers: flags.workers,
  memory: flags.memory,
  onRecompute: noteRecompute(),
  ema: flags.ema,
  signal,
});

/** Says once what learning below a size takes: pruning opens a step after every removal. */
function noteRecompute(): (recomputed: RecomputedStep) => void {
  let isSaid = false;
  return ({ nodes, kept, expected }) => {
    if (isSaid) return;
    isSaid = true;
    note(
      `a step of training would take about ${gigabytes(kept)}: ${nodes} nodes of its graph are run twice, so that about ${gigabytes(expected)} will do`,
    );
  };
}
