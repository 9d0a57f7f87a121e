/** Groups: the units that share the same axes, under the name of the weight that first produces them. */

import { fail } from "../../graph/error.ts";
import { describe, type Node } from "../../graph/graph.ts";
import { applicationOf, type Traced } from "../../passes/trace.ts";
import type { Coupling, Solution } from "./couple.ts";
import { namerOf } from "./group-names.ts";
import type { AxisReference } from "./axis-references.ts";

/** A set of atoms that can only be removed together: a neuron. */
export interface Unit {
  readonly atoms: Int32Array;
}

export interface Group {
  /**
   * What the program called the weight that first produces the units, as far as the file tells; a
   * suffix tells apart groups of one weight.
   */
  readonly name: string;
  /** The initializer that is this weight. */
  readonly weight: string;
  /** The node that first produces the units, and the axis of its output that they lie on. */
  readonly node: Node;
  /** In the order of their index along the initializer's axis. */
  readonly units: readonly Unit[];
  /** Every axis that the units lie on. */
  readonly axes: readonly AxisReference[];
  /** Why removing these units is not what zeroing them is; empty where it is. */
  readonly inexact: readonly string[];
  /** The nodes at which it is not: they count zeros too. */
  readonly counting: readonly Node[];
}

/** Units that can never be removed, and why. */
export interface FrozenGroup {
  readonly name: string;
  readonly units: number;
  readonly reasons: readonly string[];
  /** The node that first produces them. */
  readonly node: Node;
  /** Every axis that the first of them lies on. */
  readonly axes: readonly AxisReference[];
}

/** What units are found by. */
export interface Facts {
  readonly traced: Traced;
  /** Values that depend on an input of the model, as opposed to weights and what is computed from them alone. */
  readonly activations: ReadonlySet<string>;
  /** For every value that a node computes, that node. */
  readonly producers: ReadonlyMap<string, Node>;
  /** For every value, the nodes that read it. */
  readonly readers: ReadonlyMap<string, readonly Node[]>;
  /** Which atoms of which axes can only be removed together. */
  readonly coupling: Coupling;
}

export interface Found {
  readonly groups: readonly Group[];
  readonly frozen: readonly FrozenGroup[];
}

/** Units of one solution that share a name and axes. */
interface Alike {
  readonly name: string;
  readonly node: Node;
  readonly axes: readonly number[];
  readonly units: Int32Array[];
  /** The nodes at which removing them is not what zeroing them is, and why. */
  readonly inexact: Map<Node, string>;
}

/** Units of which each is an object with its atoms. Weights that are generated can have any number of them. */
const mostUnits = 2 ** 20;

/** Finds all units of a graph and groups them. Groups are in the order of the nodes that produce them. */
export function findGroups(facts: Facts): Found {
  const { traced, coupling, readers } = facts;
  const seen = new Units(coupling.atoms);
  const open: Alike[] = [];
  const stuck: { found: Alike; reasons: readonly string[] }[] = [];
  coupling.solutions.forEach((solution, i) => {
    const { free, frozen } = unitsOf(facts, solution);
    for (const found of free) {
      const units = found.units.filter((atoms) => seen.add(atoms));
      // Along another digit, an axis that is one unit as a whole is nothing that can go.
      if (units.length > (i === 0 ? 0 : 1)) open.push({ ...found, units });
    }
    stuck.push(...frozen);
  });
  const position = new Map(traced.graph.nodes.map((node, i) => [node, i]));
  const ordered = open
    .map((found, i) => ({ found, i }))
    .sort((a, b) => position.get(a.found.node)! - position.get(b.found.node)! || a.i - b.i);
  const nameOf = namerOf(traced.graph, readers);
  const placesOf = (axes: readonly number[]): AxisReference[] =>
    axes.map((i) => ({ value: coupling.places[i]!.value, axis: coupling.places[i]!.axis }));
  const times = new Map<string, number>();
  const groups = ordered.map(({ found: { name: weight, node, units, axes, inexact } }): Group => {
    const name = nameOf(weight, node);
    const count = (times.get(name) ?? 0) + 1;
    times.set(name, count);
    const places = placesOf(axes);
    const natural = count === 1 ? name : `${name}#${count}`;
    return {
      name: traced.graph.groupNames?.get(natural) ?? natural,
      weight,
      node,
      units: units.map((atoms): Unit => ({ atoms })),
      axes: places,
      inexact: [...inexact.values()],
      counting: [...inexact.keys()],
    };
  });
  // What can go along one digit of its axis is not frozen along another.
  const frozen = stuck.flatMap(({ found: { name: weight, node, axes, units }, reasons }) => {
    const name = nameOf(weight, node);
    const count = units.filter((atoms) => !seen.covers(atoms[0]!)).length;
    for (const atoms of units) seen.add(atoms);
    return count > 0 ? [{ name, units: count, reasons, node, axes: placesOf(axes) }] : [];
  });
  return { groups, frozen };
}

/** Sets of atoms, each once. */
class Units {
  readonly #byFirst = new Map<number, Int32Array[]>();
  readonly #covered: Uint8Array;

  constructor(atoms: number) {
    this.#covered = new Uint8Array(atoms);
  }

  /** Whether the unit is new. */
  add(atoms: Int32Array): boolean {
    const known = this.#byFirst.get(atoms[0]!);
    if (known?.some((other) => other.length === atoms.length && other.every((atom, i) => atom === atoms[i])))
      return false;
    if (known) known.push(atoms);
    else this.#byFirst.set(atoms[0]!, [atoms]);
    for (const atom of atoms) this.#covered[atom] = 1;
    return true;
  }

  covers(atom: number): boolean {
    return this.#covered[atom] === 1;
  }
}

/** The units of one solution by name and axes. */
function unitsOf(facts: Facts, solution: Solution) {
  const naming = nameComponents(facts, solution);
  const members = membersOf(facts.coupling, solution, naming);
  const free = new Map<string, Alike>();
  const frozen = new Map<string, { found: Alike; reasons: readonly string[] }>();
  let at = 0;
  for (const [root, { name, node }] of naming) {
    const { atoms: unit, axes } = members[at++]!;
    const reasons = solution.frozen.get(root);
    const key = `${name}\0${axes.id}`;
    const known = reasons ? frozen.get(name)?.found : free.get(key);
    const inexact = (solution.inexact.get(root) ?? []).map(
      ({ node: counting, reason }) => [counting, `${describe(counting)}: ${reason}`] as const,
    );
    if (known) {
      known.units.push(unit);
      for (const [counting, reason] of inexact) known.inexact.set(counting, reason);
      continue;
    }
    const found: Alike = { name, node, axes: axes.list, units: [unit], inexact: new Map(inexact) };
    if (reasons) frozen.set(name, { found, reasons });
    else free.set(key, found);
  }
  return { free: [...free.values()], frozen: [...frozen.values()] };
}

/**
 * For every component that an initializer brings into an activation: that initializer and the node. Components that no
 * weight produces (space, time, batch) are no units.
 */
function nameComponents(facts: Facts, { root }: Solution): Map<number, { name: string; node: Node }> {
  const { traced, activations } = facts;
  const named = new Map<number, { name: string; node: Node }>();
  const done = new Uint8Array(root.length);
  const known = new Map<string, ReadonlySet<number>>();
  const componentsOf = (value: string): ReadonlySet<number> => {
    const found = known.get(value) ?? new Set(componentsAlong(facts, root, value));
    known.set(value, found);
    return found;
  };
  for (const node of traced.graph.nodes) {
    if (applicationOf(traced, node) === undefined) continue;
    const weights = [...new Set(node.inputs)].filter((name) => name !== "" && !activations.has(name));
    if (weights.length === 0) continue;
    for (const output of node.outputs) {
      if (!activations.has(output)) continue;
      for (const component of componentsAlong(facts, root, output)) {
        if (done[component] === 1) continue;
        for (const weight of weights) {
          const name = originOf(facts, componentsOf, weight, component);
          if (name === undefined) continue;
          named.set(component, { name, node });
          done[component] = 1;
          if (named.size > mostUnits)
            fail("unsupported", `the model has more than ${mostUnits} units, as "${name}" has; give smaller sizes`);
          break;
        }
      }
    }
  }
  return named;
}

/** Those of all axes of a value, whose atoms are numbered one after the other. */
function componentsAlong({ traced, coupling }: Facts, root: Int32Array, value: string): Int32Array {
  const shape = traced.types.get(value)?.shape ?? [];
  const start = shape.length > 0 ? coupling.first(value, 0) : 0;
  return root.subarray(
    start,
    shape.reduce((end, size) => end + size, start),
  );
}

/** The initializer, behind what is computed from weights alone, that holds atoms of a component. */
function originOf(
  { traced: { types }, producers }: Facts,
  componentsOf: (value: string) => ReadonlySet<number>,
  value: string,
  component: number,
): string | undefined {
  const pending = [value];
  for (let at = 0; at < pending.length; at++) {
    const name = pending[at]!;
    if (!componentsOf(name).has(component)) continue;
    const producer = producers.get(name);
    if (producer === undefined) return name;
    pending.push(...producer.inputs.filter((input) => input !== ""));
    // A weight that is generated (a constant of a shape) bears the name of what generates it.
    if (!producer.inputs.some((input) => types.get(input)?.dtype.startsWith("float"))) return name;
  }
  return undefined;
}

/** Axes by their places, the same object for the same ones. */
interface Axes {
  readonly id: number;
  readonly list: readonly number[];
}

/** The atoms of each component that is wanted, ascending, and the axes they lie on; in the order of `wanted`. */
function membersOf(coupling: Coupling, { root }: Solution, wanted: ReadonlyMap<number, unknown>) {
  const numbers = new Int32Array(root.length).fill(-1);
  let number = 0;
  for (const component of wanted.keys()) numbers[component] = number++;
  const sizes = new Int32Array(number);
  for (const component of root) if (numbers[component] !== -1) sizes[numbers[component]!]!++;
  const none: Axes = { id: 0, list: [] };
  const members = Array.from(sizes, (size) => ({ atoms: new Int32Array(size), axes: none, filled: 0 }));
  const further = new Map<number, Axes>();
  const extended = (axes: Axes, place: number): Axes => {
    const step = axes.id * coupling.places.length + place;
    const known = further.get(step);
    if (known) return known;
    const longer = { id: further.size + 1, list: [...axes.list, place] };
    further.set(step, longer);
    return longer;
  };
  coupling.places.forEach(({ first, size }, place) => {
    for (let atom = first; atom < first + size; atom++) {
      const at = numbers[root[atom]!]!;
      if (at === -1) continue;
      const member = members[at]!;
      member.atoms[member.filled++] = atom;
      if (member.axes.list.at(-1) !== place) member.axes = extended(member.axes, place);
    }
  });
  return members;
}
