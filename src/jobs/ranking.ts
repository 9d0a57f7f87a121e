/** How units are ranked where nothing else is asked for. */

import { criterionOf } from "../criteria/table.ts";
import type { Per } from "../options/ranking.ts";
import type { Ranking } from "./prune-events.ts";
import type { CheckedOptions } from "./prune-options.ts";

type Asked = Pick<CheckedOptions, "criterion" | "normalise" | "per" | "budget" | "latency">;

/**
 * What is asked for, or the default: importance is counted per what the budget counts; where only a loss or a drop ends
 * pruning, per multiply-accumulate. A criterion that counts a cost by itself is counted per unit.
 */
export function rankingOf({ criterion, normalise, per, budget = {}, latency }: Asked): Ranking {
  const measured = criterionOf(criterion);
  const countsCost = measured.kind === "data" && measured.countsCost;
  const counted = per ?? (latency !== undefined ? "latency" : countsCost ? "unit" : perOf(budget));
  return { criterion: measured.name, normalise, per: counted };
}

function perOf({ macs, params, bytes, units }: NonNullable<CheckedOptions["budget"]>): Per {
  if (macs !== undefined) return "macs";
  if (params !== undefined) return "params";
  if (bytes !== undefined) return "bytes";
  return units === undefined ? "macs" : "unit";
}
