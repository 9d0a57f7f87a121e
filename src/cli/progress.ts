/**
 * The line that tells how the work goes. It is ours, with a thread behind it (pulse.ts): ora and listr2 draw nothing
 * while the event loop is blocked, and building the graph of a large model blocks it for seconds.
 */

import { stderr } from "node:process";
import type { ProgressEvent } from "../jobs/job.ts";
import { freshLine, note } from "./output.ts";
import { startPulse } from "./pulse.ts";

/** A line on a terminal is rewritten at most this often. */
const terminalInterval = 100;
/** Elsewhere progress that has been made is told so many times. */
const marks = 10;

export interface Progress extends Disposable {
  /**
   * Shows the state of the work: on a terminal in place, elsewhere once nothing has been said for long (pulse.ts).
   *
   * @param done the share of a stage that is done: elsewhere a line tells of every tenth
   */
  update(text: string, done?: number): void;
  /** Ends a stage of the work with a line that stays. */
  done(text?: string): void;
}

/** @param doing what is done before the first update */
export function createProgress(doing: string): Progress {
  const terminal = stderr.isTTY === true;
  const pulse = startPulse(doing, terminal ? (stderr.columns ?? 80) : undefined);
  let last = Number.NEGATIVE_INFINITY;
  let marked = 0;
  const isDue = (now: number, done: number): boolean => {
    if (terminal) return now - last >= terminalInterval;
    const before = marked;
    marked = Math.max(marked, Math.floor(done * marks));
    return marked > before;
  };
  return {
    update(text, done = 0) {
      const now = performance.now();
      pulse.set(text);
      if (!isDue(now, done)) return;
      last = now;
      stderr.write(terminal ? `${freshLine}${text.slice(0, (stderr.columns ?? 80) - 1)}` : `${text}\n`);
      pulse.beat();
    },
    done(text) {
      if (terminal) stderr.write(freshLine);
      if (text !== undefined) {
        note(text);
        pulse.beat();
      }
      pulse.set("working");
      last = Number.NEGATIVE_INFINITY;
    },
    [Symbol.dispose]() {
      if (terminal) stderr.write(freshLine);
      pulse[Symbol.dispose]();
    },
  };
}

/** Shows how many samples are done, or rounds, of one piece of work after another. */
export function reportProgress(progress: Progress): (event: ProgressEvent) => void {
  let [started, before] = [performance.now(), 0];
  return ({ kind, done, all }) => {
    if (done < before) started = performance.now();
    before = done;
    progress.update(
      kind === "rounds" || kind === "forms"
        ? `${kind.slice(0, -1)} ${done} of ${all}`
        : `${done} ${kind}${all === undefined ? "" : ` of ${all}, ${remaining(started, done, all)}`}`,
    );
  };
}

/** How long is left, from how much is done of how much since a moment; `before` was done by then. */
export function remaining(started: number, done: number, all: number, before = 0): string {
  if (done <= before) return "";
  return `${duration(((performance.now() - started) / 1000) * ((all - done) / (done - before)))} left`;
}

/** Seconds, or minutes where they are many. */
export const duration = (seconds: number): string =>
  Math.round(seconds) < 90 ? `${Math.round(seconds)} s` : `${Math.round(Math.round(seconds) / 60)} min`;
