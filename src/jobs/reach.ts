/** Budgets that cannot be met: what has to stay is more. They are refused before anything is learned. */

import { fail, option } from "../graph/error.ts";
import type { Analysis } from "../prune/coupling/analysis.ts";
import { floorsOf } from "../prune/select/limits.ts";
import type { Limits } from "../options/ranking.ts";
import type { Budget } from "../options/budget.ts";
import { smallestOf, type Smallest } from "../prune/select/smallest.ts";
import type { State } from "./prune-events.ts";

/** What keeps units from going. */
export interface Holds {
  readonly limits?: Limits | undefined;
  readonly roundTo?: number | undefined;
}

/** The smallest that a model can become while it keeps what it has to. */
export const leastOf = (analysis: Analysis, { limits = {}, roundTo }: Holds): Smallest =>
  smallestOf(analysis, { floors: floorsOf(analysis, limits), roundTo });

const counted = {
  macs: "multiply-accumulates",
  params: "parameters",
  bytes: "bytes",
  units: "units",
} as const satisfies Record<keyof Budget, string>;

/**
 * Refuses a target that lies below the smallest model there can be.
 *
 * @throws SecateurError `bad-option` with the least that can be reached, and which options hold it up
 */
export function refuseUnreachable(
  analysis: Analysis,
  { costs, units }: Pick<State, "costs" | "units">,
  target: Budget,
  holds: Holds,
): void {
  const least = leastOf(analysis, holds);
  if (!least.isLeast) return;
  const all = { ...costs, units };
  for (const key of Object.keys(counted) as (keyof Budget)[]) {
    const wanted = target[key];
    if (wanted === undefined || wanted >= least[key]) continue;
    const told = (value: number): string => `${whole(value)} (${percent(value / all[key])})`;
    const held = heldBy(analysis, holds, least, key).map(({ name, value }) => `${told(value)} without ${name}`);
    const isNumber = wanted > 1 && wanted <= mistaken;
    fail(
      "bad-option",
      `${option(`budget.${key}`)} cannot be met: of ${whole(all[key])} ${counted[key]} at least ` +
        `${told(least[key])} stay, ${whole(wanted)} are asked for` +
        `${isNumber ? " (a share is at most 1, as 0.5)" : ""}. ` +
        `Ask for ${option(`budget.${key}`, roundedUp(least[key] / all[key]))} or ` +
        `more${held.length > 0 ? `, or let more go: ${listed(held)}` : ""}`,
    );
  }
}

/** A number so small may have been meant as a percentage. */
const mistaken = 100;

const listed = (parts: readonly string[]): string =>
  parts.length > 1 ? `${parts.slice(0, -1).join(", ")} or ${parts.at(-1)}` : parts.join("");

/** What holds up so little is not worth a word. */
const slight = 0.01;

/** The options without which less would stay, the most effective first, with how much. */
function heldBy(
  analysis: Analysis,
  holds: Holds,
  least: Smallest,
  key: keyof Budget,
): { readonly name: string; readonly value: number }[] {
  return lifted(holds)
    .map(([name, others]) => ({ name, value: leastOf(analysis, others)[key] }))
    .filter(({ value }) => value < least[key] * (1 - slight))
    .toSorted((a, b) => a.value - b.value);
}

/** The same holds without one of them, by its name. */
function lifted({ limits = {}, roundTo = 1 }: Holds): [name: string, holds: Holds][] {
  const { keep = [], minUnits = 1, ratios } = limits;
  const patterns = [...(ratios?.keys() ?? [])];
  const all: [boolean, string, Holds][] = [
    [keep.length > 0, option("limits.keep", keep), { roundTo, limits: { ...limits, keep: [] } }],
    [
      patterns.length > 0,
      `${option("limits.ratios")} (${patterns.join(", ")})`,
      { roundTo, limits: { ...limits, ratios: new Map() } },
    ],
    [minUnits > 1, option("limits.minUnits", minUnits), { roundTo, limits: { ...limits, minUnits: 1 } }],
    [roundTo > 1, option("roundTo", roundTo), { limits }],
    [
      minUnits === 1,
      `a unit of every group, by ${option("limits.minUnits", 0)},`,
      { roundTo, limits: { ...limits, minUnits: 0 } },
    ],
  ];
  return all.flatMap(([isSet, name, others]) => (isSet ? [[name, others] as [string, Holds]] : []));
}

const whole = (value: number): string => Math.ceil(value).toLocaleString("en-US");
const percent = (share: number): string => `${Number((100 * share).toPrecision(3))} %`;

/** A share with two digits that is no less. */
function roundedUp(share: number): number {
  const digits = 1 - Math.floor(Math.log10(share));
  return Number((Math.ceil(share * 10 ** digits) / 10 ** digits).toFixed(digits));
}
