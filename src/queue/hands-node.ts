/** The hands of a machine: threads that do tasks, each with the blobs that it needs on the disk beside it. */

import { MessageChannel } from "node:worker_threads";
import { Piscina } from "piscina";
import type { CachedStore } from "../distribute/cached-store-node.ts";
import { LostBlobs } from "../distribute/store.ts";
import { checkTask, keepMade, keyOf, madeBefore, type Made, type Refusal } from "../distribute/task.ts";
import { SecateurError } from "../graph/error.ts";
import type { AskedOfThread, ThreadAnswer } from "./task-worker-node.ts";
import { taskKinds } from "./tasks/table.ts";

/** Sources are not what a worker of Node 20 can run: tests take the worker that was built. */
const here = import.meta.url;
const worker = new URL(`${here.endsWith(".ts") ? "../../dist/queue/" : "./"}task-worker-node.js`, here);

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
  const ask = async (task: unknown, { signal, onProgress }: TakeOptions): Promise<ThreadAnswer> => {
    const { port1: told, port2: port } = new MessageChannel();
    const hanging = new AbortController();
    const wait = () => setTimeout(() => hanging.abort(), patience * 1000).unref();
    let timer = wait();
    told.on("message", ({ done, all }: { done: number; all: number }) => {
      clearTimeout(timer);
      timer = wait();
      onProgress?.(done, all);
    });
    told.unref();
    const asked: AskedOfThread = { task, folder: store.folder, threads, port };
    try {
      const ends = AbortSignal.any([hanging.signal, ...(signal ? [signal] : [])]);
      return (await pool.run(asked, { transferList: [port], signal: ends })) as ThreadAnswer;
    } catch (error) {
      if (hanging.signal.aborted)
        throw new Error(`no progress for ${patience} seconds: it was stopped`, { cause: error });
      throw error;
    } finally {
      clearTimeout(timer);
      told.close();
    }
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
        const release = await store.fetch(Object.values(task.blobs));
        try {
          const answer = await ask(task, options);
          if ("lost" in answer) return { state: "lost", digests: answer.lost };
          if ("refused" in answer) return { state: "refused", refusal: answer.refused };
          const made = await keepMade(store, key, answer, anew);
          return { state: "done", made, seconds: (performance.now() - started) / 1000 };
        } finally {
          release();
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
