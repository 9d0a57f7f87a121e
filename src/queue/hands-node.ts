/** The hands of a machine: threads that do tasks, each with the blobs that it needs on the disk beside it. */

import type { CachedStore } from "../distribute/cached-store-node.ts";
import { LostBlobs } from "../distribute/store.ts";
import { checkTask, keepMade, keyOf, madeBefore, type Made, type Refusal } from "../distribute/task.ts";
import { openCheckpoint, type TaskCheckpoint } from "../distribute/task-checkpoint.ts";
import { SecateurError } from "../graph/error.ts";
import { taskKinds } from "./tasks/table.ts";
import { openPool, type AskOptions, type PoolOptions } from "./pool-node.ts";

/** What came of taking a task. */
export type Taken =
  | { readonly state: "done"; readonly made: Made; readonly seconds: number }
  /** Blobs of it are not to be had, or are damaged. */
  | { readonly state: "lost"; readonly digests: readonly string[] }
  /** Whoever does it comes to this. */
  | { readonly state: "refused"; readonly refusal: Refusal };

export interface TakeOptions extends AskOptions {
  /** Does it although a result is there, and writes all of it anew. */
  readonly anew?: boolean | undefined;
  readonly onLabel?: ((label: string) => void) | undefined;
}

export interface Hands extends AsyncDisposable {
  /** Tasks that are done at once. */
  readonly atOnce: number;
  /**
   * Does a task, or finds its result in the store.
   *
   * @param given data from elsewhere
   * @throws what may not come again elsewhere, such as a full disk or a thread that ended
   */
  take(given: unknown, options?: TakeOptions): Promise<Taken>;
}

/** Hands that do tasks on threads. */
export function openHands(store: CachedStore, options: PoolOptions): Hands {
  const pool = openPool(options);
  return {
    atOnce: options.atOnce,
    async take(given, taking = {}) {
      const { anew = false, onLabel, onCheckpoint } = taking;
      try {
        const started = performance.now();
        const { task, label } = checkTask(given, taskKinds);
        onLabel?.(label);
        const key = await keyOf(task);
        const before = anew ? undefined : await madeBefore(store, key);
        if (before) return { state: "done", made: before, seconds: 0 };
        const held = [await store.fetch(Object.values(task.blobs))];
        try {
          const checkpoint = await openCheckpoint(store, key);
          held.push(await fetched(store, checkpoint));
          if (Object.keys(checkpoint.blobs).length > 0) onCheckpoint?.("goes on from a checkpoint");
          const answer = await pool.ask({ task, folder: store.folder }, checkpoint, taking);
          if ("lost" in answer) return { state: "lost", digests: answer.lost };
          if ("refused" in answer) return { state: "refused", refusal: answer.refused };
          const made = await keepMade(store, key, answer, anew);
          await checkpoint.remove([...Object.values(made.blobs), ...Object.values(task.blobs)]);
          return { state: "done", made, seconds: (performance.now() - started) / 1000 };
        } finally {
          for (const release of held) release();
        }
      } catch (error) {
        if (error instanceof LostBlobs) return { state: "lost", digests: error.digests };
        if (error instanceof SecateurError && error.code !== "io")
          return { state: "refused", refusal: { code: error.code, message: error.message } };
        throw error;
      }
    },
    [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose](),
  };
}

/** Fetches what an earlier try kept; where some of it is lost, all of it counts for nothing. */
async function fetched(store: CachedStore, checkpoint: TaskCheckpoint): Promise<() => void> {
  try {
    return await store.fetch(Object.values(checkpoint.blobs));
  } catch (error) {
    if (!(error instanceof LostBlobs)) throw error;
    checkpoint.forsake();
    return () => undefined;
  }
}
