/** How long a sweep will take, and how much it writes: by the beginning of its first run. */

import { stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { expectedBytes } from "../../distribute/dataset-blobs.ts";
import { timeBeginning } from "../beginning.ts";
import { jobOptions } from "../commands/prune-job.ts";
import type { Context } from "../context.ts";
import type { Progress } from "../progress.ts";
import { openWork } from "../run.ts";
import type { SweepConfig } from "../../report/sweep-node.ts";
import { flagsOfRun } from "./grid.ts";

export interface Estimate {
  readonly runs: number;
  readonly atOnce: number;
  readonly threads: number;
  readonly minutes: number;
  /** On the disk in the end, and while runs go on. */
  readonly bytes: number;
  readonly bytesWhile: number;
  /** Of the data, on its way to workers of a queue. */
  readonly bytesOfData?: number;
}

/** What a checkpoint holds for each byte of the model: weights, the optimiser's state, and where the run began. */
const perCheckpoint = 3;

/**
 * Times the beginning of the first run. The estimate is for runs as long as this one that do not
 * get faster while they shrink, so that it is rather too long.
 */
export async function estimate(
  { model: { path }, threads, runs }: SweepConfig,
  atOnce: number,
  context: Context,
  progress: Progress,
  onQueue = false,
): Promise<Estimate> {
  const flags = { ...flagsOfRun(runs[0]!), threads };
  const opened = await openWork(path, flags, context);
  progress.update("timing the beginning of the first run");
  const options = { ...jobOptions(flags, opened, context), signal: context.signal };
  const { seconds } = await timeBeginning(opened.model, options);
  // More at once than there are cores share them.
  const side = Math.min(atOnce, Math.max(1, availableParallelism() / threads));
  const { size } = await stat(path);
  const sent = onQueue ? [opened.data, ...(opened.validation ? [opened.validation] : [])] : [];
  let bytesOfData = 0;
  for (const one of sent) bytesOfData += await expectedBytes(one);
  return {
    runs: runs.length,
    atOnce,
    threads,
    minutes: (seconds * runs.length) / side / 60,
    bytes: size * runs.length,
    bytesWhile: size * (runs.length + perCheckpoint * atOnce),
    ...(onQueue && { bytesOfData }),
  };
}
