/**
 * Which numbers of shape arithmetic are the same at all sizes, as opposed to those
 * that happened to be at the sizes tried.
 */

import { SecateurError } from "../graph/error.ts";
import type { Node } from "../graph/graph.ts";
import { tensor, toNumbers, type NumericDType, type Tensor } from "../graph/tensor.ts";
import type { Value } from "../ops/core/define.ts";
import { applicationOf, type Application, type Traced } from "./trace.ts";

/** Lists that are longer are data, of which nothing is claimed. */
const mostEntries = 64;
/**
 * What an open number is replaced by to see what follows from it: sizes that are rounded, clipped or
 * compared with one show by some of them.
 */
const replacements: readonly ((value: number, i: number) => number)[] = [
  (value, i) => value + 1 + i,
  (value, i) => value + 7 + 3 * i,
  () => 1,
  (value, i) => value + 1_000_003 + 10 * i,
];

/**
 * Tells which entries of a value may be others at other sizes than those of the traces. They are entries that differ
 * between them, and what is computed of such entries and comes out another when these are replaced. So the padding up
 * to a multiple of 7 is open even where all sizes tried were multiples, and the width that is picked out of a shape is
 * not.
 */
export function openEntries(traces: readonly Traced[]): (node: Node) => (name: string) => readonly boolean[] {
  const [first, ...others] = traces as readonly [Traced, ...Traced[]];
  const known = new Map<string, readonly boolean[]>();
  const openOf = (name: string): readonly boolean[] => known.get(name) ?? [];

  function differing(value: Tensor, name: string): boolean[] {
    const list = toNumbers(value);
    const elsewhere = others.map(({ constants }) => constants.get(name));
    if (elsewhere.some((one) => one?.shape.join() !== value.shape.join())) return list.map(() => true);
    const lists = elsewhere.map((one) => toNumbers(one!));
    return list.map((entry, i) => lists.some((one) => one[i] !== entry));
  }

  function settle(node: Node): void {
    const values = node.outputs.map((name) => first.constants.get(name));
    if (values.every((value) => value === undefined)) return;
    const found = values.map((value, i) => {
      if (value === undefined || value.dtype === "string") return [];
      return value.data.length > mostEntries ? [] : differing(value, node.outputs[i]!);
    });
    const replaceable = node.inputs.some((name) => openOf(name).includes(true));
    if (replaceable && found.some((list) => list.includes(false))) {
      const applied = applicationOf(first, node);
      for (const replacement of replacements) {
        const changed = applied && foldWith(applied, (value) => replaced(value, openOf(value.name), replacement));
        found.forEach((list, i) => {
          const [now, before] = [changed?.[i], values[i]];
          const same = now !== undefined && before !== undefined && now.shape.join() === before.shape.join();
          const [x, y] = same ? [toNumbers(before), toNumbers(now)] : [[], []];
          list.forEach((open, k) => (list[k] = open || !same || x[k] !== y[k]));
        });
      }
    }
    node.outputs.forEach((name, i) => {
      const value = values[i];
      // Of long lists nothing is known but that they follow from what is open.
      const long = value !== undefined && value.data.length > mostEntries && replaceable;
      if (found[i]!.includes(true) || long) known.set(name, long ? [true] : found[i]!);
    });
  }

  return (node) => {
    settle(node);
    return openOf;
  };
}

function replaced(value: Value, open: readonly boolean[], replacement: (value: number, i: number) => number): Value {
  const { constant, dtype } = value;
  if (constant === undefined || dtype === "string" || !open.includes(true)) return value;
  if (open.length !== constant.data.length) return { ...value, constant: undefined as never };
  const list = toNumbers(constant).map((entry, i) =>
    !open[i] ? entry : dtype === "bool" ? 1 - entry : replacement(entry, i),
  );
  return { ...value, constant: tensor(dtype as NumericDType, constant.shape, list) };
}

/** What a node comes to with other inputs; `undefined` where they do not fit, or where it is not known. */
function foldWith(
  { op, inputs, outputs, attributes }: Application,
  change: (value: Value) => Value,
): readonly (Tensor | undefined)[] | undefined {
  const changed = inputs.map((value) => value && change(value));
  if (op.fold === undefined || changed.some((value, i) => inputs[i]?.constant && value?.constant === undefined))
    return undefined;
  try {
    const shapes = op.shape(changed, attributes, outputs.length);
    const dtypes = op.dtype(changed, attributes, outputs.length);
    const results = outputs.map(({ name }, i) => ({ name, shape: shapes[i]!, dtype: dtypes[i]! }));
    const most = results.every(({ shape }) => shape.reduce((n, dim) => n * dim, 1) <= 16 * mostEntries);
    return most ? op.fold(changed, attributes, results) : undefined;
  } catch (error) {
    if (error instanceof SecateurError) return undefined;
    throw error;
  }
}
