/** Values of options that several commands take: numbers, sizes, lists. */

import { InvalidArgumentError } from "commander";
import type { Shape } from "../../graph/tensor.ts";
import { withForm } from "../forms.ts";

/** Parses a number within bounds, or says which. */
export function numberIn(low: number, high: number, whole = false): (text: string) => number {
  const from = low === Number.MIN_VALUE ? "above 0" : `from ${low}`;
  const bounds = high === Number.MAX_VALUE || high === Number.MAX_SAFE_INTEGER ? from : `${from} to ${high}`;
  const parse = (text: string): number => {
    const value = Number(text);
    if (text.trim() === "" || !(value >= low && value <= high) || (whole && !Number.isInteger(value)))
      throw new InvalidArgumentError(`It must be a ${whole ? "whole " : ""}number ${bounds}.`);
    return value;
  };
  return withForm(parse, {
    type: whole ? "integer" : "number",
    ...(low === Number.MIN_VALUE ? { exclusiveMinimum: 0 } : { minimum: low }),
    ...(high === Number.MAX_VALUE || high === Number.MAX_SAFE_INTEGER ? {} : { maximum: high }),
  });
}

export const count = numberIn(1, Number.MAX_SAFE_INTEGER, true);
export const countOrNone = numberIn(0, Number.MAX_SAFE_INTEGER, true);
/** A count, or what suits the machine. */
export const countOrAuto = withForm((text: string): number | "auto" => (text === "auto" ? text : count(text)), {
  anyOf: [{ const: "auto" }, { type: "integer", minimum: 1 }],
});
export const seed = numberIn(0, Number.MAX_SAFE_INTEGER, true);
export const positive = numberIn(Number.MIN_VALUE, Number.MAX_VALUE);
/** More threads than any processor has make the runtime hang for minutes. */
export const threadCount = numberIn(1, 256, true);
/** A learning rate, or what a trial finds. */
export const rateOrAuto = withForm((text: string): number | "auto" => (text === "auto" ? text : positive(text)), {
  anyOf: [{ const: "auto" }, { type: "number", exclusiveMinimum: 0 }],
});
export const notNegative = numberIn(0, Number.MAX_VALUE);

const unitsOfMemory = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 } as const;

/** Bytes, or as 800MB and 2GB. */
export const memorySize = withForm(
  (text: string): number => {
    const [, number, unit = ""] = /^(\d+(?:\.\d+)?)\s*(?:([KMG])i?B)?$/i.exec(text.trim()) ?? [];
    const bytes = Number(number) * unitsOfMemory[unit.toUpperCase() as keyof typeof unitsOfMemory];
    if (!(bytes >= 1)) throw new InvalidArgumentError("It must be bytes, or look like 800MB or 2GB.");
    return Math.floor(bytes);
  },
  {
    anyOf: [
      { type: "integer", minimum: 1 },
      { type: "string", pattern: "^[0-9.]+ *([KMGkmg]i?[Bb])?$" },
    ],
  },
);

export function numberList(text: string): number[] {
  const values = text.split(",").map(Number);
  if (values.some((value) => !Number.isFinite(value)))
    throw new InvalidArgumentError("It must be numbers with commas between them.");
  return values;
}

/** 3x32x32 */
export function sizesOf(text: string): Shape {
  if (!/^\d+(x\d+)*$/.test(text)) throw new InvalidArgumentError("It must look like 3x32x32.");
  return text.split("x").map(Number);
}
