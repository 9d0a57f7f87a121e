/** What a person at a terminal sees: results on stdout, progress on stderr. */

import { stderr, stdout } from "node:process";
import { Command } from "commander";
import pc from "picocolors";
import type { ProgressEvent } from "../jobs/job.ts";

export { accuracyOf, lostFigure, metricFigure, percent, short } from "../report/figures.ts";

/** A line of progress is written at most this often where there is no terminal, and at least so often when nothing new is to be told. */
const quietInterval = 2000;
const terminalInterval = 100;

/**
 * Text with every control character but ends of lines and tabs as an escape, which JSON reads as the same. Names come from model
 * files, and a terminal would obey them.
 */
export const printable = (text: string): string =>
  text.replaceAll(/[^\P{Cc}\n\t]/gu, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** More of an error says nothing further: a name may be as long as a file. */
const longestError = 2000;

/** Help, results and errors are coloured by one rule, commander's: on terminals, unless NO_COLOR or FORCE_COLOR says otherwise. */
const { getOutHasColors, getErrHasColors } = new Command().configureOutput();
const outStyle = () => pc.createColors(Boolean(getOutHasColors!()));
const errStyle = () => pc.createColors(Boolean(getErrHasColors!()));

export function print(text: string): void {
  stdout.write(`${printable(text)}\n`);
}

const write = (text: string): void => {
  stderr.write(`${stderr.isTTY === true ? freshLine : ""}${text}\n`);
};

export function printJson(value: unknown): void {
  print(JSON.stringify(value, undefined, 2));
}

/** Puts the cursor back and clears what stands on the line. */
const freshLine = "\r\u001B[2K";

/** Says something that is no result, instead of the progress that may stand on the line. */
export function note(text: string): void {
  write(printable(text));
}

/** Work was stopped from outside in a way that it can go on from. */
export class Interruption extends Error {}
/** What errors start with. */
export const prefix = (): string => errStyle().red("secateur:");

/** Says why nothing came of it, in one line unless it is a stack. */
export function complain(message: string): void {
  const text = message.length > longestError ? `${message.slice(0, longestError)} ...` : message;
  write(`${prefix()} ${printable(text)}`);
}

/** An error of what was given: its names may hold ends of lines. */
export const complainOf = ({ message }: Error): void => complain(message.replaceAll("\n", "\\n"));

/** A table whose first row is its heading, as a result. */
export const printTable = (rows: readonly (readonly string[])[]): void => printStyled(headed(rows));

/** Prints what {@link headed} gave, whose colours are our own. */
export function printStyled(text: string): void {
  stdout.write(`${text}\n`);
}

/** The same beside the result. */
export const noteTable = (rows: readonly (readonly string[])[]): void => write(headed(rows, errStyle()));

/** The lines of a table whose first is a heading. */
export function headed(rows: readonly (readonly string[])[], { bold } = outStyle()): string {
  const [heading, ...body] = table(rows).split("\n");
  return [bold(heading!), ...body].join("\n");
}

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
  const show = (line: string): void => {
    last = performance.now();
    shown = true;
    stderr.write(terminal ? `${freshLine}${line.slice(0, (stderr.columns ?? 80) - 1)}` : `${line}\n`);
  };
  const heartbeat = setInterval(() => {
    const now = performance.now();
    if (now - Math.max(last, since) < quietInterval - quietInterval / 8) return;
    show(now - since < quietInterval / 2 ? text : `${text} (${Math.round((now - since) / 1000)} s)`);
  }, quietInterval / 4);
  heartbeat.unref();
  return {
    update(now) {
      [text, since] = [now, performance.now()];
      if (since - last >= interval) show(text);
    },
    done(now) {
      if (terminal && shown) stderr.write(freshLine);
      if (now !== undefined) note(now);
      shown = false;
      [text, since, last] = [doing, performance.now(), Number.NEGATIVE_INFINITY];
    },
    [Symbol.dispose]: () => clearInterval(heartbeat),
  };
}

/** Shows how many samples are done, or rounds. */
export function reportProgress(progress: Progress): (event: ProgressEvent) => void {
  const started = performance.now();
  return ({ kind, done, all }) =>
    progress.update(
      kind === "rounds"
        ? `round ${done} of ${all}`
        : `${done} ${kind}${all === undefined ? "" : ` of ${all}, ${remaining(started, done, all)}`}`,
    );
}

/** Columns of equal width; the first is to the left, the others to the right. */
export function table(cells: readonly (readonly string[])[]): string {
  const rows = cells.map((row) => row.map(printable));
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
