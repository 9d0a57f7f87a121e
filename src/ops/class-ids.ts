/** Values that name a class: by their number an operator takes one of so many. */

import type { Node } from "../graph/graph.ts";
import { sizeOf, toNumbers, type DType, type Shape, type Tensor } from "../graph/tensor.ts";
import { plainAttributes } from "./core/define.ts";
import { findOp } from "./table.ts";

/** What numbers a value may hold. */
export interface ClassIds {
  /** They are below this. */
  readonly classes: number;
  /** The least; default 0. */
  readonly least?: number;
  /** One that stands for nothing, whatever it is. */
  readonly ignore?: number;
}

/** What is looked at of a graph that was traced. */
interface TracedGraph {
  readonly graph: { readonly nodes: readonly Node[]; readonly outputs: readonly { readonly name: string }[] };
  readonly types: ReadonlyMap<string, { readonly dtype: DType; readonly shape: Shape }>;
  readonly constants: ReadonlyMap<string, Tensor>;
}

/** Which input names a class, and of how many, by the shape of what is picked from or the constant that says it. */
interface Picks {
  readonly input: number;
  ids(first: Shape, second: Tensor | undefined, attributes: Readonly<Record<string, unknown>>): ClassIds | undefined;
}

/** Indices count from the end where they are below 0. */
const along: Picks = {
  input: 1,
  ids(data, _, { axis }) {
    const classes = data.at(Number(axis));
    return classes === undefined ? undefined : { classes, least: -classes };
  },
};
const labels: Picks = {
  input: 1,
  ids([, classes], _, { ignore_index: ignore }) {
    if (classes === undefined) return undefined;
    return typeof ignore === "number" ? { classes, ignore } : { classes };
  },
};
const picks: Readonly<Record<string, Picks>> = {
  Gather: along,
  GatherElements: along,
  OneHot: {
    input: 0,
    ids(_, depth) {
      const classes = depth && toNumbers(depth)[0];
      return classes === undefined ? undefined : { classes, least: -classes };
    },
  },
  NegativeLogLikelihoodLoss: labels,
  SoftmaxCrossEntropyLoss: labels,
};

/**
 * The class ids that a value of a graph must hold; nothing where it is put to another use too, or its uses differ.
 *
 * @param name of the value
 */
export function classIdsOf(traced: TracedGraph, name: string): ClassIds | undefined {
  const { graph, types, constants } = traced;
  const found: ClassIds[] = [];
  const pending = [name];
  for (let at = 0; at < pending.length; at++) {
    const value = pending[at]!;
    if (graph.outputs.some((output) => output.name === value)) return undefined;
    for (const node of graph.nodes) {
      if (!node.inputs.includes(value)) continue;
      const ids = pickedBy(node, value);
      if (ids) found.push(ids);
      else if (isSame(node, value)) pending.push(node.outputs[0]!);
      else return undefined;
    }
  }
  const [first, ...others] = found;
  return others.every((ids) => JSON.stringify(ids) === JSON.stringify(first)) ? first : undefined;

  function pickedBy(node: Node, value: string): ClassIds | undefined {
    const op = findOp(node.op, node.domain);
    const pick = op && Object.hasOwn(picks, op.key) ? picks[op.key] : undefined;
    if (!pick || node.inputs.some((input, i) => (input === value) !== (i === pick.input))) return undefined;
    const [data, second] = node.inputs as [string, string];
    return pick.ids(types.get(data)!.shape, constants.get(second), plainAttributes(op!, node.attributes));
  }

  /** Whether a node gives the same numbers, all of them. */
  function isSame(node: Node, value: string): boolean {
    const [before, after] = [types.get(value)!, types.get(node.outputs[0]!)!];
    const isCarried = findOp(node.op, node.domain)?.carries === true && node.inputs[0] === value;
    return isCarried && sizeOf(before.shape) === sizeOf(after.shape) && after.dtype !== "bool";
  }
}
