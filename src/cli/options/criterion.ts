/** Options that say what tells importance. */

import type { Command } from "commander";
import type { SettledOf } from "../../options/kinds.ts";
import { criterionName, measuring, ranking, scope, type CriterionName, type Scope } from "../../options/ranking.ts";
import { flag, flagsOf, withGroup } from "./flag.ts";

/** What tells importance, and where and how it is measured. */
export interface CriterionFlags extends SettledOf<typeof measuring> {
  readonly criterion: CriterionName;
}

export const withCriterion = (command: Command): Command =>
  withGroup(
    command,
    "Importance",
    [flag("--criterion <name>", criterionName.default("taylor-fo"))],
    flagsOf(measuring, { gates: "<place>", probes: "<n>" }),
  );

/** What is made of importances before units are compared. */
export interface RankingFlags extends SettledOf<typeof ranking> {
  readonly scope: Scope;
}

/** @param counted what importance is counted per where it is not said */
export const withRanking = (command: Command, among: Scope, counted: string): Command =>
  withGroup(
    command,
    "Importance",
    [],
    [
      flag("--per <what>", ranking.per.unwrap().describe(`what importance is counted per (default: ${counted})`)),
      ...flagsOf(ranking, { normalise: "<how>" }),
      flag("--scope <scope>", scope.default(among)),
    ],
  );
