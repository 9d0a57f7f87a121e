/** Budgets as they are typed: shares, percentages, and numbers that say what they count. */

import { InvalidArgumentError } from "commander";
import type { Budget, LatencyBudget } from "../options/budget.ts";
import { withForm } from "./forms.ts";

/** What a number counts: the word that is typed behind it, a pattern of that word, and how texts call it. */
interface Kind {
  readonly word: string;
  readonly pattern: string;
  readonly what: string;
}

const kinds: Readonly<Record<keyof Budget, Kind>> = {
  macs: { word: "macs", pattern: "macs?", what: "multiply-accumulates" },
  params: { word: "params", pattern: "params?", what: "parameters" },
  bytes: { word: "B", pattern: "b|bytes?", what: "bytes" },
  units: { word: "units", pattern: "units?", what: "units" },
};

const powers: Readonly<Record<string, number>> = { "": 1, k: 1e3, m: 1e6, g: 1e9 };
const milliseconds: Readonly<Record<string, number>> = { us: 1e-3, µs: 1e-3, ms: 1, s: 1e3 };

/** From here on, a number alone can be no percentage. */
const mostAsked = 100;
/** "10 times fewer" is said of so much at most. */
const mostTimes = 10;

const number = String.raw`(\d+\.?\d*(?:e[+-]?\d+)?|\.\d+)`;

const refuse = (text: string): never => {
  throw new InvalidArgumentError(text);
};

/**
 * The share that a text says, or its number where it is one above what can be a percentage;
 * nothing where the text is something else.
 *
 * @param readings what a number alone may mean besides a percentage, as commands to type
 */
function bareOrPercent(flag: string, text: string, readings: (value: number) => readonly string[]): number | undefined {
  const [, percent] = new RegExp(`^${number} *%$`, "i").exec(text) ?? [];
  if (percent !== undefined) {
    const share = Number(percent) / 100;
    return share > 0 && share < 1 ? share : refuse("A percentage is above 0 % and below 100 %, which keeps all.");
  }
  if (!new RegExp(`^${number}$`, "i").test(text)) return undefined;
  const value = Number(text);
  if (value === 0) refuse("It must be above 0.");
  if (value === 1) refuse(`With 1 all stays: ask for less, as ${flag} 0.5, or for 1 % by ${flag} 0.01.`);
  if (value < 1 || value >= mostAsked) return value;
  const all = [`${value} % (${flag} ${rounded(value / 100)})`, ...readings(value)];
  return refuse(`Did you mean ${all.slice(0, -1).join(", ")} or ${all.at(-1)}?`);
}

const rounded = (value: number): number => Number(value.toPrecision(3));

const times = (flag: string, value: number, less: string): string[] =>
  value > mostTimes ? [] : [`${value} times ${less} (${flag} ${rounded(1 / value)})`];

/** 0.5, 50%, 50M, 1.2Gmacs: shares up to 1, numbers above. */
export function budgetOf(key: keyof Budget): (text: string) => number {
  const { word, pattern, what } = kinds[key];
  const flag = `--${key}`;
  const counted = new RegExp(`^${number} *([kmg]?)(${pattern})?$`, "i");
  const parse = (given: string): number => {
    const text = given.trim();
    const bare = bareOrPercent(flag, text, (value) => [
      ...times(flag, value, "fewer"),
      ...(Number.isInteger(value) ? [`${value} ${what} (${flag} ${value}${word})`] : []),
    ]);
    if (bare !== undefined) return bare;
    const [, amount, power = ""] = counted.exec(text) ?? [];
    if (amount === undefined) return refuse(`It must look like 0.5, 50%, 50M or 300${word}.`);
    const value = Number(amount) * powers[power.toLowerCase()]!;
    return value > 1 ? value : refuse(`A number of ${what} is above 1.`);
  };
  return withForm(parse, {
    anyOf: [
      { type: "number", exclusiveMinimum: 0 },
      { type: "string", pattern: "^[0-9.]+(e[0-9]+)? *(%|[kKmMgG]?[A-Za-z]*)$" },
    ],
  });
}

const timed = new RegExp(`^${number} *(ms|us|µs|s)$`, "i");

/** 0.5, 50%, 3ms: a share, or a time. */
export const latencyOf = withForm(
  (given: string): LatencyBudget => {
    const text = given.trim();
    const bare = bareOrPercent("--latency", text, (value) => [
      ...times("--latency", value, "less"),
      `${value} ms (--latency ${value}ms)`,
    ]);
    if (bare !== undefined) return bare > 1 ? { milliseconds: bare } : bare;
    const [, amount, unit = ""] = timed.exec(text) ?? [];
    if (amount === undefined) return refuse("It must look like 0.5, 50%, 3ms or 800us.");
    const value = Number(amount) * milliseconds[unit.toLowerCase()]!;
    return value > 0 ? { milliseconds: value } : refuse("It must be above 0.");
  },
  {
    anyOf: [
      { type: "number", exclusiveMinimum: 0 },
      { type: "string", pattern: "^[0-9.]+(e-?[0-9]+)? *(%|ms|us|µs|s)$" },
    ],
  },
);
