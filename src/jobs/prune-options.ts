/** What the job of pruning can be told. */

import { z } from "zod";
import type { Criterion } from "../criteria/criterion.ts";
import type { Dataset } from "../data/batches.ts";
import {
  budget,
  evaluateBatches,
  evaluateEvery,
  every,
  latency,
  maxDrop,
  maxLoss,
  prove,
  schedule,
  scoreMomentum,
  unitsPerStep,
} from "../options/budget.ts";
import { takes } from "../options/check.ts";
import { dataset, labelsAreRight } from "../options/data.ts";
import { callback } from "../options/kinds.ts";
import { distil, epochs, learning, pruneLearningRate, targets, temperature } from "../options/learning.ts";
import { running } from "../options/machine.ts";
import { criterion, gates, limits, normalise, per, probes, roundTo, scope } from "../options/ranking.ts";
import type { Budget } from "../prune/select/select.ts";
import type { FinetuneOptions, LearnOptions } from "../train/finetune.ts";
import type { LatencyBudget } from "../evaluate/latency.ts";
import type { Targets } from "../objective/losses.ts";
import type { Metric, MetricName } from "../evaluate/metrics.ts";
import type { PruneOptions } from "../loop/prune.ts";
import { checkpoints, type Checkpoints } from "./checkpoints.ts";
import type { LabelsOptions } from "./labels.ts";
import type { PruneJobEvent } from "./prune-events.ts";
import type { WorkersOptions } from "./workers.ts";
import type { JobOptions } from "./job.ts";

export interface PruneJobOptions
  extends
    JobOptions<PruneJobEvent>,
    WorkersOptions,
    LabelsOptions,
    Partial<Omit<LearnOptions, "reserved" | "workers" | "carried" | "optimise">>,
    Partial<Pick<FinetuneOptions, "ema" | "rateSchedule" | "minRate" | "milestones" | "gamma" | "warmUp">>,
    Partial<
      Pick<
        PruneOptions,
        | "gates"
        | "probes"
        | "maxLoss"
        | "normalise"
        | "per"
        | "scope"
        | "limits"
        | "schedule"
        | "every"
        | "unitsPerStep"
      >
    > {
  /** As {@link plan} takes it; default 1, or "auto" where a latency is to be reached. */
  readonly roundTo?: number | "auto" | undefined;
  /** What to learn from. */
  readonly data: Dataset;
  /** What to measure by at the start, now and then, and at the end; nothing is chosen by it. */
  readonly validation?: Dataset | undefined;
  /** What must be reached: shares of what there is at the start, or numbers where they are larger than 1. */
  readonly budget?: Budget | undefined;
  /**
   * The latency to reach with one sample at a time: a share of what it is at the start, or milliseconds where it is larger than 1 or says so. It is
   * measured after every removal, so that a second run may end a removal earlier or later.
   */
  readonly latency?: LatencyBudget | undefined;
  /** What is measured besides, and what `maxDrop` is of: a measure by its name, or a metric of your own. */
  readonly metric?: Metric | MetricName | undefined;
  /**
   * How much of the metric may be lost after fine-tuning, by default percentage points of top-1, or without labels of agreement with the original: the
   * smallest model that loses no more is searched for, down to the budget where there is one. A metric of your own counts in its own unit. A tenth
   * of the data is held out to choose by.
   */
  readonly maxDrop?: number | undefined;
  /** Default "taylor-fo". */
  readonly criterion?: string | Criterion | undefined;
  /** What is learned from; default the labels. Without labels all comes from the original model. */
  readonly targets?: Targets | "teacher" | undefined;
  /** The share of the old importances in their average over removals; default 0.9. */
  readonly scoreMomentum?: number | undefined;
  /** The learning rate while pruning; default "auto": found by a short trial on a copy of the model. */
  readonly pruneLearningRate?: number | "auto" | undefined;
  /** Passes over the data after pruning; default 5. */
  readonly epochs?: number | undefined;
  /** The highest learning rate of fine-tuning; default "auto", as while pruning. */
  readonly learningRate?: number | "auto" | undefined;
  /** The share of the original model's outputs in the loss of fine-tuning; default 0. */
  readonly distil?: number | undefined;
  /** What logits are divided by to distil; default 4. */
  readonly temperature?: number | undefined;
  /** Removals between two measurements while pruning; default 5. */
  readonly evaluateEvery?: number | undefined;
  /** Minibatches of a measurement while pruning; the first and the last take all data. Default 16. */
  readonly evaluateBatches?: number | undefined;
  /**
   * Whether all that was removed is proved, before fine-tuning, to be cut as it would be masked; default true. A proof that fails ends nothing: the outcome
   * says so by `unproved`.
   */
  readonly prove?: boolean | undefined;
  readonly checkpoints?: Checkpoints | undefined;
}

/** Checks the options of pruning, and fills in what the table says where nothing is given. */
export const settle = takes<PruneJobOptions>()("prune", {
  ...running,
  ...learning,
  onEvent: callback<(event: PruneJobEvent) => void>().optional(),
  checkpoints: checkpoints.optional(),
  data: dataset,
  labelsAreRight: labelsAreRight.optional(),
  targets,
  budget: budget.optional(),
  latency: latency.optional(),
  maxDrop: maxDrop.optional(),
  maxLoss: maxLoss.optional(),
  criterion: criterion.default("taylor-fo"),
  gates,
  probes: probes.optional(),
  per: per.optional(),
  normalise,
  scope: scope.default("global"),
  limits: z.strictObject(limits).optional(),
  roundTo: roundTo.optional(),
  schedule: schedule.optional(),
  every: every.optional(),
  unitsPerStep: unitsPerStep.optional(),
  scoreMomentum,
  pruneLearningRate,
  epochs: epochs(5),
  distil,
  temperature,
  evaluateEvery,
  evaluateBatches,
  prove,
});

/** The options of pruning as they are checked. */
export type CheckedOptions = ReturnType<typeof settle>;

/** The options of a run that knows what it rounds to, and how many workers learn. */
export type SettledOptions = CheckedOptions & { readonly roundTo: number; readonly workers: number };
