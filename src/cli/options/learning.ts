/** Options that say how a model learns. */

import type { Command } from "commander";
import {
  clip,
  ema,
  epochs,
  labelSmoothing,
  learningRate,
  loss,
  milestones,
  minRate,
  mixup,
  momentum,
  optimiserName,
  rateSchedule,
  warmUp,
  weightDecay,
} from "../../options/learning.ts";
import { batchSize, memory, seed, workers } from "../../options/machine.ts";
import type { RecomputedStep } from "../../train/activation-checkpointing.ts";
import { gigabytes } from "../../execute/memory.ts";
import type { OptimiserOptions, optimisers } from "../../train/optimisers.ts";
import type { RateScheduleName } from "../../train/schedules.ts";
import { note } from "../output.ts";
import { augmentOf, withAugment, type AugmentFlags } from "./data.ts";
import { flag, withGroup } from "./flag.ts";
import { withCompute, type RunFlags } from "./machine.ts";
import { memorySize } from "./values.ts";

/** The optimiser, its schedule, and what keeps it from learning by heart. */
export interface LearnFlags extends RunFlags, AugmentFlags {
  readonly optimiser: (typeof optimisers)[number];
  readonly momentum: number;
  readonly weightDecay?: number;
  readonly clip?: number;
  readonly epochs: number;
  readonly warmUp: number;
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

/** @param passes over the data, by default */
export const withLearning = (command: Command, passes: number): Command =>
  withMachine(
    withGroup(
      withAugment(command),
      "Learning",
      [
        flag("--epochs <n>", epochs(passes)),
        flag("--learning-rate <rate>", learningRate),
        flag("--batch-size <n>", batchSize(128)),
      ],
      [
        flag("--optimiser <name>", optimiserName),
        flag("--momentum <share>", momentum),
        flag("--weight-decay <rate>", weightDecay),
        flag("--rate-schedule <name>", rateSchedule),
        flag("--min-learning-rate <rate>", minRate),
        flag("--milestones <list>", milestones),
        flag("--warm-up <steps>", warmUp),
        flag("--loss <loss>", loss),
        flag("--label-smoothing <share>", labelSmoothing),
        flag("--mixup <alpha>", mixup),
        flag("--clip <norm>", clip),
        flag("--ema <decay>", ema),
        flag("--seed <n>", seed),
      ],
    ),
  );

const withMachine = (command: Command): Command =>
  withGroup(
    withCompute(command),
    "Machine",
    [flag("--memory <size>", memory, memorySize)],
    [flag("--workers <n>", workers)],
  );

function optimiserOf({ optimiser, momentum, weightDecay }: LearnFlags): OptimiserOptions {
  const decay = weightDecay === undefined ? {} : { weightDecay };
  return optimiser === "sgd" ? { kind: optimiser, momentum, ...decay } : { kind: optimiser, ...decay };
}

export const learnOptions = (flags: LearnFlags, signal: AbortSignal) => ({
  loss: flags.loss,
  batchSize: flags.batchSize,
  seed: flags.seed,
  device: flags.device,
  threads: flags.threads,
  augment: augmentOf(flags),
  optimiser: optimiserOf(flags),
  epochs: flags.epochs,
  learningRate: flags.learningRate,
  warmUp: flags.warmUp,
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
