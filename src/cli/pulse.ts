/**
 * Signs of life from a thread of their own: one that reads models and builds graphs is blocked by
 * that, for seconds where these are large.
 */

import { Worker } from "node:worker_threads";
import type { Line, Shared } from "./pulse-worker.ts";

/** Says what is going on where nothing has been said for long: see patience.ts. */
export interface Pulse extends Disposable {
  /** What goes on from now on. */
  set(text: string): void;
  /** Something was said. */
  beat(): void;
}

/** Sources are not what a worker of Node 20 can run: tests take the worker that was built. */
const here = import.meta.url;
const built = here.endsWith(".ts") ? "../../dist/cli/" : "./";

/**
 * @param columns of the terminal on which a line takes the place of the one before;
 * `undefined` where lines follow each other
 */
export function startPulse(text: string, columns: number | undefined): Pulse {
  const start = Date.now();
  const said = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const lineOf = (text: string): Line => ({ text, since: Date.now() - start });
  const worker = new Worker(new URL(`${built}pulse-worker.js`, here), {
    workerData: { start, said, columns, line: lineOf(text) } satisfies Shared,
    execArgv: [],
  });
  worker.unref();
  const beat = (): void => void Atomics.store(said, 0, Date.now() - start);
  return {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have none
    set: (text) => worker.postMessage(lineOf(text)),
    beat,
    [Symbol.dispose]() {
      beat();
      void worker.terminate();
    },
  };
}
