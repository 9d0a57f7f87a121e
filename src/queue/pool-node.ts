/** Threads that do tasks, and the watch that ends a task which makes no progress. */

import { MessageChannel } from "node:worker_threads";
import { Piscina } from "piscina";
import type { TaskCheckpoint } from "../distribute/task-checkpoint.ts";
import type { AskedOfThread, ThreadAnswer, ToldByThread, ToldToThread } from "./task-worker-node.ts";

/** Sources are not what a worker of Node 20 can run: tests take the worker that was built. */
const here = import.meta.url;
const worker = new URL(`${here.endsWith(".ts") ? "../../dist/queue/" : "./"}task-worker-node.js`, here);

/** Milliseconds that work has to end by itself once it is to stop. */
const grace = 2000;

export interface PoolOptions {
  readonly atOnce: number;
  /** Threads of the runtime for each task. */
  readonly threads: number;
  /** Seconds without any progress after which a task is stopped. */
  readonly patience: number;
}

export interface AskOptions {
  readonly signal?: AbortSignal | undefined;
  /** Is told that it goes on from what an earlier try kept, or why something was not kept. */
  readonly onCheckpoint?: ((text: string) => void) | undefined;
  readonly onProgress?: ((done: number, all: number) => void) | undefined;
}

export interface Pool extends AsyncDisposable {
  /**
   * Has a thread do a task whose blobs are in a folder, from its checkpoint on.
   *
   * @throws what the thread throws, and an error where there was no progress for too long
   */
  ask(
    asked: Pick<AskedOfThread, "task" | "folder">,
    checkpoint: TaskCheckpoint,
    options: AskOptions,
  ): Promise<ThreadAnswer>;
}

/** They start with the first task. */
export function openPool({ atOnce, threads, patience }: PoolOptions): Pool {
  const piscina = new Piscina({
    filename: worker.href,
    name: "run",
    minThreads: 0,
    maxThreads: atOnce,
    idleTimeout: Number.POSITIVE_INFINITY,
    atomics: "disabled",
  });
  return {
    async ask(asked, checkpoint, { signal, onProgress, onCheckpoint }) {
      signal?.throwIfAborted();
      const { port1: told, port2: port } = new MessageChannel();
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have none
      const tell = (kind: ToldToThread["kind"]): void => told.postMessage({ kind } satisfies ToldToThread);
      const end = new AbortController();
      let isHanging = false;
      // A runtime that is stopped in the middle of its work may end the whole process: the work is asked first.
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
      const whole: AskedOfThread = { ...asked, earlier: checkpoint.blobs, threads, port };
      let cause: unknown;
      try {
        const answer = (await piscina.run(whole, { transferList: [port], signal: end.signal })) as ThreadAnswer;
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
    },
    [Symbol.asyncDispose]: () => piscina.destroy(),
  };
}
