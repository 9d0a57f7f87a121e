/** What a pruning will take, from the command line: on this machine, or by workers of a queue. */

import { nodeRuntime } from "../runtime/workers-node.ts";
import { defaultAverageEvery } from "../train/spread.ts";
import { timeBeginning } from "./beginning.ts";
import { jobOptions } from "./commands/prune-job.ts";
import type { PruneFlags } from "./commands/prune-options.ts";
import { describeSchedule } from "./commands/time-left.ts";
import type { Context } from "./context.ts";
import { note, print, printJson, short } from "./output.ts";
import { duration, type Progress } from "./progress.ts";
import type { Opened } from "./run.ts";
import { measureSlices } from "./slices.ts";

/** Says how many removals, steps and minutes a pruning takes; on a queue, how many jobs and bytes besides. */
export async function dryRun(
  flags: PruneFlags,
  opened: Opened,
  json: boolean,
  progress: Progress,
  context: Context,
): Promise<void> {
  progress.update("timing the first removal");
  const { machines, averageEvery = defaultAverageEvery, threads, device, memory } = flags;
  const { signal } = context;
  const slices = flags.queue && measureSlices(nodeRuntime, machines, { threads, device, memory, signal });
  const options = { ...jobOptions(flags, opened, context), signal, ...(slices && { learners: slices }) };
  const { schedule, before, removal, seconds } = await timeBeginning(opened.model, options);
  progress.done();
  if (schedule === undefined) {
    note(`nothing is to be removed, which took ${duration(seconds)} to see`);
    return;
  }
  const { removals, every, steps, epochs, tuningSteps, tries } = schedule;
  const planned = { removals, every, steps, epochs, tuningSteps, tries };
  if (!slices) {
    if (json) printJson({ ...planned, minutes: seconds / 60 });
    else print(`${describeSchedule(schedule)}: about ${duration(seconds)}`);
    return;
  }
  const { jobs, bytes, first, byOne, byAll } = slices.of(schedule, machines * averageEvery);
  // What the machine that hands out does itself, and between the last answer of an interval and the next interval.
  const own = before + removals * Math.max(0, removal - first);
  if (json) printJson({ ...planned, jobs, bytes, minutes: (own + byOne) / 60, minutesByAll: (own + byAll) / 60 });
  else
    print(
      `${describeSchedule(schedule)}: ${jobs} jobs, and at most ${short(bytes)} bytes through the store; about ` +
        `${duration(own + byOne)} with one worker as fast as this machine, ${duration(own + byAll)} with ${machines}`,
    );
}
