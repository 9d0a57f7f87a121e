/** The form of an upgrade step, and the edits that steps between opsets are made of. */

import { fail } from "../graph/error.ts";
import { describe, type Attribute, type Node } from "../graph/graph.ts";
import { float32, type Tensor } from "../graph/tensor.ts";
import { toInt64 } from "./proto.ts";
import type { Surroundings } from "./scope.ts";

/** What an upgrade step may know and do. */
export interface Upgrading extends Surroundings {
  /** Leaves a node as it is: it has no equal in the internal opset. */
  refuse(node: Node, why: string): never;
}

/** How one operator changed in one opset: the node as of the opset before, as one or more nodes of that opset. */
export interface Upgrade {
  readonly since: number;
  readonly upgrade: (node: Node, context: Upgrading) => Node | readonly Node[];
}

export const upgradeTo = (since: number, upgrade: Upgrade["upgrade"]): Upgrade => ({ since, upgrade });

/** The value of an attribute, where the node has it; one of another kind would be lost silently. */
function attributeOf<K extends Attribute["type"]>(node: Node, name: string, kind: K) {
  const found = Object.hasOwn(node.attributes, name) ? node.attributes[name] : undefined;
  if (found !== undefined && found.type !== kind)
    fail("bad-model", `${describe(node)}: its attribute "${name}" is of the kind ${found.type}, and must be ${kind}`);
  return found?.value as Extract<Attribute, { readonly type: K }>["value"] | undefined;
}

export const int = (node: Node, name: string): number | undefined => attributeOf(node, name, "int");
export const ints = (node: Node, name: string): readonly number[] | undefined => attributeOf(node, name, "ints");
export const floats = (node: Node, name: string): readonly number[] | undefined => attributeOf(node, name, "floats");
export const float = (node: Node, name: string): number | undefined => attributeOf(node, name, "float");
export const string = (node: Node, name: string): string | undefined => attributeOf(node, name, "string");

export const intOf = (value: number): Attribute => ({ type: "int", value });
export const intsOf = (value: readonly number[]): Attribute => ({ type: "ints", value });
export const floatOf = (value: number): Attribute => ({ type: "float", value });
export const stringOf = (value: string): Attribute => ({ type: "string", value });

/** The node without some attributes, and with others. */
export function edit(node: Node, without: readonly string[], added: Readonly<Record<string, Attribute>> = {}): Node {
  const kept = Object.entries(node.attributes).filter(([name]) => !without.includes(name));
  return { ...node, attributes: { ...Object.fromEntries(kept), ...added } };
}

export function withInputs(node: Node, inputs: readonly string[]): Node {
  const last = inputs.findLastIndex((name) => name !== "");
  return { ...node, inputs: inputs.slice(0, last + 1) };
}

/** A node made beside another; its name is left to its output. */
export function beside(
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Node["attributes"] = {},
): Node {
  return { op, domain: "", name: "", inputs, outputs, attributes };
}

/** A name for what is made for a node. */
export function baseOf(node: Node): string {
  return node.outputs.find((name) => name !== "") ?? node.op;
}

export function int64List(values: readonly number[], node: Node): Tensor {
  const data = BigInt64Array.from(values, (value) => toInt64(value, `an attribute of ${node.op}`));
  return { dtype: "int64", shape: [values.length], data };
}

/** A list of whole numbers that was an attribute becomes the input at `index`. */
export function intsToInput(attribute: string, index: number): Upgrade["upgrade"] {
  return (node, context) => {
    const values = ints(node, attribute);
    const bare = edit(node, [attribute]);
    if (values === undefined) return bare;
    const inputs = Array.from({ length: index }, (_, i) => node.inputs[i] ?? "");
    return {
      ...bare,
      inputs: [...inputs, context.constant(int64List(values, node), `${baseOf(node)}_${attribute}`)],
    };
  };
}

/** Scalars that were float attributes become the inputs at these places, of the type of the first input. */
export function floatsToInputs(node: Node, scalars: Readonly<Record<string, number>>, context: Upgrading): Node[] {
  const casts: Node[] = [];
  const inputs = [...node.inputs];
  const [data = ""] = node.inputs;
  for (const [attribute, index] of Object.entries(scalars)) {
    const value = float(node, attribute);
    if (value === undefined) continue;
    const base = `${baseOf(node)}_${attribute}`;
    let name = context.constant(float32([], [value]), base);
    if (context.dtype(data) !== "float32") {
      // CastLike is younger than these steps, but the model becomes one of the internal opset, which has it.
      const cast = context.fresh(`${base}_cast`);
      casts.push(beside("CastLike", [name, data], [cast]));
      name = cast;
    }
    while (inputs.length < index) inputs.push("");
    inputs[index] = name;
  }
  return [...casts, edit({ ...node, inputs }, Object.keys(scalars))];
}

/** Outputs that training only fills: their presence is what made a node of the old opsets one of training. */
export function withoutTraining(node: Node, kept: number, context: Upgrading): Node {
  const extra = node.outputs.slice(kept).filter((name) => context.isUsed(name));
  if (extra.length > 0) context.refuse(node, `computes "${extra[0]}" for training`);
  return { ...node, outputs: node.outputs.slice(0, kept) };
}
