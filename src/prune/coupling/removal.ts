/** What is removed of a graph: units of its groups, and with them indices of axes. */

import { fail } from "../../graph/error.ts";
import { describe } from "../../graph/graph.ts";
import type { Analysis } from "./analysis.ts";
import type { Group } from "./groups.ts";

/**
 * Fails where nothing can be removed at all, as from a model that computes on integers.
 *
 * @throws SecateurError `unsupported` with the first reasons
 */
export function refuseWithout({ groups, frozen, traced }: Analysis): void {
  if (groups.length > 0) return;
  const refused = traced.refusals.map(({ node, reason }) => `${describe(node)}: ${reason}`);
  const reasons = refused.length > 0 ? refused : frozen.flatMap((group) => group.reasons);
  const shown = [...new Set(reasons)].slice(0, 2).join("; ");
  fail(
    "unsupported",
    `no unit of the model can be removed${shown && `: ${shown}`}; secateur inspect lists all that is frozen or refused`,
  );
}

/** What to remove: unit numbers by group name. The form of a plan file. */
export type Removal = ReadonlyMap<string, readonly number[]>;

/** For each axis that loses something, the indices that go, ascending. */
export function removedIndices(analysis: Analysis, removal: Removal): Map<string, Map<number, Set<number>>> {
  if (typeof (removal as Partial<Removal> | undefined)?.[Symbol.iterator] !== "function")
    fail("bad-option", "what to remove is a Map of unit numbers by group, as the `removal` that plan gives");
  const byName = new Map(analysis.groups.map((group) => [group.name, group]));
  const removed = new Map<string, Map<number, Set<number>>>();
  for (const [name, units] of removal) {
    const group = byName.get(name) ?? fail("bad-plan", explainMissing(analysis, name));
    const chosen = new Set(units);
    for (const unit of chosen) {
      const { atoms } =
        group.units[unit] ??
        fail("bad-plan", `group "${name}" has units 0..${group.units.length - 1}; the plan names ${unit}`);
      for (const atom of atoms) {
        const { value, axis, index } = analysis.coupling.locate(atom);
        const axes = removed.get(value) ?? new Map<number, Set<number>>();
        removed.set(value, axes);
        const indices = axes.get(axis) ?? new Set<number>();
        axes.set(axis, indices);
        indices.add(index);
      }
    }
  }
  return removed;
}

/** The groups of which all units go. */
export const wholesOf = ({ groups }: Analysis, removal: Removal): Group[] =>
  groups.filter(({ name, units }) => new Set(removal.get(name)).size === units.length);

function explainMissing(analysis: Analysis, name: string): string {
  const frozen = analysis.frozen.find((group) => group.name === name);
  if (frozen) return `group "${name}" can not be pruned: ${frozen.reasons.slice(0, 3).join("; ")}`;
  return `the model has no group "${name}"; its groups are ${analysis.groups
    .slice(0, 8)
    .map((group) => `"${group.name}"`)
    .join(", ")}${analysis.groups.length > 8 ? ", ..." : ""} (see secateur inspect)`;
}
