/** Why a choice of units is empty, and scores that are another model's. */

import { fail, option } from "../../graph/error.ts";
import type { Analysis } from "../coupling/analysis.ts";
import type { Importances } from "./ranking.ts";
import type { SelectOptions } from "./select.ts";

/**
 * Refuses scores that are not of these groups: a group without any, or with those of another number of units.
 *
 * @throws SecateurError `bad-plan` naming the group
 */
export function refuseOtherScores({ groups }: Analysis, scores: Importances): void {
  const again = `score this model, with the ${option("shapes")} of the plan`;
  for (const { name, units } of groups) {
    const own = scores.get(name);
    if (own === undefined) fail("bad-plan", `the scores have no group "${name}": ${again}`);
    if (own.length !== units.length)
      fail("bad-plan", `the scores have ${own.length} units of group "${name}", which has ${units.length}: ${again}`);
  }
  const names = new Set(groups.map(({ name }) => name));
  const other = [...scores.keys()].find((name) => !names.has(name));
  if (other !== undefined) fail("bad-plan", `the scores have a group "${other}", which the model has not: ${again}`);
}

/**
 * Refuses a choice of no units, with the first reason for it.
 *
 * @throws SecateurError `bad-option` saying what to ask for instead
 */
export function refuseNothing(
  { groups }: Analysis,
  removal: ReadonlyMap<string, readonly number[]>,
  { ratio, scope, roundTo = 1, floors, ratios }: SelectOptions,
): void {
  if (removal.size > 0) return;
  const nothing = "the plan removes nothing";
  const free = groups.map(({ name, units }) => units.length - (floors?.get(name) ?? 1));
  if (free.every((count) => count <= 0))
    fail(
      "bad-option",
      `${nothing}: every group has to keep all its units; lower ${option("minUnits")} or take back a ${option("keep")}`,
    );
  const total = groups.reduce((sum, { units }) => sum + units.length, 0);
  const largest = Math.max(...groups.map(({ units }) => units.length));
  const shares = groups.map(({ name, units }) => {
    const share = ratios?.get(name) ?? (scope === "local" ? ratio : 0);
    return Math.floor(share * units.length);
  });
  if (scope !== "local" && Math.floor(ratio * total) === 0)
    fail("bad-option", `${nothing}: a share of ${ratio} of ${total} units is less than one; raise ${option("ratio")}`);
  if (scope === "local" && shares.every((count) => count === 0))
    fail(
      "bad-option",
      `${nothing}: a share of ${ratio} is less than one unit of every group, the largest of which has ` +
        `${largest}; raise ${option("ratio")}, or take it of the whole net by ${option("scope", "global")}`,
    );
  if (roundTo > 1)
    fail(
      "bad-option",
      `${nothing}: what would go is less than the ${roundTo} units that ${option("roundTo")} takes at a time`,
    );
  fail(
    "bad-option",
    `${nothing}: what the share would take has to stay by ${option("keep")}, ${option("minUnits")} or a share ` +
      `of its own`,
  );
}
