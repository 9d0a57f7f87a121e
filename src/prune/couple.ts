/** Coupling: which atoms of which axes can only be removed together. */

import { fail } from "../graph/error.ts";
import { captures, describe } from "../graph/graph.ts";
import type { Axis, Channels } from "../ops/channels.ts";
import type { Value } from "../ops/define.ts";
import { applicationOf, valueOf, type Traced } from "../passes/trace.ts";

/** An axis of a value. */
export interface Place {
  readonly value: string;
  readonly axis: number;
}

/** The unions of all atoms of a graph. Atoms are numbered value by value, axis by axis. */
export interface Coupling {
  readonly traced: Traced;
  /** The representative of each atom. */
  readonly root: Int32Array;
  /** Why the component of a representative can never be removed. */
  readonly frozen: ReadonlyMap<number, readonly string[]>;
  /** The number of the first atom of an axis. */
  first(value: string, axis: number): number;
  /** The place and index of an atom. */
  locate(atom: number): Place & { readonly index: number };
  /** All places in the order of their atoms, with the first atom of each. */
  readonly places: readonly (Place & { readonly first: number; readonly size: number })[];
}

/** More reasons than this for one component say nothing further. */
const mostReasons = 3;

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
    return new AxisView(this.atoms.subarray(from * this.block, (from + count) * this.block), this.block);
  }
  blocks(size: number): Axis {
    return new AxisView(this.atoms, this.block * size);
  }
  strided(count: number): Axis {
    const per = this.length / count;
    return new AxisView(
      this.pick(Array.from({ length: this.length }, (_, i) => (i % per) * count + Math.floor(i / per))).atoms,
      this.block * per,
    );
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
  const parent = new Int32Array(atoms.total).map((_, i) => i);
  const find = (atom: number): number => {
    let at = atom;
    while (parent[at] !== at) {
      parent[at] = parent[parent[at]!]!;
      at = parent[at]!;
    }
    return at;
  };
  const reasons: string[] = [];
  const reasonOf = new Int32Array(atoms.total).fill(-1);
  const freeze = (list: Int32Array, reason: string): void => {
    const number = reasons.at(-1) === reason ? reasons.length - 1 : reasons.push(reason) - 1;
    for (const atom of list) if (reasonOf[atom] === -1) reasonOf[atom] = number;
  };
  const whole = (value: Value, axis: number): Int32Array => atoms.of(value.name, axis);
  const freezeAll = (value: Value | undefined, reason: string): void =>
    value?.shape.forEach((_, axis) => freeze(whole(value, axis), reason));

  const { graph } = traced;
  for (const { name } of graph.inputs) freezeAll(valueOf(traced, name), `"${name}" is an input of the model`);
  for (const { name } of graph.outputs) freezeAll(valueOf(traced, name), `"${name}" is an output of the model`);
  const refused = new Map(traced.refusals.map(({ node, reason }) => [node, reason]));

  for (const node of graph.nodes) {
    const applied = applicationOf(traced, node);
    const why = refused.get(node) ?? (applied?.op.hasChannels ? undefined : `how its axes couple is not stated`);
    const touched = [...node.inputs, ...node.outputs].flatMap((name) => valueOf(traced, name) ?? []);
    for (const name of captures(node)) freezeAll(valueOf(traced, name), `${describe(node)} reads it in its body`);
    if (applied === undefined || why !== undefined) {
      for (const value of touched) freezeAll(value, `${describe(node)}: ${why ?? "a shape is not known"}`);
      continue;
    }
    const spoken = new Set<string>();
    const c: Channels = {
      axis(value, axis) {
        const own = axis < 0 ? axis + value.shape.length : axis;
        spoken.add(`${value.name}\0${own}`);
        return new AxisView(whole(value, own), 1);
      },
      same(first, ...others) {
        for (const other of others) {
          if (other.length !== first?.length)
            fail("internal", `${describe(node)} couples axes of ${first?.length} and ${other.length} units`);
          for (let i = 0; i < first.length; i++) unite(first, other, i);
        }
        if (first && first.block > 1) for (let i = 0; i < first.length; i++) unite(first, first, i);
      },
      freeze: (axis, reason) => freeze(axis.atoms, `${describe(node)}: ${reason}`),
    };
    const unite = (a: Axis, b: Axis, unit: number): void => {
      const into = find(a.atoms[unit * a.block]!);
      for (const { atoms: list, block } of [a, b])
        for (let k = 0; k < block; k++) parent[find(list[unit * block + k]!)] = into;
    };
    applied.op.channels(c, applied.inputs, applied.outputs, applied.attributes);
    for (const value of touched)
      value.shape.forEach((_, axis) => {
        if (!spoken.has(`${value.name}\0${axis}`))
          freeze(whole(value, axis), `${describe(node)} needs axis ${axis} of "${value.name}" whole`);
      });
  }

  const root = parent.map((_, atom) => find(atom));
  const frozen = new Map<number, string[]>();
  reasonOf.forEach((number, atom) => {
    if (number === -1) return;
    const known = frozen.get(root[atom]!);
    const reason = reasons[number]!;
    if (known === undefined) frozen.set(root[atom]!, [reason]);
    else if (known.length < mostReasons && !known.includes(reason)) known.push(reason);
  });
  return { traced, root, frozen, first: atoms.first, locate: atoms.locate, places: atoms.places };
}

function numberAtoms(traced: Traced) {
  const places: (Place & { first: number; size: number })[] = [];
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
