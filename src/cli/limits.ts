/** Options that say what has to stay, and how widths are rounded. */

import { type Command, InvalidArgumentError } from "commander";
import type { SettledOf } from "../options/kinds.ts";
import { limits, roundTo, type Limits } from "../options/ranking.ts";
import { withForm } from "./forms.ts";
import { flag, flagsOf, withGroup } from "./options/flag.ts";
import { note } from "./output.ts";

export interface LimitFlags extends Omit<SettledOf<typeof limits>, "ratios"> {
  readonly roundTo?: number | "auto";
}

/** Shares by patterns of groups; "" stands for all other groups. */
export type Ratios = Readonly<Record<string, number>>;

export const withLimits = (command: Command): Command =>
  withGroup(
    command,
    "Budget",
    [...flagsOf(limits, { keep: "<pattern>" }), flag("--round-to <n>", roundTo)],
    flagsOf(limits, { minUnits: "<n>" }),
  );

/** 0.5, or layer2.*=0.3 */
export const ratioOf = withForm(readRatio, {
  anyOf: [
    { type: "number", minimum: 0, maximum: 1 },
    { type: "string" },
    { type: "array", items: { type: ["string", "number"] } },
  ],
});

function readRatio(text: string, known: Ratios = {}): Ratios {
  const equals = text.lastIndexOf("=");
  const share = Number(text.slice(equals + 1));
  if (text.slice(equals + 1).trim() === "" || !(share >= 0 && share <= 1))
    throw new InvalidArgumentError("It must be a number from 0 to 1, or PATTERN=SHARE for some groups.");
  return { ...known, [equals < 0 ? "" : text.slice(0, equals)]: share };
}

/** layer2.*=0.3 */
export function patternRatio(text: string, known?: Ratios): Ratios {
  if (!text.includes("=")) throw new InvalidArgumentError("It must look like 'layer2.*=0.3'.");
  return ratioOf(text, known);
}

/** What has to stay, for the shares that are given by patterns. */
export function limitsOf({ keep, minUnits }: LimitFlags, ratios: Ratios = {}): Limits {
  const patterns = Object.entries(ratios).filter(([pattern]) => pattern !== "");
  return { keep, minUnits, ratios: new Map(patterns) };
}

/** Says what `--round-to auto` came to. */
export const noteRounding = (roundTo: number): void =>
  note(
    roundTo === 1
      ? "the kernels here do not take channels in blocks: widths are not rounded"
      : `this machine's kernels take ${roundTo} channels at a time: widths are rounded to ${roundTo}`,
  );
