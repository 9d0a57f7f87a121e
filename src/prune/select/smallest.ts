/** The smallest that removing units can make of a graph, whatever they matter. */

import type { Analysis } from "../coupling/analysis.ts";
import type { Removal } from "../coupling/removal.ts";
import type { Costs } from "../../passes/costs.ts";
import { selectStep, type StepChoice } from "./select.ts";

export interface Smallest extends Costs {
  readonly units: number;
  /** What goes to come there. */
  readonly removal: Removal;
  /**
   * Whether nothing smaller is possible. Groups that cannot all go as a whole have more
   * ends than one, and this is one of them.
   */
  readonly isLeast: boolean;
}

/** @param choice what has to stay, and what widths are rounded to */
export function smallestOf(analysis: Analysis, choice: Pick<StepChoice, "floors" | "roundTo">): Smallest {
  const { floors } = choice;
  const alike = new Map(analysis.groups.map(({ name, units }) => [name, new Float64Array(units.length)]));
  const { removal, costs, units } = selectStep(analysis, alike, Number.POSITIVE_INFINITY, { units: 0 }, choice);
  const stay = analysis.groups
    .filter(({ name }) => floors?.get(name) !== 0)
    .reduce((sum, { name, units }) => sum + units.length - (removal.get(name)?.length ?? 0), 0);
  return { ...costs, units, removal, isLeast: units <= stay };
}
