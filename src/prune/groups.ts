/** Groups: the units that share the same axes, under the name of the weight that first produces them. */

import { fail } from "../graph/error.ts";
import { producersOf, type Node } from "../graph/graph.ts";
import { applicationOf, type Traced } from "../passes/trace.ts";
import { activations, couple, type Coupling, type Place } from "./couple.ts";

/** A set of atoms that can only be removed together: a neuron. */
export interface Unit {
  readonly atoms: Int32Array;
}

export interface Group {
  /** The initializer that first produces the units; a suffix tells apart groups of one initializer. */
  readonly name: string;
  /** The node that first produces the units, and the axis of its output that they lie on. */
  readonly node: Node;
  /** In the order of their index along the initializer's axis. */
  readonly units: readonly Unit[];
  /** Every axis that the units lie on. */
  readonly places: readonly Place[];
}

/** Units that can never be removed, and why. */
export interface FrozenGroup {
  readonly name: string;
  readonly units: number;
  readonly reasons: readonly string[];
}

export interface Groups {
  readonly coupling: Coupling;
  readonly groups: readonly Group[];
  readonly frozen: readonly FrozenGroup[];
}

/** Finds all units of a graph and groups them. Groups are in the order of the nodes that produce them. */
export function findGroups(traced: Traced): Groups {
  const coupling = couple(traced);
  const naming = nameComponents(coupling);
  const members = membersOf(coupling, naming);
  const found = new Map<
    string,
    {
      name: string;
      node: Node;
      units: Unit[];
      places: Place[];
      reasons: readonly string[] | undefined;
    }
  >();
  for (const [root, { name, node }] of naming) {
    const { atoms, axes } = members.get(root)!;
    const reasons = coupling.frozen.get(root);
    const key = `${name}\0${reasons ? "frozen" : axes.join()}`;
    const known = found.get(key);
    if (known) known.units.push({ atoms: Int32Array.from(atoms) });
    else
      found.set(key, {
        name,
        node,
        units: [{ atoms: Int32Array.from(atoms) }],
        places: axes.map((i) => ({
          value: coupling.places[i]!.value,
          axis: coupling.places[i]!.axis,
        })),
        reasons,
      });
  }
  const all = [...found.values()];
  const open = all.filter(({ reasons }) => reasons === undefined);
  const times = new Map<string, number>();
  const groups = open.map(({ name, node, units, places }): Group => {
    const count = (times.get(name) ?? 0) + 1;
    times.set(name, count);
    return { name: count === 1 ? name : `${name}#${count}`, node, units, places };
  });
  const frozen = all.flatMap(({ name, units, reasons }) => (reasons ? [{ name, units: units.length, reasons }] : []));
  return { coupling, groups, frozen };
}

/**
 * For every component that an initializer brings into an activation: that initializer and the node. Components that no weight
 * produces (space, time, batch) are no units.
 */
function nameComponents(coupling: Coupling): Map<number, { name: string; node: Node }> {
  const { traced, root } = coupling;
  const alive = activations(traced);
  const producers = producersOf(traced.graph);
  const named = new Map<number, { name: string; node: Node }>();
  for (const node of traced.graph.nodes) {
    if (applicationOf(traced, node) === undefined) continue;
    const weights = node.inputs.filter((name) => name !== "" && !alive.has(name));
    for (const output of node.outputs) {
      if (!alive.has(output)) continue;
      for (const atom of axesAtoms(coupling, output)) {
        if (named.has(root[atom]!)) continue;
        const name = weights.flatMap((weight) => originOf(coupling, producers, weight, root[atom]!) ?? [])[0];
        if (name !== undefined) named.set(root[atom]!, { name, node });
      }
    }
  }
  return named;
}

function* axesAtoms(coupling: Coupling, value: string): Generator<number> {
  const shape = coupling.traced.types.get(value)?.shape ?? [];
  for (let axis = 0; axis < shape.length; axis++) {
    const first = coupling.first(value, axis);
    for (let i = 0; i < shape[axis]!; i++) yield first + i;
  }
}

/** The initializer, behind what is computed from weights alone, that holds atoms of a component. */
function originOf(
  coupling: Coupling,
  producers: ReadonlyMap<string, Node>,
  value: string,
  component: number,
): string | undefined {
  const pending = [value];
  for (let at = 0; at < pending.length; at++) {
    const name = pending[at]!;
    let holds = false;
    for (const atom of axesAtoms(coupling, name)) holds ||= coupling.root[atom] === component;
    if (!holds) continue;
    const producer = producers.get(name);
    if (producer === undefined) return name;
    pending.push(...producer.inputs.filter((input) => input !== ""));
    // A weight that is generated (a constant of a shape) bears the name of what generates it.
    if (
      !producer.inputs.some(
        (input) => coupling.traced.types.has(input) && coupling.traced.types.get(input)!.dtype.startsWith("float"),
      )
    )
      return name;
  }
  return undefined;
}

/** The atoms of each component, ascending, and the axes they lie on. */
function membersOf(
  coupling: Coupling,
  wanted: ReadonlyMap<number, unknown>,
): Map<number, { atoms: number[]; axes: number[] }> {
  const members = new Map<number, { atoms: number[]; axes: number[] }>();
  coupling.places.forEach(({ first, size }, place) => {
    for (let atom = first; atom < first + size; atom++) {
      const component = coupling.root[atom]!;
      if (!wanted.has(component)) continue;
      let known = members.get(component);
      if (known === undefined) members.set(component, (known = { atoms: [], axes: [] }));
      known.atoms.push(atom);
      if (known.axes.at(-1) !== place) known.axes.push(place);
    }
  });
  return members;
}

/** What to remove: unit numbers by group name. The form of a plan file. */
export type Removal = ReadonlyMap<string, readonly number[]>;

/** For each axis that loses something, the indices that go, ascending. */
export function removedIndices(groups: Groups, removal: Removal): Map<string, Map<number, Set<number>>> {
  const byName = new Map(groups.groups.map((group) => [group.name, group]));
  const removed = new Map<string, Map<number, Set<number>>>();
  for (const [name, units] of removal) {
    const group = byName.get(name) ?? fail("bad-plan", explainMissing(groups, name));
    const chosen = new Set(units);
    for (const unit of chosen) {
      const { atoms } =
        group.units[unit] ??
        fail("bad-plan", `group "${name}" has units 0..${group.units.length - 1}; the plan names ${unit}`);
      for (const atom of atoms) {
        const { value, axis, index } = groups.coupling.locate(atom);
        const axes = removed.get(value) ?? new Map<number, Set<number>>();
        removed.set(value, axes);
        const indices = axes.get(axis) ?? new Set<number>();
        axes.set(axis, indices);
        indices.add(index);
      }
    }
    if (chosen.size === group.units.length)
      fail("bad-plan", `the plan removes all ${group.units.length} units of group "${name}"; at least one must stay`);
  }
  return removed;
}

function explainMissing(groups: Groups, name: string): string {
  const frozen = groups.frozen.find((group) => group.name === name);
  if (frozen) return `group "${name}" can not be pruned: ${frozen.reasons.join("; ")}`;
  return `the model has no group "${name}"; its groups are ${groups.groups
    .slice(0, 8)
    .map((group) => `"${group.name}"`)
    .join(", ")}${groups.groups.length > 8 ? ", ..." : ""} (see secateur inspect)`;
}
