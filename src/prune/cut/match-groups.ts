/**
 * Groups from one graph to the next, where some have gone as a whole and others may be named after what went with them.
 */

import type { Graph } from "../../graph/graph.ts";
import { Names } from "../../graph/names.ts";
import { analyse, withGroups, type Analysis } from "../coupling/analysis.ts";
import type { Group } from "../coupling/groups.ts";
import { removedIndices, type Removal } from "../coupling/removal.ts";
import { keyOf, type AxisReference } from "../coupling/axis-references.ts";

/** A graph whose groups keep their names, and those groups. */
export interface MatchedGroups {
  readonly graph: Graph;
  readonly groups: Analysis;
  /** Groups that were none before: their units go together in another way than they did. */
  readonly regrouped: readonly string[];
}

/** Finds the groups of a graph that has lost units of one before, under the names that they had there. */
export function matchGroups(before: Analysis, removal: Removal, graph: Graph): MatchedGroups {
  const oldIndex = indicesBefore(before, removal);
  const found = analyse({ ...graph, groupNames: new Map() }, before.setting);
  const old = before.groups.map((group) => ({ group, places: new Set(group.axes.map(keyOf)) }));
  const rankIn = ({ traced }: Analysis, { value }: AxisReference) => traced.types.get(value)?.shape.length;
  /** A constant that a group leaves behind has other axes than the activation that it was. */
  const isComparable = (place: AxisReference): boolean => rankIn(before, place) === rankIn(found, place);
  /** Whether the units of a group are those that are left of another, in the same order. */
  const isRestOf = (whole: Group, rest: Group): boolean => {
    const gone = new Set(removal.get(whole.name));
    const left = whole.units.filter((_, unit) => !gone.has(unit));
    return (
      left.length === rest.units.length &&
      left.every(({ atoms }, unit) => {
        const place = Array.from(rest.units[unit]!.atoms, (atom) => found.coupling.locate(atom)).find(isComparable);
        if (place === undefined) return false;
        return atoms.includes(before.coupling.first(place.value, place.axis) + oldIndex(place, place.index));
      })
    );
  };
  const taken = new Names(before.groups.map(({ name }) => name));
  const groupNames = new Map<string, string>();
  const regrouped: string[] = [];
  const groups = found.groups.map((group): Group => {
    const same = old.find(
      ({ group: whole, places }) =>
        group.axes.every((place) => places.has(keyOf(place)) || !isComparable(place)) && isRestOf(whole, group),
    );
    const name = same?.group.name ?? taken.fresh(group.name);
    if (same === undefined) regrouped.push(name);
    if (name !== group.name) groupNames.set(group.name, name);
    return { ...group, name };
  });
  const named = { ...graph, groupNames };
  return { graph: named, groups: withGroups(found, groups, named), regrouped };
}

/**
 * Whether groups along several digits of an axis, which are found from the longest on and where more than one unit is
 * left, come in another order or in smaller number once some units have gone.
 */
export function mayRename({ groups, coupling }: Analysis, removal: Removal): boolean {
  if (coupling.solutions.length === 1) return false;
  const sizes = groups.map(({ name, node, units }) => ({
    node,
    before: units.length,
    after: units.length - new Set(removal.get(name)).size,
  }));
  if (sizes.some(({ before, after }) => after === 1 && before > 1)) return true;
  return sizes.some((a, i) =>
    sizes
      .slice(i + 1)
      .some((b) => a.node === b.node && Math.sign(a.before - b.before) !== Math.sign(a.after - b.after)),
  );
}

/** Tells which index of a place in the graph before an index of it is now. */
function indicesBefore(before: Analysis, removal: Removal): (place: AxisReference, index: number) => number {
  const removed = removedIndices(before, removal);
  const known = new Map<string, readonly number[]>();
  return (place, index) => {
    const key = keyOf(place);
    let left = known.get(key);
    if (left === undefined) {
      const gone = removed.get(place.value)?.get(place.axis);
      const size = before.traced.types.get(place.value)!.shape[place.axis]!;
      left = Array.from({ length: size }, (_, i) => i).filter((i) => !gone?.has(i));
      known.set(key, left);
    }
    return left[index]!;
  };
}
