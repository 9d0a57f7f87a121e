/** Machines that are none: workers of one process that learn as machines of a rack would. */

import type { Runtime } from "../runtime/port.ts";
import { workerOf } from "../runtime/port.ts";
import { threadsPerWorker } from "./data-parallel.ts";
import { runInterval } from "./interval-task.ts";
import type { Machines, OwnOptions } from "./spread.ts";

/**
 * Workers of a runtime, each in a thread of its own. Where there are more of them than threads, or a memory to stay
 * below, some learn after others; what they learn is the same.
 *
 * @param count how many there are, in every interval
 */
export function machinesHere(runtime: Runtime, count: number, own: OwnOptions): Machines {
  const { threads = runtime.threads, memory } = own;
  const atOnce = memory === undefined && runtime.worker ? Math.min(count, threads) : 1;
  const mine = { ...own, threads: threadsPerWorker(runtime, threads, atOnce) };
  /** The last task of each thread. */
  const last = Array.from({ length: atOnce }, (): Promise<unknown> => Promise.resolve());
  let next = 0;
  return {
    count,
    run(task) {
      const at = next++ % atOnce;
      const answer = last[at]!.then(() => runInterval(workerOf(runtime, at), task, mine));
      last[at] = answer.catch(() => undefined);
      return answer;
    },
  };
}
