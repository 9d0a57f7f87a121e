/** Emits nodes into a graph under construction, with the types that the operator table infers. */

import type { GraphBuilder } from "../graph/builder.ts";
import { fail } from "../graph/error.ts";
import type { Attribute, Node } from "../graph/graph.ts";
import { int64s, sizeOf, tensor, type NumericDType, type Shape } from "../graph/tensor.ts";
import { plainAttributes, toAttribute, type Value } from "./core/define.ts";
import type { Emit, EmitHelpers, EmitOne } from "./core/emit.ts";
import { opNames, type OpName } from "./core/names.ts";
import { findOp } from "./table.ts";

export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((dim, i) => dim === b[i]);

/** The value of a name in the builder. */
export function valueIn(builder: GraphBuilder, name: string): Value {
  const type = builder.types.get(name) ?? fail("internal", `no type is known for "${name}"`);
  const constant = builder.initializers.get(name) ?? builder.known.get(name);
  return { name, dtype: type.dtype, shape: type.shape, ...(constant && { constant }) };
}

/** What a node reads; `undefined` for an input that is left out. */
export const inputsOf = (builder: GraphBuilder, { inputs }: Node): (Value | undefined)[] =>
  inputs.map((name) => (name === "" ? undefined : valueIn(builder, name)));

/**
 * Appends one node of the operator with that name in the table; the types of its outputs follow from the operator
 * table. With `label`, node and first output bear that name.
 */
export function emitNode(
  builder: GraphBuilder,
  name: OpName,
  inputs: readonly (Value | undefined)[],
  attributes: Readonly<Record<string, unknown>>,
  outputs: number,
  label?: string,
): readonly Value[] {
  const op = findOp(name) ?? fail("internal", `a rule emitted ${name}, which the operator table does not have`);
  const stored: Record<string, Attribute> = {};
  for (const [key, value] of Object.entries(attributes)) {
    const spec = op.attributes[key] ?? fail("internal", `${name} has no attribute "${key}"`);
    if (value !== undefined) stored[key] = toAttribute(spec.kind, value);
  }
  const plain = plainAttributes(op, stored);
  const shapes = op.shape(inputs, plain, outputs);
  const dtypes = op.dtype(inputs, plain, outputs);
  const used = inputs.slice(0, inputs.findLastIndex((v) => v !== undefined) + 1);
  const names = builder.append(
    op.name,
    used.map((v) => v?.name ?? ""),
    stored,
    shapes.map((shape, i) => ({ dtype: dtypes[i]!, shape })),
    { domain: op.domain, ...(label !== undefined && { bases: [label], name: label }) },
  );
  return names.map((output) => valueIn(builder, output));
}

/** Gives a value a further name, so that the graph can put it out under that one. */
export function alias(builder: GraphBuilder, from: string, name: string): void {
  const type = builder.types.get(from) ?? fail("internal", `no type is known for "${from}"`);
  builder.types.set(name, type);
  builder.nodes.push({
    op: "Identity",
    domain: "",
    name: "",
    inputs: [from],
    outputs: [name],
    attributes: {},
  });
}

const isValue = (x: unknown): x is Value => typeof x === "object" && x !== null && "dtype" in x && "shape" in x;

/** What rules write with: one function for each operator, and the helpers. */
export function createEmitter(builder: GraphBuilder): Emit {
  const one = (name: OpName): EmitOne => {
    return (...args) => {
      const last = args.at(-1);
      const attributes = last !== undefined && !isValue(last) ? last : {};
      const inputs = (attributes === last ? args.slice(0, -1) : args) as (Value | undefined)[];
      return emitNode(builder, name, inputs, attributes as Record<string, unknown>, 1)[0]!;
    };
  };
  const emitters = Object.fromEntries(opNames.map((name) => [name, one(name)])) as Record<OpName, EmitOne>;
  const g: Emit = Object.assign(emitters, createHelpers(builder, emitters));
  return g;
}

/** Fewer elements are a constant. */
const manyZeros = 4096;

function createHelpers(builder: GraphBuilder, g: Record<OpName, EmitOne>): EmitHelpers {
  const constant: EmitHelpers["constant"] = (value) => valueIn(builder, builder.constant(value));
  const ints: EmitHelpers["ints"] = (values) => constant(int64s(values));
  const reshaped: EmitHelpers["reshaped"] = (value, shape) =>
    sameShape(value.shape, shape) ? value : g.Reshape(value, ints(shape));
  const filled: EmitHelpers["filled"] = (value, shape, dtype = "float32") =>
    constant(tensor(dtype, shape, new Float64Array(sizeOf(shape)).fill(encodeFor(value, dtype))));
  const expanded: EmitHelpers["expanded"] = (value, shape) =>
    sameShape(value.shape, shape) ? value : g.Expand(value, ints(shape));
  const summed: EmitHelpers["summed"] = (value, axes, keepdims = false) =>
    axes.length === 0 ? value : g.ReduceSum(value, ints(axes), { keepdims: keepdims ? 1 : 0 });
  return {
    constant,
    ints,
    reshaped,
    summed,
    foreign(domain, op, inputs, attributes, shape) {
      const stored = Object.entries(attributes).map(([key, value]) => [
        key,
        toAttribute(typeof value === "number" ? "int" : "ints", value),
      ]);
      const names = inputs.map(({ name }) => name);
      const type = { dtype: inputs[0]!.dtype, shape };
      return valueIn(builder, builder.append(op, names, Object.fromEntries(stored), [type], { domain })[0]!);
    },
    many: (op, inputs, attributes, outputs) => emitNode(builder, op, inputs, attributes, outputs),
    scalar: (value, like) =>
      constant(tensor((like?.dtype ?? "float32") as NumericDType, [], [encodeFor(value, like?.dtype)])),
    filled,
    zeros(shape, beside) {
      if (sizeOf(shape) < manyZeros) return filled(0, shape);
      const first = g.Slice(reshaped(beside, [sizeOf(beside.shape)]), ints([0]), ints([1]));
      return expanded(g.Cast(g.Sub(first, first), { to: 1 }), shape);
    },
    transposed: (value, perm) => (perm.every((axis, i) => axis === i) ? value : g.Transpose(value, { perm })),
    joined: (values, axis) => (values.length === 1 ? values[0]! : g.Concat(...values, { axis })),
    pieces(value, axis) {
      const count = value.shape[axis]!;
      return count === 1 ? [value] : emitNode(builder, "Split", [value], { axis, num_outputs: count }, count);
    },
    unbroadcast(value, shape) {
      if (sameShape(value.shape, shape)) return value;
      const lead = value.shape.length - shape.length;
      const axes = value.shape.flatMap((dim, i) => (i < lead || (shape[i - lead] === 1 && dim !== 1) ? [i] : []));
      return reshaped(summed(value, axes, true), shape);
    },
    expanded,
    padded(value, before, after) {
      const cropped = before.some((n) => n < 0) || after.some((n) => n < 0);
      let result = value;
      if (cropped) {
        const axes = value.shape.flatMap((_, i) => (before[i]! < 0 || after[i]! < 0 ? [i] : []));
        result = g.Slice(
          value,
          ints(axes.map((i) => Math.max(0, -before[i]!))),
          ints(axes.map((i) => value.shape[i]! - Math.max(0, -after[i]!))),
          ints(axes),
        );
      }
      const amounts = [...before, ...after].map((n) => Math.max(0, n));
      return amounts.every((n) => n === 0) ? result : g.Pad(result, ints(amounts));
    },
    sliced: (value, axes, starts, ends, steps) =>
      steps
        ? g.Slice(value, ints(starts), ints(ends), ints(axes), ints(steps))
        : g.Slice(value, ints(starts), ints(ends), ints(axes)),
  };
}

/** Gradient graphs are float32 throughout; a number for a float16 constant would have to be its bits. */
function encodeFor(value: number, dtype: string | undefined): number {
  if ((dtype === "float16" || dtype === "bfloat16") && value !== 0)
    fail("internal", `a ${dtype} constant cannot be emitted; widen the graph to float32 first`);
  return value;
}
