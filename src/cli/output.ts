/** What a person at a terminal sees: results on stdout, notes and errors on stderr. */

import { stderr, stdout } from "node:process";
import { Command } from "commander";
import pc from "picocolors";
import { inFlags } from "./flags.ts";

export {
  accuracyOf,
  agreedFigure,
  changeFigure,
  countedOver,
  counted,
  dropFigure,
  lossFigure,
  metricLabel,
  negative,
  percent,
  pointsFigure,
  shareFigure,
  short,
  valueFigure,
} from "../report/figures.ts";

/**
 * Text with every control character but ends of lines and tabs as an escape, which JSON reads as the same. Names come
 * from model files, and a terminal would obey them.
 */
export const printable = (text: string): string =>
  text.replaceAll(/[^\P{Cc}\n\t]/gu, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** More of an error says nothing further: a name may be as long as a file. */
const longestError = 2000;

/**
 * Help, results and errors are coloured by one rule, commander's: on terminals, unless
 * NO_COLOR or FORCE_COLOR says otherwise.
 */
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
export const freshLine = "\r\u001B[2K";

/** Says something that is no result, instead of the progress that may stand on the line. */
export function note(text: string): void {
  write(printable(inFlags(text)));
}

/** Says that a model runs at one batch size alone. */
export const noteFixedBatch = (batch: number, why: string): void =>
  note(`the model runs at a batch of ${batch} only (${why}): minibatches are of ${batch}, whatever --batch-size says`);

/** Work was stopped from outside in a way that it can go on from. */
export class Interruption extends Error {}
/** What errors start with. */
export const prefix = (): string => errStyle().red("secateur:");

/** Says why nothing came of it, in one line. */
function complain(message: string): void {
  const text = message.length > longestError ? `${message.slice(0, longestError)} ...` : message;
  write(`${prefix()} ${printable(text)}`);
}

/** An error of what was given: its names may hold ends of lines. */
export const complainOf = ({ message }: Error): void => complain(inFlags(message).replaceAll("\n", "\\n"));

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
