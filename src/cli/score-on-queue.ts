/** Importances that many machines measure, from the command line. */

import type { Scores } from "../criteria/criterion.ts";
import { fail } from "../graph/error.ts";
import type { Model } from "../graph/graph.ts";
import type { ScoreJobOptions } from "../jobs/score.ts";
import { expectScoreOn, scoreOn } from "../queue/score-on.ts";
import type { Shard } from "../options/distribute.ts";
import { note } from "./output.ts";
import { reportTasks, withExecutor, type HandingOutFlags } from "./options/queue.ts";
import { duration, type Progress } from "./progress.ts";

export interface ScoreOnFlags extends HandingOutFlags {
  readonly shards: number;
  readonly shard?: Shard;
}

/**
 * Hands the minibatches out and averages what comes back.
 *
 * @returns nothing where it was only asked what that would take
 */
export async function scoreOnQueue(
  model: Model,
  { data, ...given }: ScoreJobOptions,
  flags: ScoreOnFlags,
  progress: Progress,
): Promise<Scores | undefined> {
  if (flags.shard)
    fail("bad-option", "--shard measures a part on this machine, and --queue hands all parts out: give one");
  if (data === undefined) fail("bad-option", "--queue hands minibatches out: name the data by --data");
  const options = { ...given, data, shards: flags.shards, onNote: note };
  if (flags.dryRun) {
    const { jobs, minibatches, bytes, seconds } = await expectScoreOn(model, options);
    progress.done();
    const megabytes = (bytes / 1e6).toFixed(1);
    note(
      `${jobs} jobs of ${(minibatches / jobs).toFixed(1)} minibatches each; ${megabytes} MB through ` +
        `the store, and to each worker at most; about ${duration(seconds)} for one worker as fast as this machine, ` +
        `and ${duration(seconds / Math.min(4, jobs))} for ${Math.min(4, jobs)}`,
    );
    return undefined;
  }
  return withExecutor(flags, async (executor) => {
    const job = scoreOn(executor, model, options, reportTasks(progress));
    const { scores, remarks } = await job;
    progress.done();
    for (const remark of remarks) note(remark);
    return scores;
  });
}
