/** The hands of a machine: threads that do tasks, each with the blobs that it needs on the disk beside it. */

import { MessageChannel } from "node:worker_threads";
import { Piscina } from "piscina";
import type { CachedStore } from "../distribute/cached-store-node.ts";
import { LostBlobs } from "../distribute/store.ts";
import { checkTask, keepMade, keyOf, madeBefore, type Made, type Refusal } from "../distribute/task.ts";
import { openCheckpoint, type TaskCheckpoint } from "../distribute/task-checkpoint.ts";
import { SecateurError } from "../graph/error.ts";
import type { AskedOfThread, ThreadAnswer, ToldByThread, ToldToThread } from "./task-worker-node.ts";
import { taskKinds } from "./tasks/table.ts";

/** Sources are not what a worker of Node 20 can run: tests take the worker that was built. */
const here = import.meta.url;
const worker = new URL(`${here.endsWith(".ts") ? "../../dist/queue/" : "./"}task-worker-node.js`, here);

/** Milliseconds that work has to end by itself once it is to stop. */
const grace = 2000;

/** What came of taking a task. */
export type Taken =
  | { readonly state: "done"; readonly made: Made; readonly seconds: number }
  /** Blobs of it are not to be had, or are damaged. */
  | { readonly state: "lost"; readonly digests: readonly string[] }
  /** Whoever does it comes to this. */
  | { readonly state: "refused"; readonly refusal: Refusal };

export interface TakeOptions {
  /** Does it although a result is there, and writes all of it anew. */
  readonly anew?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onLabel?: ((label: string) => void) | undefined;
  /** Is told that it goes on from what an earlier try kept, or why something was not kept. */
  readonly onCheckpoint?: ((text: string) => void) | undefined;
  readonly onProgress?: ((done: number, all: number) => void) | undefined;
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

export interface HandsOptions {
  readonly atOnce: number;
  /** Threads of the runtime for each task. */
  readonly threads: number;
  /** Seconds without any progress after which a task is stopped. */
  readonly patience: number;
}

/** Threads that do tasks. They start with the first task. */
export function openHands(store: CachedStore, { atOnce, threads, patience }: HandsOptions): Hands {
  const pool = new Piscina({
    filename: worker.href,
    name: "run",
    minThreads: 0,
    maxThreads: atOnce,
    idleTimeout: Number.POSITIVE_INFINITY,
    atomics: "disabled",
  });
  const ask = async (
    task: unknown,
    checkpoint: TaskCheckpoint,
    { signal, onProgress, onCheckpoint }: TakeOptions,
  ): Promise<ThreadAnswer> => {
    signal?.throwIfAborted();
    const { port1: told, port2: port } = new MessageChannel();
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have none
    const tell = (kind: ToldToThread["kind"]): void => told.postMessage({ kind } satisfies ToldToThread);
    const end = new AbortController();
    let isHanging = false;
    // A runtime that is stopped in the middle of its work may take the whole process with it: the work is asked first.
    const stop = (): void => {
      tell("stop");
      setTimeout(() => end.abort(), grace).unref();
    };
    const hang = (): void => {
      isHanging = true;
      stop();
    };
    const wait = () => setTimeout(hang, patience * 1000).unref();
    let timer = wait();
    told.on("message", (given: ToldByThread) => {
      clearTimeout(timer);
      timer = wait();
      if (given.kind === "progress") onProgress?.(given.done, given.all);
      else
        void checkpoint
          .keep(given.kept)
          // The work is worth more than its checkpoint.
          .catch((error: unknown) => onCheckpoint?.(`goes on without a new checkpoint: ${(error as Error).message}`))
          .finally(() => tell("kept"));
    });
    told.unref();
    signal?.addEventListener("abort", stop, { once: true });
    const asked: AskedOfThread = { task, folder: store.folder, earlier: checkpoint.blobs, threads, port };
    let cause: unknown;
    try {
      const answer = (await pool.run(asked, { transferList: [port], signal: end.signal })) as ThreadAnswer;
      // What was given up stays so, though its answer comes a moment later.
      if (!isHanging) return answer;
    } catch (error) {
      if (!isHanging) throw error;
      cause = error;
    } finally {
      signal?.removeEventListener("abort", stop);
      clearTimeout(timer);
      told.close();
    }
    throw new Error(`no progress for ${patience} seconds: it was stopped`, { cause });
  };
  return {
    atOnce,
    async take(given, options = {}) {
      const { anew = false } = options;
      try {
        const started = performance.now();
        const { task, label } = checkTask(given, taskKinds);
        options.onLabel?.(label);
        const key = await keyOf(task);
        const before = anew ? undefined : await madeBefore(store, key);
        if (before) return { state: "done", made: before, seconds: 0 };
        const held = [await store.fetch(Object.values(task.blobs))];
        try {
          const checkpoint = await openCheckpoint(store, key);
          held.push(await fetched(store, checkpoint));
          if (Object.keys(checkpoint.blobs).length > 0) options.onCheckpoint?.("goes on from a checkpoint");
          const answer = await ask(task, checkpoint, options);
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
    [Symbol.asyncDispose]: () => pool.destroy(),
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
