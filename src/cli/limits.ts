/** Options that say what has to stay, and how widths are rounded. */

import { type Command, InvalidArgumentError } from "commander";
import type { Limits } from "../prune/limits.ts";
import { withForm } from "./forms.ts";
import { countOrAuto, countOrNone } from "./options/values.ts";
import { note } from "./output.ts";

export interface LimitFlags {
  readonly keep?: readonly string[];
  readonly minUnits?: number;
  readonly roundTo?: number | "auto";
}

/** Shares by patterns of groups; "" stands for all other groups. */
export type Ratios = Readonly<Record<string, number>>;

const collect = (pattern: string, known: readonly string[] = []): string[] => [...known, pattern];

export const withLimits = (command: Command): Command =>
  command
    .option("--keep <pattern>", "groups that stay whole, as 'layer4.*'; may be repeated", collect)
    .option(
      "--min-units <n>",
      "units of every group that stay at least (default: 1); with 0 groups go as a whole where they can, as the inside of a residual block",
      countOrNone,
    )
    .option(
      "--round-to <n>",
      "what remains of a group is a multiple of this; auto: of the channels that this machine's kernels take at a time",
      countOrAuto,
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
