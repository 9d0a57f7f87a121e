/** Coupling: which atoms of which axes can only be removed together. */

import { fail, SecateurError } from "../../graph/error.ts";
import { captures, describe, type Node } from "../../graph/graph.ts";
import { axesOf, reasonOf, type Axis, type Channels } from "../../ops/core/channels.ts";
import { positive } from "../../ops/core/indexing.ts";
import { applicationOf, valueOf, type Application, type Traced } from "../../passes/trace.ts";
import { choicesOf, needsWhole } from "./axis-factors.ts";
import type { AxisReference } from "./axis-references.ts";

/** One way to unite all atoms of a graph; each removal that it allows is allowed beside those of the others. */
export interface Solution {
  /** The representative of each atom. */
  readonly root: Int32Array;
  /** Why the component of a representative can never be removed. */
  readonly frozen: Pick<ReadonlyMap<number, readonly string[]>, "get">;
  /** Where and why removing the component of a representative is not what zeroing it is. */
  readonly inexact: ReadonlyMap<number, readonly Counting[]>;
}

/** A node at which removing is not what zeroing is. */
export interface Counting {
  readonly node: Node;
  readonly reason: string;
}

/** The unions of all atoms of a graph. Atoms are numbered value by value, axis by axis. */
export interface Coupling {
  /** How many atoms there are. */
  readonly atoms: number;
  /** One where no axis is written as several; see axis-factors.ts. */
  readonly solutions: readonly Solution[];
  /** The number of the first atom of an axis. */
  first(value: string, axis: number): number;
  /** The place and index of an atom. */
  locate(atom: number): AxisReference & { readonly index: number };
  /** All places in the order of their atoms, with the first atom of each. */
  readonly places: readonly (AxisReference & { readonly first: number; readonly size: number })[];
}

/** A Map holds twice as many. */
const mostComponents = 2 ** 23;
/** More reasons than this for one component say nothing further. */
const mostReasons = 8;

class AxisView implements Axis {
  readonly atoms: Int32Array;
  readonly block: number;

  constructor(atoms: Int32Array, block: number) {
    this.atoms = atoms;
    this.block = block;
  }
  get length(): number {
    return this.atoms.length / this.block;
  }
  slice(from: number, count: number): Axis {
    if (!Number.isInteger(from) || !Number.isInteger(count) || count < 0 || from + count > this.length)
      fail("bad-model", `units ${from} to ${from + count} are asked for of an axis of ${this.length}`);
    return new AxisView(this.atoms.subarray(from * this.block, (from + count) * this.block), this.block);
  }
  blocks(size: number): Axis {
    this.#divide(size);
    return new AxisView(this.atoms, this.block * size);
  }
  digit(size: number, inner: number): Axis {
    if (this.length === size * inner) return this.blocks(inner);
    const outer = this.#divide(size * inner);
    const order: number[] = [];
    for (let j = 0; j < size; j++)
      for (let o = 0; o < outer; o++) for (let i = 0; i < inner; i++) order.push((o * size + j) * inner + i);
    return new AxisView((this.pick(order) as AxisView).atoms, this.block * outer * inner);
  }
  #divide(size: number): number {
    const count = this.length / size;
    if (!Number.isInteger(count))
      fail("bad-model", `an axis of ${this.length} units does not divide into parts of ${size}`);
    return count;
  }
  pick(positions: readonly number[]): Axis {
    const atoms = new Int32Array(positions.length * this.block);
    positions.forEach((at, i) =>
      atoms.set(this.atoms.subarray(at * this.block, (at + 1) * this.block), i * this.block),
    );
    return new AxisView(atoms, this.block);
  }
}

/** Solves the coupling of a graph: applies the `channels` rule of every node; what no rule speaks of is frozen. */
export function couple(traced: Traced): Coupling {
  const atoms = numberAtoms(traced);
  const { graph } = traced;
  const outside = frozenFromOutside(traced);
  const { choices, stuck } = choicesOf(traced, outside);
  const solutions = choices.map((choice) => {
    const solver = new Solver(atoms);
    for (const { value, axis, reason } of outside) solver.freeze(atoms.of(value, axis), reason);
    for (const node of graph.nodes) {
      const applied = applicationOf(traced, node);
      if (applied?.op.channels) applyRule(solver, atoms, applied, choice.get(node) ?? [], stuck.get(node) ?? []);
    }
    return solver.solve();
  });
  return { atoms: atoms.total, solutions, first: atoms.first, locate: atoms.locate, places: atoms.places };
}

/**
 * What holds axes whole from outside of all rules: an input or output of the model, a node
 * without a rule, a body that reads a value.
 */
export type Holder =
  | { readonly kind: "input" | "output"; readonly name: string }
  | { readonly kind: "operator" | "body"; readonly node: Node };

/** An axis that is held, by what, and how a message says so. */
export interface Held extends AxisReference {
  readonly by: Holder;
  readonly reason: string;
}

/** Axes that the model's inputs and outputs hold, and those that a node without a rule touches. */
export function frozenFromOutside(traced: Traced): Held[] {
  const { graph } = traced;
  const frozen: Held[] = [];
  const freezeAll = (name: string, by: Holder, reason: string): void =>
    valueOf(traced, name)?.shape.forEach((_, axis) => frozen.push({ value: name, axis, by, reason }));
  for (const kind of ["input", "output"] as const)
    for (const { name } of kind === "input" ? graph.inputs : graph.outputs)
      freezeAll(name, { kind, name }, `"${name}" is an ${kind} of the model`);
  const refused = new Map(traced.refusals.map(({ node, reason }) => [node, reason]));
  for (const node of graph.nodes) {
    for (const name of captures(node))
      freezeAll(name, { kind: "body", node }, `${describe(node)} reads it in its body`);
    const applied = applicationOf(traced, node);
    if (applied?.op.channels) continue;
    const why =
      refused.get(node) ?? (applied === undefined ? "a shape is not known" : "how its axes couple is not stated");
    for (const name of [...node.inputs, ...node.outputs])
      freezeAll(name, { kind: "operator", node }, `${describe(node)}: ${why}`);
  }
  return frozen;
}

/** Lets the rule of one node unite and freeze atoms; an axis that it does not speak of is frozen. */
function applyRule(
  solver: Solver,
  atoms: Atoms,
  applied: Application,
  chosen: readonly number[],
  stuck: readonly (readonly (string | undefined)[])[],
): void {
  const { node } = applied;
  const spoken = new Set<string>();
  let point = 0;
  const whole = ({ atoms: list }: Axis, reason: string): void => solver.freeze(list, `${describe(node)} ${reason}`);
  const channels: Channels = {
    axis(value, axis) {
      const own = positive(axis, value.shape.length);
      spoken.add(`${value.name}\0${own}`);
      return new AxisView(atoms.of(value.name, own), 1);
    },
    same(first, ...others) {
      for (const other of others) {
        if (other.length !== first?.length)
          fail("bad-model", `it joins axes of ${first?.length} and ${other.length} units, which must be equally many`);
        solver.unite(first, other);
      }
      if (first && first.block > 1) solver.unite(first, first);
    },
    either(lists) {
      const why = stuck[point] ?? [];
      const list = lists[chosen[point++] ?? -1];
      const firstOf = (axis: Axis): number => axis.atoms.reduce((a, b) => Math.min(a, b));
      const used = new Set<number>();
      if (list) {
        const [one, ...others] = axesOf(list) as [Axis, ...Axis[]];
        for (const other of others) solver.unite(one, other);
        for (const axis of [one, ...others]) used.add(firstOf(axis));
        const reason = reasonOf(list);
        if (reason !== undefined) solver.inexact(one.atoms, { node, reason });
      }
      lists.forEach((one, i) => {
        for (const axis of axesOf(one)) {
          if (used.has(firstOf(axis))) continue;
          if (why[i] === undefined) whole(axis, "splits or joins this axis, which stays whole");
          else solver.freeze(axis.atoms, why[i]);
        }
      });
    },
    freeze: (axis, reason) => solver.freeze(axis.atoms, `${describe(node)}: ${reason}`),
    inexact: (axis, reason) => solver.inexact(axis.atoms, { node, reason }),
  };
  try {
    applied.op.channels?.(channels, applied.inputs, applied.outputs, applied.attributes);
  } catch (error) {
    if (error instanceof SecateurError) fail(error.code, `${describe(node)}: ${error.message}`, error);
    throw error;
  }
  for (const value of [...applied.inputs, ...applied.outputs])
    value?.shape.forEach((_, axis) => {
      if (!spoken.has(`${value.name}\0${axis}`))
        solver.freeze(atoms.of(value.name, axis), needsWhole(node, value.name, axis));
    });
}

/** Union-find over atoms. */
class Solver {
  readonly #parent: Int32Array;
  readonly #reasonOf: Int32Array;
  readonly #reasons: string[] = [];
  readonly #inexact: (Counting & { readonly atoms: Int32Array })[] = [];

  constructor({ total }: Atoms) {
    this.#parent = new Int32Array(total).map((_, i) => i);
    this.#reasonOf = new Int32Array(total).fill(-1);
  }

  #find(atom: number): number {
    const parent = this.#parent;
    let at = atom;
    while (parent[at] !== at) {
      parent[at] = parent[parent[at]!]!;
      at = parent[at]!;
    }
    return at;
  }

  unite(a: Axis, b: Axis): void {
    for (let unit = 0; unit < a.length; unit++) {
      const into = this.#find(a.atoms[unit * a.block]!);
      for (const { atoms: list, block } of a === b ? [a] : [a, b])
        for (let k = 0; k < block; k++) this.#parent[this.#find(list[unit * block + k]!)] = into;
    }
  }

  freeze(list: Int32Array, reason: string): void {
    const number = this.#reasons.at(-1) === reason ? this.#reasons.length - 1 : this.#reasons.push(reason) - 1;
    for (const atom of list) if (this.#reasonOf[atom] === -1) this.#reasonOf[atom] = number;
  }

  inexact(atoms: Int32Array, at: Counting): void {
    this.#inexact.push({ atoms, ...at });
  }

  /**
   * For each representative the reasons of all its atoms. Lists are kept once and by number:
   * components by the million share a few.
   */
  #gatherReasons(root: Int32Array): Solution["frozen"] {
    const lists: (readonly string[])[] = [[]];
    const listOf = new Int32Array(root.length);
    const steps = new Map<number, number>();
    const extend = (list: number, reason: string): number =>
      lists[list]!.length < mostReasons && !lists[list]!.includes(reason)
        ? lists.push([...lists[list]!, reason]) - 1
        : list;
    for (let atom = 0; atom < root.length; atom++) {
      const number = this.#reasonOf[atom]!;
      if (number === -1) continue;
      const list = listOf[root[atom]!]!;
      const step = list * this.#reasons.length + number;
      const next = steps.get(step) ?? extend(list, this.#reasons[number]!);
      steps.set(step, next);
      listOf[root[atom]!] = next;
    }
    return { get: (component) => (listOf[component] ? lists[listOf[component]!] : undefined) };
  }

  solve(): Solution {
    const root = this.#parent.map((_, atom) => this.#find(atom));
    let components = 0;
    for (let atom = 0; atom < root.length; atom++) if (root[atom] === atom) components++;
    if (components > mostComponents)
      fail(
        "unsupported",
        `${components} units would have to be told apart, more than ${mostComponents}; give smaller sizes`,
      );
    const frozen = this.#gatherReasons(root);
    const inexact = new Map<number, Counting[]>();
    for (const { atoms, node, reason } of this.#inexact)
      for (const component of new Set(atoms.map((atom) => root[atom]!))) {
        const known = inexact.get(component);
        if (known) known.push({ node, reason });
        else inexact.set(component, [{ node, reason }]);
      }
    return { root, frozen, inexact };
  }
}

type Atoms = ReturnType<typeof numberAtoms>;

/** More than a model of billions of weights has; each takes some bytes in several arrays. */
const mostAtoms = 2 ** 25;

function numberAtoms(traced: Traced) {
  const places: (AxisReference & { first: number; size: number })[] = [];
  const starts = new Map<string, number[]>();
  let total = 0;
  for (const [value, { shape }] of traced.types) {
    starts.set(
      value,
      shape.map((size, axis) => {
        const first = total;
        places.push({ value, axis, first, size });
        total += size;
        return first;
      }),
    );
  }
  if (total > mostAtoms)
    fail(
      "unsupported",
      `the axes of all values have ${total} elements together, and at most ${mostAtoms} are told apart; give ` +
        `smaller sizes`,
    );
  // One array serves every axis: atoms are their own numbers.
  const all = new Int32Array(total).map((_, i) => i);
  const first = (value: string, axis: number): number =>
    starts.get(value)?.[axis] ?? fail("internal", `no axis ${axis} of "${value}"`);
  return {
    total,
    places,
    first,
    of(value: string, axis: number): Int32Array {
      const start = first(value, axis);
      return all.subarray(start, start + traced.types.get(value)!.shape[axis]!);
    },
    locate(atom: number) {
      let [low, high] = [0, places.length - 1];
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (places[middle]!.first <= atom) low = middle;
        else high = middle - 1;
      }
      // Axes of size 0 share their first atom with the next: the last of them is the one that has it.
      const { value, axis, first: start } = places[low]!;
      return { value, axis, index: atom - start };
    },
  };
}

/** Values that depend on an input of the model, as opposed to weights and what is computed from them alone. */
export function activations(traced: Traced): Set<string> {
  const found = new Set(traced.graph.inputs.map((v) => v.name));
  for (const node of traced.graph.nodes)
    if ([...node.inputs, ...captures(node)].some((name) => found.has(name) && !traced.constants.has(name)))
      for (const name of node.outputs) if (!traced.constants.has(name)) found.add(name);
  return found;
}
