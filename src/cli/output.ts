/** What a person at a terminal sees: results on stdout, progress on stderr. */

import { stderr, stdout } from "node:process";

export { percent, short } from "../report/figures.ts";

/** A line of progress is written at most this often where there is no terminal, and at least so often when nothing new is to be told. */
const quietInterval = 2000;
const terminalInterval = 100;

export function print(text: string): void {
  stdout.write(`${text}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, undefined, 2));
}

/** Says something that is no result. */
export function note(text: string): void {
  stderr.write(`${text}\n`);
}

/** Work was stopped from outside in a way that it can go on from. */
export class Interruption extends Error {}

export interface Progress extends Disposable {
  /** Shows the state of the work: on a terminal in place, elsewhere as a line every few seconds. */
  update(text: string): void;
  /** Ends a stage of the work with a line that stays. */
  done(text?: string): void;
}

/** @param doing what is done before the first update */
export function createProgress(doing: string): Progress {
  const terminal = stderr.isTTY === true;
  const interval = terminal ? terminalInterval : quietInterval;
  let [text, since] = [doing, performance.now()];
  let last = Number.NEGATIVE_INFINITY;
  let shown = false;
  const write = (line: string): void => {
    last = performance.now();
    shown = true;
    stderr.write(terminal ? `\r\u001B[2K${line.slice(0, (stderr.columns ?? 80) - 1)}` : `${line}\n`);
  };
  const heartbeat = setInterval(() => {
    const now = performance.now();
    if (now - Math.max(last, since) < quietInterval - quietInterval / 8) return;
    write(now - since < quietInterval / 2 ? text : `${text} (${Math.round((now - since) / 1000)} s)`);
  }, quietInterval / 4);
  heartbeat.unref();
  return {
    update(now) {
      [text, since] = [now, performance.now()];
      if (since - last >= interval) write(text);
    },
    done(now) {
      if (terminal && shown) stderr.write("\r\u001B[2K");
      if (now !== undefined) note(now);
      shown = false;
      [text, since, last] = [doing, performance.now(), Number.NEGATIVE_INFINITY];
    },
    [Symbol.dispose]: () => clearInterval(heartbeat),
  };
}

/** Columns of equal width; the first is to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** How long is left, from how much is done of how much since a moment. */
export function remaining(started: number, done: number, all: number): string {
  if (done === 0) return "";
  const seconds = Math.round(((performance.now() - started) / 1000) * (all / done - 1));
  return seconds < 90 ? `${seconds} s left` : `${Math.round(seconds / 60)} min left`;
}
