/** Options that say what tells importance. */

import type { Command } from "commander";
import { criterionName, gates, normalise, per, probes, scope } from "../../options/ranking.ts";
import type { GatePlace } from "../../prune/gates/gate-places.ts";
import type { Normalisation, Per, Scope } from "../../prune/select/ranking.ts";
import { flag, withGroup } from "./flag.ts";

/** What tells importance, and where and how it is measured. */
export interface CriterionFlags {
  readonly criterion: string;
  readonly gates: GatePlace;
  readonly probes?: number;
}

export const withCriterion = (command: Command): Command =>
  withGroup(
    command,
    "Importance",
    [flag("--criterion <name>", criterionName.default("taylor-fo"))],
    [flag("--gates <place>", gates), flag("--probes <n>", probes)],
  );

/** What is made of importances before units are compared. */
export interface RankingFlags {
  readonly scope: Scope;
  readonly normalise: Normalisation;
  readonly per?: Per;
}

/** @param counted what importance is counted per where it is not said */
export const withRanking = (command: Command, among: Scope, counted: string): Command =>
  withGroup(
    command,
    "Importance",
    [],
    [
      flag("--per <what>", per.describe(`what importance is counted per (default: ${counted})`)),
      flag("--normalise <how>", normalise),
      flag("--scope <scope>", scope.default(among)),
    ],
  );
