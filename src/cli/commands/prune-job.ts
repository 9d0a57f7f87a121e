/** What the job of pruning takes, by the flags of the command. */

import { pruneKinds } from "../../jobs/prune-options.ts";
import type { Context } from "../context.ts";
import { limitsOf } from "../limits.ts";
import { handed } from "../options/flag.ts";
import { runOptions, type Opened } from "../run.ts";
import type { PruneFlags } from "./prune-options.ts";

/** The budget that flags name. */
export const budgetOf = ({ macs, params, bytes, units }: PruneFlags) =>
  Object.fromEntries(Object.entries({ macs, params, bytes, units }).filter(([, value]) => value !== undefined));

export const jobOptions = (flags: PruneFlags, opened: Opened, context: Context) => ({
  ...handed(flags, pruneKinds),
  ...runOptions(flags, opened, context),
  budget: budgetOf(flags),
  limits: limitsOf(flags, flags.ratio),
  schedule: flags.schedule === "steady" ? undefined : { kind: flags.schedule, removals: flags.removals },
});
