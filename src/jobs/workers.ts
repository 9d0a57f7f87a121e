/** How many workers learn. */

import type { Criterion } from "../criteria/criterion.ts";
import { statesOf } from "../passes/training.ts";
import type { Analysis } from "../prune/coupling/analysis.ts";
import type { LearnJobOptions } from "./kinds.ts";
import type { Runtime } from "../runtime/port.ts";
import { isPassNeed } from "../objective/evidence.ts";
import { wholeBatchLoss } from "../objective/loss-file.ts";
import type { LearningOptions } from "../options/learning.ts";
import type { Loss } from "../options/loss.ts";
import type { RunOptions } from "../options/machine.ts";
import { wholeBatchNeeds } from "../execute/batch-slices.ts";
import { otherAxis } from "../execute/micro-batches.ts";

/** Each minibatch is split, as nobody has said that it should not be. */
export interface WorkersEvent {
  readonly kind: "workers";
  readonly workers: number;
  /** That each of them learns from at a time. */
  readonly samples: number;
}

/**
 * Samples of a worker whose statistics BatchNormalization takes. ResNet-50 trained on ImageNet with 32 errs in 23.6 %
 * of the validation set, with 16 in 23.7 %, with 8 in 24.8 % (Wu and He 2018, Group Normalization, table 3).
 */
const leastSamples = 16;
/**
 * Multiply-accumulates of a worker, forward, for each weight: with fewer the time goes
 * into handing weights and gradients over.
 */
const leastMacs = 1000;

/** What "auto" came to when a run began that goes on now; not where a number is asked for. */
export const workersBefore = (
  wanted: number | "auto" | undefined,
  note: Readonly<Record<string, unknown>> | undefined,
): number | undefined => (typeof wanted === "number" ? undefined : (note?.["workers"] as number | undefined));

/** The number of workers, in words "auto", of an analysis with an open batch. */
export function workersOf(
  runtime: Runtime,
  analysis: Analysis,
  { workers = "auto", machines = 1, learners, criterion, loss, ...options }: Settings,
  emit: (event: WorkersEvent) => void,
): number {
  if (workers !== "auto") return workers;
  // They have the threads already, or threads of their own.
  if (machines > 1 || learners) return 1;
  const { batchSize = 128, threads = runtime.threads, device = "cpu", memory } = options;
  // Each worker keeps gradients of its own.
  if (!runtime.worker || device !== "cpu" || memory !== undefined) return 1;
  const { graph } = analysis;
  if (otherAxis(graph) !== undefined || needsWhole(criterion)) return 1;
  if (loss !== undefined && wholeBatchLoss(loss) !== undefined) return 1;
  const { macs, params } = analysis.costs;
  const least = statesOf(graph).size > 0 ? leastSamples : 1;
  const suits = (workers: number): boolean =>
    batchSize % workers === 0 && batchSize / workers >= least && (macs * batchSize) / workers >= leastMacs * params;
  const most = Array.from({ length: threads }, (_, i) => threads - i).find(suits) ?? 1;
  if (most > 1) emit({ kind: "workers", workers: most, samples: batchSize / most });
  return most;
}

interface Settings
  extends
    Pick<LearningOptions, "workers" | "machines" | "batchSize" | "memory">,
    Pick<RunOptions, "threads" | "device">,
    Pick<LearnJobOptions, "learners"> {
  readonly criterion?: Criterion | undefined;
  readonly loss?: Loss | undefined;
}

const needsWhole = (criterion: Criterion | undefined): boolean =>
  criterion?.kind === "data" && criterion.needs.some((need) => isPassNeed(need) && wholeBatchNeeds.has(need));
