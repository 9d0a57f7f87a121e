/** Pages as their readers see them: sentences without layout, tables, and the figures in them. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "csv-parse/sync";
import { root } from "../support.ts";

export const read = (path) => readFileSync(join(root, path), "utf8");
export const json = (path) => JSON.parse(read(path));
export const csv = (path) => parse(read(path), { columns: true });

export const share = (x, digits = 2) => `${(100 * x).toFixed(digits)} %`;
export const points = (x, digits = 2) => (100 * x).toFixed(digits);
export const millions = (n) => `${(n / 1e6).toFixed(2)} M`;
export const whole = (n) => n.toLocaleString("en-US");

/** A page on one line: without programs, comments and the targets of links. */
export const sentences = (markdown) =>
  markdown
    .replace(/^```[^]*?^```$/gm, " ")
    .replace(/<!--[^]*?-->/g, " ")
    .replace(/\]\([^)]*\)/g, "]")
    .replace(/\s+/g, " ");

/** A number with a unit. Those between backticks are options that somebody types. */
const figure = /\d[\d.,]*\s?(?:%|x\b|[mµ]?s\b|images\/s|[KMG]i?B\b|points?\b|minutes?\b|seconds?\b|times\b|dB\b)/g;

/** The figures of a text that stand in none of some phrases, with what is around them; and the phrases that it lacks. */
export function unclaimed(text, phrases) {
  const seen = [...text.replace(/`[^`]*`/g, (code) => " ".repeat(code.length))];
  const lacking = phrases.filter((phrase) => {
    let at = text.indexOf(phrase);
    if (at < 0) return true;
    for (; at >= 0; at = text.indexOf(phrase, at + 1)) seen.fill("·", at, at + phrase.length);
    return false;
  });
  const figures = [...seen.join("").matchAll(figure)].map(({ 0: found, index }) =>
    text.slice(Math.max(0, index - 50), index + found.length + 20),
  );
  return { lacking, figures };
}

/** How many figures a text has. */
export const count = (text) => unclaimed(text, []).figures.length;

/** The rows of the table of a page that begins with some heads. */
export function rowsOf(page, ...heads) {
  const cells = (line) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim());
  const lines = read(page).split("\n");
  const at = lines.findIndex((line) => heads.every((head, i) => cells(line)[i] === head));
  if (at < 0) throw new Error(`${page} has no table of ${heads.join(", ")}`);
  const rest = lines.slice(at + 2);
  return rest
    .slice(
      0,
      rest.findIndex((line) => !line.startsWith("|")),
    )
    .map(cells);
}
