/** How long a sweep will take, and how much it writes: by the beginning of its first run. */

import { stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { expectedBytes } from "../../distribute/dataset-blobs.ts";
import { prune } from "../../jobs/prune.ts";
import type { ScheduleEvent } from "../../jobs/prune-events.ts";
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

/** Steps that are timed: the first is slower than all others. */
const timed = 6;
/** What a checkpoint holds for each byte of the model: weights, the optimiser's state, and where the run began. */
const perCheckpoint = 3;

/**
 * Begins the first run, times some steps of it, and stops it. The estimate is for runs as long as this one that do not
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
  const stop = new AbortController();
  const began = performance.now();
  const times: number[] = [];
  let schedule: ScheduleEvent | undefined;
  progress.update("timing some steps of the first run");
  const job = prune(opened.model, {
    ...jobOptions(flags, opened, context),
    signal: AbortSignal.any([stop.signal, context.signal]),
    onEvent(event) {
      if (event.kind === "schedule") schedule = event;
      if (event.kind !== "step" || event.phase !== "prune") return;
      times.push(performance.now());
      if (times.length > timed) stop.abort();
    },
  });
  await job.result.catch((error: unknown) => {
    if (!stop.signal.aborted || context.signal.aborted) throw error;
  });
  const ended = performance.now();
  const [first = ended, last = ended] = [times[0], times.at(-1)];
  const step = times.length > 1 ? (last - first) / (times.length - 1) : 0;
  const steps = stop.signal.aborted ? (schedule?.steps ?? 0) + (schedule?.tuningSteps ?? 0) : 0;
  const seconds = (stop.signal.aborted ? first - began : ended - began) / 1000 + (steps * step) / 1000;
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
