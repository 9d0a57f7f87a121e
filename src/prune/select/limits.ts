/** What has to stay of each group, and patterns that name groups. */

import type { Limits } from "../../options/ranking.ts";
import { fail } from "../../graph/error.ts";
import type { Analysis } from "../coupling/analysis.ts";
import { whyNotWhole } from "../cut/whole.ts";

/** Whether a pattern, in which `*` stands for any text, names a group. */
export function namesGroup(pattern: string, name: string): boolean {
  const parts = pattern.split("*").map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join(".*")}$`, "s").test(name);
}

/**
 * How many units of each group have to stay, by the group's name; at least 1 of those that cannot go as a whole.
 *
 * @throws SecateurError `bad-option` for a pattern that names no group, and a share that is none
 */
export function floorsOf(
  found: Analysis,
  { keep = [], minUnits = 1, ratios = new Map() }: Limits,
): Map<string, number> {
  const { groups } = found;
  for (const pattern of [...keep, ...ratios.keys()])
    if (!groups.some(({ name }) => namesGroup(pattern, name)))
      fail(
        "bad-option",
        `no group is named "${pattern}"; the groups are ${groups
          .slice(0, 8)
          .map(({ name }) => name)
          .join(", ")}${groups.length > 8 ? ", ..., see secateur inspect" : ""}`,
      );
  const shares = ratiosOf({ groups }, ratios);
  return new Map(
    groups.map(({ name, units }) => {
      const whole = keep.some((pattern) => namesGroup(pattern, name));
      const share = shares.get(name);
      const least = share === undefined ? 0 : units.length - Math.floor(share * units.length);
      const wanted = whole ? units.length : Math.min(units.length, Math.max(minUnits, least));
      return [name, wanted > 0 || whyNotWhole(found, [name]) === undefined ? wanted : 1];
    }),
  );
}

/** The share that goes of each group that a pattern names. */
export function ratiosOf(
  { groups }: Pick<Analysis, "groups">,
  ratios: ReadonlyMap<string, number>,
): Map<string, number> {
  const found = new Map<string, number>();
  for (const [pattern, share] of ratios) {
    if (!(share >= 0 && share <= 1))
      fail("bad-option", `the ratio of "${pattern}" is ${share}; it must be from 0 to 1`);
    for (const { name } of groups) if (namesGroup(pattern, name)) found.set(name, share);
  }
  return found;
}
