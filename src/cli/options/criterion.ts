/** Options that say what tells importance. */

import { type Command, Option } from "commander";
import { criteria } from "../../criteria/table.ts";
import { gatePlaces, type GatePlace } from "../../prune/gate-places.ts";
import { normalisations, pers, scopes, type Normalisation, type Per, type Scope } from "../../prune/prices.ts";
import { seed } from "./values.ts";

/** What tells importance, and where and how it is measured. */
export interface CriterionFlags {
  readonly criterion: string;
  readonly gates: GatePlace;
  readonly probes?: number;
}

export const withCriterion = (command: Command): Command =>
  command
    .addOption(
      new Option("--criterion <name>", "what tells importance (see secateur criteria)")
        .choices([...criteria.keys()])
        .default("taylor-fo"),
    )
    .addOption(
      new Option("--gates <place>", "where gates stand: the default is where they remove a unit")
        .choices(gatePlaces)
        .default("after-bn"),
    )
    .option(
      "--probes <n>",
      "random directions to estimate second derivatives from; 0 is exact (default: 0 up to 300 units, else 32)",
      seed,
    );

/** What is made of importances before units are compared. */
export interface RankingFlags {
  readonly scope: Scope;
  readonly normalise: Normalisation;
  readonly per?: Per;
}

/** What the commands that rank units do by default. */
interface RankingDefaults {
  readonly scope: Scope;
  readonly scopes: string;
  /** What importance is counted per, where it is not said. */
  readonly per: string;
}

export const withRanking = (command: Command, { scope, scopes: described, per }: RankingDefaults): Command =>
  command
    .addOption(new Option("--scope <scope>", described).choices(scopes).default(scope))
    .addOption(
      new Option(
        "--per <what>",
        `what importance is counted per: a unit, or what removing it saves (default: ${per})`,
      ).choices(pers),
    )
    .addOption(
      new Option("--normalise <how>", "what importances are divided by within a group, before groups are compared")
        .choices(normalisations)
        .default("none"),
    );
