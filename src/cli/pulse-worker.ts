/**
 * The thread of {@link startPulse}. It writes by itself: what a worker writes in the
 * usual way waits for the main thread.
 */

import { writeSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { patience } from "./patience.ts";

export interface Line {
  readonly text: string;
  /** Milliseconds from the start of the pulse. */
  readonly since: number;
}

export interface Shared {
  /** The start of the pulse in milliseconds of the clock. */
  readonly start: number;
  /** When something was said last, in milliseconds from the start. */
  readonly said: Int32Array;
  readonly columns: number | undefined;
  readonly line: Line;
}

/** Milliseconds between two looks. */
const tick = 100;
/** What has gone on for less is told without its time. */
const fresh = 1000;

/** Puts the cursor back and clears what stands on the line. */
const freshLine = "\r\u001B[2K";

const { start, said, columns, ...given } = workerData as Shared;
let { line } = given;
parentPort!.on("message", (next: Line) => (line = next));

setInterval(() => {
  const now = Date.now() - start;
  if (now - Atomics.load(said, 0) < patience(columns !== undefined, now)) return;
  Atomics.store(said, 0, now);
  const spent = now - line.since;
  const text = spent < fresh ? line.text : `${line.text} (${Math.round(spent / 1000)} s)`;
  write(columns === undefined ? `${text}\n` : `${freshLine}${text.slice(0, columns - 1)}`);
}, tick);

function write(text: string): void {
  try {
    writeSync(2, text);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Whoever reads is slower than we are, or has gone: the next sign will do.
    if (code !== "EAGAIN" && code !== "EPIPE") throw error;
  }
}
