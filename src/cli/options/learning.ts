/** Options that say how a model learns. */

import type { Command } from "commander";
import { gigabytes } from "../../execute/memory.ts";
import type { SettledOf } from "../../options/kinds.ts";
import {
  epochs,
  learning,
  momentum,
  optimiserName,
  weightDecay,
  type OptimiserOptions,
} from "../../options/learning.ts";
import type { RecomputedStep } from "../../train/activation-checkpointing.ts";
import { note } from "../output.ts";
import { augmentOf, withAugment, type AugmentFlags } from "./data.ts";
import { flag, flagsOf, handed, withGroup } from "./flag.ts";
import { lossFlag } from "./loss.ts";
import { withCompute, type RunFlags } from "./machine.ts";
import { memorySize } from "./values.ts";

/** What few change: schedules. */
const scheduling = { milestones: "<list>", warmUp: "<steps>" } as const;
/** And what keeps a model from learning by heart. */
const rare = {
  labelSmoothing: "<share>",
  mixup: "<alpha>",
  clip: "<norm>",
  ema: "<decay>",
  seed: "<n>",
} as const;

/** How many learn, and what becomes of what each has learned. */
const machine = {
  workers: "<n>",
  machines: "<n>",
  averageEvery: "<n>",
  outerRate: "<rate>",
  outerMomentum: "<share>",
} as const;

type Learning = SettledOf<typeof learning>;

export interface LearnFlags
  extends
    RunFlags,
    AugmentFlags,
    Pick<
      Learning,
      | Exclude<keyof typeof rare, "seed">
      | keyof typeof scheduling
      | "learningRate"
      | "rateSchedule"
      | keyof typeof machine
      | "memory"
    > {
  readonly optimiser?: OptimiserOptions["kind"];
  readonly momentum?: number;
  readonly weightDecay?: number;
  readonly epochs: number;
  readonly minLearningRate: number;
}

/** @param passes over the data, by default */
export const withLearning = (command: Command, passes: number): Command =>
  withMachine(
    withGroup(
      withAugment(command),
      "Learning",
      [flag("--epochs <n>", epochs(passes)), ...flagsOf(learning, { learningRate: "<rate>", batchSize: "<n>" })],
      [
        flag("--optimiser <name>", optimiserName),
        flag("--momentum <share>", momentum),
        flag("--weight-decay <rate>", weightDecay),
        ...flagsOf(learning, { rateSchedule: "<name>" }),
        flag("--min-learning-rate <rate>", learning.minRate),
        ...flagsOf(learning, scheduling),
        lossFlag(),
        ...flagsOf(learning, rare),
      ],
    ),
  );

const withMachine = (command: Command): Command =>
  withGroup(
    withCompute(command),
    "Machine",
    [flag("--memory <size>", learning.memory, memorySize)],
    flagsOf(learning, machine),
  );

/** Nothing where no flag says any of it. */
function optimiserOf({ optimiser, momentum, weightDecay }: LearnFlags): OptimiserOptions | undefined {
  if (optimiser === undefined && momentum === undefined && weightDecay === undefined) return undefined;
  const decay = weightDecay === undefined ? {} : { weightDecay };
  return optimiser === "adamw"
    ? { kind: optimiser, ...decay }
    : { kind: "sgd", ...(momentum !== undefined && { momentum }), ...decay };
}

export const learnOptions = (flags: LearnFlags) => ({
  ...handed(flags, { ...learning, epochs: epochs(0) }),
  augment: augmentOf(flags),
  optimiser: optimiserOf(flags),
  minRate: flags.minLearningRate,
  onRecompute: noteRecompute(),
});

/** Says once what learning below a size takes: pruning opens a step after every removal. */
function noteRecompute(): (recomputed: RecomputedStep) => void {
  let isSaid = false;
  return ({ nodes, kept, expected }) => {
    if (isSaid) return;
    isSaid = true;
    note(
      `a step of training would take about ${gigabytes(kept)}: ${nodes} nodes of its graph are run twice, so ` +
        `that about ${gigabytes(expected)} will do`,
    );
  };
}
