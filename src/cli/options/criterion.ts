/** Options that say what tells importance. */

import { type Command, Option } from "commander";
import { criteria } from "../../criteria/table.ts";
import { gatePlaces, type GatePlace } from "../../prune/gate-places.ts";
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
