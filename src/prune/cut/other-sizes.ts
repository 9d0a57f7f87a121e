/** The same removal at other sizes of the axes that a graph leaves open. */

import { fail } from "../../graph/error.ts";
import { once } from "../../graph/lazy.ts";
import type { Analysis } from "../coupling/analysis.ts";
import { removedIndices, type Removal } from "../coupling/removal.ts";
import { traceAt } from "../coupling/other-settings.ts";

/** Groups at one setting, and what goes of every axis there. */
export interface RemovalAt {
  readonly analysis: Analysis;
  readonly removed: ReturnType<typeof removedIndices>;
}

/**
 * What a removal takes at another size: the same of every weight.
 *
 * @throws SecateurError `unsupported` where units go together in another way there
 */
function removalAtOtherSizes(analysis: Analysis, removal: Removal, found: Analysis): RemovalAt {
  const { traced } = found;
  const shapes = traced.graph.inputs.map(({ name }) => `${name} [${traced.types.get(name)!.shape.join(", ")}]`);
  const refuse = (name: string): never =>
    fail(
      "unsupported",
      `the units of group "${name}" go together in another way at ${shapes.join(", ")}; leave it out of the plan`,
    );
  const names = new Map(found.groups.map((group) => [group.name, group]));
  for (const [name, units] of removal)
    if (units.some((unit) => names.get(name)?.units[unit] === undefined)) refuse(name);
  const [before, removed] = [removedIndices(analysis, removal), removedIndices(found, removal)];
  for (const [name] of removal) {
    const group = analysis.groups.find((one) => one.name === name)!;
    for (const { value, axis } of group.axes) {
      if (!traced.graph.initializers.has(value)) continue;
      const listed = [before, removed].map((one) =>
        [...(one.get(value)?.get(axis) ?? [])].sort((a, b) => a - b).join(),
      );
      if (listed[0] !== listed[1]) refuse(name);
    }
  }
  return { analysis: found, removed };
}

/** A removal at other sizes of all that is open, found when it is first asked for. */
export type OtherSizes = () => readonly RemovalAt[];

export const createOtherSizes = (analysis: Analysis, removal: Removal): OtherSizes =>
  once(() => analysis.fewest.filter(traceAt).map((there) => removalAtOtherSizes(analysis, removal, there)));
