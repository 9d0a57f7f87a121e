/** The form of a step down from one opset to the one before, and the edits that such steps are made of. */

import { fromHalf } from "../graph/half.ts";
import type { Node } from "../graph/graph.ts";
import { isFloat as isFloatType, toNumbers, type Tensor } from "../graph/tensor.ts";
import type { Surroundings } from "./scope.ts";
import { edit, floatOf, intsOf, withInputs } from "./upgrade-step.ts";

/** What a step down may know and do. */
export interface Downgrading extends Surroundings {
  /** The opset of the file that a node came from, and the opset that is wanted. */
  readonly from: number;
  readonly to: number;
  /** Says that the opset before the step can't say what the node does. */
  needs(): never;
}

/** How one operator changed in one opset: the node as of that opset, as one or more nodes of the opset before. */
export interface Downgrade {
  readonly since: number;
  readonly downgrade: (node: Node, context: Downgrading) => Node | readonly Node[];
}

export const downgradeFrom = (since: number, downgrade: Downgrade["downgrade"]): Downgrade => ({ since, downgrade });

/** What an input is, where it is a constant, or one whose type alone was changed. */
export function constantAt(node: Node, index: number, context: Downgrading): Tensor | undefined {
  const name = node.inputs[index] ?? "";
  if (name === "") return undefined;
  const known = context.initializer(name);
  if (known !== undefined) return known;
  const producer = context.producer(name);
  if (producer?.domain !== "" || (producer.op !== "CastLike" && producer.op !== "Cast")) return undefined;
  const value = context.initializer(producer.inputs[0] ?? "");
  const to = context.dtype(name);
  // Floats as whole numbers are others; until 11 all that an upgrade casts are floats.
  return to === undefined ? (context.from < 11 ? value : undefined) : isFloatType(to) ? value : undefined;
}

const numbersOf = (value: Tensor): number[] =>
  value.dtype === "float16" ? Array.from(value.data as Uint16Array, fromHalf) : toNumbers(value);

/** The numbers of a constant input; `undefined` where it is left out. A computed one can't be an attribute. */
export function numbersAt(node: Node, index: number, context: Downgrading): readonly number[] | undefined {
  if ((node.inputs[index] ?? "") === "") return undefined;
  const value = constantAt(node, index, context) ?? context.needs();
  if (value.dtype === "string" || value.dtype === "bfloat16") context.needs();
  if (value.dtype !== "int64") return numbersOf(value);
  const safe = Number.MAX_SAFE_INTEGER;
  return Array.from(value.data as BigInt64Array, (one) => Math.max(-safe, Math.min(safe, Number(one))));
}

export const withoutInput = (node: Node, index: number): Node =>
  withInputs(
    node,
    node.inputs.map((name, i) => (i === index ? "" : name)),
  );

/** The constant input at `index`, a list, as an attribute. */
export function inputToInts(attribute: string, index: number): Downgrade["downgrade"] {
  return (node, context) => {
    const values = numbersAt(node, index, context);
    if (values === undefined) return node;
    return edit(withoutInput(node, index), [attribute], { [attribute]: intsOf(values) });
  };
}

/** An axis counted from the front; `undefined` where it is counted from the back and the rank is not known. */
export function fromFront(axis: number, rank: number | undefined): number | undefined {
  if (axis >= 0) return axis;
  return rank === undefined ? undefined : axis + rank;
}

/** A scalar input becomes a float attribute. */
export function inputToFloat(node: Node, index: number, attribute: string, context: Downgrading): Node {
  const [value] = numbersAt(node, index, context) ?? [];
  if (value === undefined) return node;
  return edit(withoutInput(node, index), [attribute], { [attribute]: floatOf(value) });
}

/** Whether the first input of a node may be of floats. */
export const isFloat = (node: Node, context: Downgrading): boolean => {
  const dtype = context.dtype(node.inputs[0] ?? "");
  return dtype === undefined || /^float(16|32|64)$/.test(dtype);
};
