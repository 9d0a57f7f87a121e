/** Learning that is shared out through a queue, from the command line. */

import type { TaskEvent } from "../distribute/task.ts";
import { fail } from "../graph/error.ts";
import { machinesOn } from "../queue/machines-on.ts";
import type { Machines } from "../train/spread.ts";
import type { Context } from "./context.ts";
import type { LearnFlags } from "./options/learning.ts";
import { withExecutor, type QueueFlags } from "./options/queue.ts";
import { note } from "./output.ts";
import type { Progress } from "./progress.ts";

/** Does something with the machines of a queue, where flags name one. */
export function withLearners<T>(
  flags: Partial<QueueFlags> & LearnFlags,
  { signal }: Context,
  progress: Progress,
  work: (learners: Machines | undefined) => Promise<T>,
): Promise<T> {
  const { queue, store, machines: count, device, memory, cacheSize = 20e9 } = flags;
  if (queue === undefined) {
    if (store !== undefined) fail("bad-option", "--store is where work of a queue lies: name the queue by --queue");
    return work(undefined);
  }
  return withExecutor({ ...flags, cacheSize }, async (executor) => {
    await using machines = machinesOn(executor, {
      count,
      device,
      memory,
      signal,
      onEvent: reportSlices(progress),
      onWorkers: noteWorkers,
      onLeft: (why) => note(`what an interval needed stays in the store: ${why}`),
    });
    return await work(machines);
  });
}

/** Says who is there whenever that changes. */
function noteWorkers(count: number): void {
  note(
    count === 0
      ? "no worker takes jobs of this queue: waiting; secateur worker with the same --queue and --store is one"
      : `${count} worker${count === 1 ? " takes" : "s take"} jobs of this queue`,
  );
}

/** Shows what happens to slices: a line of progress, and lines that stay for what went wrong. */
function reportSlices(progress: Progress): (event: TaskEvent) => void {
  const started = performance.now();
  const workers = new Set<string>();
  let slices = 0;
  return (event) => {
    const { kind, label, worker, done, all } = event;
    const who = worker === undefined ? "" : ` by ${worker}`;
    if (worker !== undefined) workers.add(worker);
    if (kind === "lost" || kind === "retried" || kind === "repaired")
      note(`${label}${who}: ${event.why}; it is done anew`);
    if (kind === "done") slices++;
    const took = kind === "done" ? ` in ${event.seconds.toFixed(1)} s` : "";
    const rate = ((60_000 * slices) / (performance.now() - started)).toFixed(1);
    progress.update(
      `${label} ${kind}${who}${took}; ${done} of ${all} slices done, ${rate} a minute by ${workers.size} workers`,
    );
  };
}
