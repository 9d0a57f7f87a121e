/** Tasks on this machine alone, in threads. */

import { setTimeout as sleep } from "node:timers/promises";
import type { CachedStore } from "../distribute/cached-store-node.ts";
import { LostBlobs } from "../distribute/store.ts";
import { keyOf, madeBefore, type Executor, type Made, type RunTasksOptions, type Task } from "../distribute/task.ts";
import { fail } from "../graph/error.ts";
import { mostTries } from "./answer.ts";
import { openHands, type Taken } from "./hands-node.ts";
import type { PoolOptions } from "./pool-node.ts";

/** What came of a task before, where every blob of it is to be had and whole. */
export async function wholeBefore(store: CachedStore, key: string): Promise<Made | undefined> {
  const made = await madeBefore(store, key);
  if (!made) return undefined;
  try {
    (await store.fetch(Object.values(made.blobs)))();
    return made;
  } catch (error) {
    if (error instanceof LostBlobs) return undefined;
    throw error;
  }
}

/** An executor of threads. */
export function threadsExecutor(store: CachedStore, options: PoolOptions): Executor {
  const hands = openHands(store, options);
  return {
    store,
    async run(tasks, all, repair, { onEvent, signal }: RunTasksOptions = {}) {
      const found: Made[] = [];
      const running = new Set<Promise<void>>();
      let done = 0;

      const doOne = async (task: Task, at: number): Promise<void> => {
        const key = await keyOf(task);
        const before = await wholeBefore(store, key);
        let label = task.kind;
        const onLabel = (text: string): void => {
          label = text;
          onEvent?.({ kind: "taken", label, done, all });
        };
        const finish = (made: Made, seconds?: number): void => {
          found[at] = made;
          done++;
          onEvent?.({ label, done, all, ...(seconds === undefined ? { kind: "known" } : { kind: "done", seconds }) });
        };
        if (before) return finish(before);
        for (let tries = 1; ; tries++) {
          signal?.throwIfAborted();
          let why: string;
          try {
            const taken: Taken = await hands.take(task, { signal, onLabel, anew: true });
            if (taken.state === "done") return finish(taken.made, taken.seconds);
            if (taken.state === "refused") fail(taken.refusal.code, taken.refusal.message);
            await repair(taken.digests);
            why = `${taken.digests.length} blobs were lost`;
            onEvent?.({ kind: "repaired", why, label, done, all });
          } catch (error) {
            // What the work refuses comes again; an error of another kind may pass.
            if (signal?.aborted || (error instanceof Error && "code" in error && error.name === "SecateurError"))
              throw error;
            why = String(error);
            onEvent?.({ kind: "retried", why, label, done, all });
            await sleep(100 * 2 ** tries);
          }
          if (tries === mostTries) fail("io", `${label} failed ${tries} times; the last time: ${why}`);
        }
      };
      let at = 0;
      for await (const task of tasks) {
        const one = doOne(task, at++).finally(() => running.delete(one));
        running.add(one);
        // Its error is thrown by whoever waits for it below.
        one.catch(() => undefined);
        if (running.size >= options.atOnce) await Promise.race(running);
      }
      await Promise.all(running);
      return found;
    },
    [Symbol.asyncDispose]: () => hands[Symbol.asyncDispose](),
  };
}
