/** What goes from the axes of values when a unit goes. */

import type { Coupling } from "./couple.ts";
import type { Unit } from "./groups.ts";

/** For each value and axis, how many indices go. */
export type LostAxes = ReadonlyMap<string, ReadonlyMap<number, number>>;

/** What goes with a unit of a network. */
export type LostBy = (unit: Unit) => LostAxes;

/** What goes with units, found when it is first asked for: mostly the same object where the same goes. */
export function findLost(coupling: Coupling): LostBy {
  const ofUnit = new WeakMap<Unit, LostAxes>();
  let last: LostAxes | undefined;
  return (unit) => {
    const known = ofUnit.get(unit);
    if (known) return known;
    const lost = lostWith(coupling, unit);
    // Of a group mostly the same goes with each unit.
    if (last === undefined || !isSame(last, lost)) last = lost;
    ofUnit.set(unit, last);
    return last;
  };
}

function isSame(a: LostAxes, b: LostAxes): boolean {
  if (a.size !== b.size) return false;
  for (const [value, axes] of a) {
    const others = b.get(value);
    if (others?.size !== axes.size) return false;
    for (const [axis, count] of axes) if (others.get(axis) !== count) return false;
  }
  return true;
}

function lostWith({ locate }: Coupling, { atoms }: Unit): LostAxes {
  const lost = new Map<string, Map<number, number>>();
  for (const atom of atoms) {
    const { value, axis } = locate(atom);
    const axes = lost.get(value) ?? new Map<number, number>();
    lost.set(value, axes.set(axis, (axes.get(axis) ?? 0) + 1));
  }
  return lost;
}
