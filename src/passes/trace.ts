/** Fixes every size of a graph and infers the type of every value; what is computed from sizes alone becomes known. */

import { GraphBuilder } from "../graph/builder.ts";
import { SecateurError, fail, option } from "../graph/error.ts";
import { describe, type Graph, type Node, type Type, type ValueInfo } from "../graph/graph.ts";
import { isFloat, maxRank, sizeOf, type Shape, type Tensor } from "../graph/tensor.ts";
import { plainAttributes, type Op, type Value } from "../ops/core/define.ts";
import { explainUnknown } from "../ops/refused.ts";
import { findOp } from "../ops/table.ts";
import { sizeOfDim, symbolOf } from "./dims.ts";
import { batchSymbol, statedTypes } from "./stated.ts";

/** A node whose rules cannot be applied, and why. */
export interface Refusal {
  readonly node: Node;
  readonly reason: string;
}

/** A graph of which every size is fixed. Values that only refused nodes could type are absent from `types`. */
export interface Traced {
  readonly graph: Graph;
  readonly types: ReadonlyMap<string, Type>;
  /** Initializers, and values that follow from sizes. */
  readonly constants: ReadonlyMap<string, Tensor>;
  readonly refusals: readonly Refusal[];
  /** The nodes of the refusals. */
  readonly refused: ReadonlySet<Node>;
  /** The sizes of open axes of inputs, by their symbols. */
  readonly symbols: ReadonlyMap<string, number>;
}

export interface TraceOptions {
  /** The size of every first axis that the file leaves open; default 1. */
  readonly batch?: number;
  /** The sizes of other open axes by their symbols; default those that the graph has from {@link normalise}. */
  readonly sizes?: ReadonlyMap<string, number> | undefined;
  /** Tensors of at most so many integers are followed; default enough for sizes. */
  readonly mostIntegers?: number;
}

/** Beyond this many elements a tensor is data, not shape arithmetic. */
const largestFold = 4096;
/** Sizes that are scaled pass through no more floats than a tensor has axes, or a few times as many. */
const mostFloats = 64;
/** Scales are two for each axis at most. */
export const mostScales = 8;

/**
 * Axes that have more elements together take long to couple: where images are flattened,
 * every pixel of every channel is one.
 */
export const manyElements = 2 ** 20;

/** How many elements all axes of all values have together. */
export function lengthOf({ types }: Pick<Traced, "types">): number {
  let total = 0;
  for (const { shape } of types.values()) for (const size of shape) total += size;
  return total;
}

/** A builder that goes on from a graph and knows what nodes of it compute from sizes. */
export function builderOn({ graph, types, constants }: Traced): GraphBuilder {
  const computed = [...constants].filter(([name]) => !graph.initializers.has(name));
  return new GraphBuilder(graph, types, new Map(computed));
}

/** The value of a name; `undefined` for an input that is left out or has no known type. */
export function valueOf(traced: Pick<Traced, "types" | "constants">, name: string): Value | undefined {
  const type = name === "" ? undefined : traced.types.get(name);
  if (type === undefined) return undefined;
  const constant = traced.constants.get(name);
  return { name, dtype: type.dtype, shape: type.shape, ...(constant && { constant }) };
}

/** A node with its operator and values, ready for the operator's rules. */
export interface Application {
  readonly node: Node;
  readonly op: Op;
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly Value[];
  readonly attributes: Record<string, unknown>;
}

/** The node as the rules want it; `undefined` where it was refused. */
export function applicationOf(
  traced: Pick<Traced, "types" | "constants" | "refused">,
  node: Node,
): Application | undefined {
  const op = findOp(node.op, node.domain);
  // A refused node may still be typed, by the file: the rules do not know all of it.
  if (op === undefined || traced.refused.has(node)) return undefined;
  const inputs = node.inputs.map((name) => valueOf(traced, name));
  const outputs = node.outputs.map((name) => valueOf(traced, name));
  if (inputs.some((value, i) => value === undefined && node.inputs[i] !== "")) return undefined;
  const last = outputs.findLastIndex((value) => value !== undefined);
  if (outputs.slice(0, last + 1).some((value) => value === undefined)) return undefined;
  return {
    node,
    op,
    inputs,
    outputs: outputs.slice(0, last + 1) as Value[],
    attributes: plainAttributes(op, node.attributes),
  };
}

/**
 * Infers all types. Nodes that cannot be typed are listed in `refusals` and typed by what a trial run
 * said, else as the file declares them, where either does. Throws where an open size is not given, and
 * where a node contradicts its inputs.
 */
export function trace(graph: Graph, options: TraceOptions = {}): Traced {
  const types = new Map<string, Type>();
  const constants = new Map<string, Tensor>(graph.initializers);
  const refusals: Refusal[] = [];
  const symbols = bindSymbols(graph, options);
  for (const [name, { dtype, shape }] of graph.initializers) types.set(name, { dtype, shape });
  for (const input of graph.inputs) types.set(input.name, { dtype: input.dtype, shape: bindInput(input, symbols) });
  for (const { name } of graph.inputs) checkShape(types.get(name)!.shape, `the input "${name}"`);
  symbols.set(batchSymbol, options.batch ?? 1);
  const stated = statedTypes(graph, symbols);
  for (const node of graph.nodes) {
    const reason = inferNode(node, types, constants, graph.initializers, options.mostIntegers);
    if (reason === undefined) continue;
    const unknown = node.outputs.some((name) => name !== "" && stated(name) === undefined);
    const failed = unknown ? graph.found?.failed : undefined;
    refusals.push({ node, reason: failed === undefined ? reason : `${reason} (a trial run did not tell: ${failed})` });
    for (const name of node.outputs) {
      const type = name === "" ? undefined : stated(name);
      if (type === undefined) continue;
      checkShape(type.shape, `${describe(node)}: "${name}"`);
      types.set(name, type);
    }
  }
  return { graph, types, constants, refusals, refused: new Set(refusals.map(({ node }) => node)), symbols };
}

/** The size of every symbol that is one: the batch of first axes, what is given of others. */
function bindSymbols({ inputs, sizes: own }: Graph, { batch = 1, sizes = own }: TraceOptions): Map<string, number> {
  const symbols = new Map<string, number>(sizes);
  // What the file writes of a first axis may follow from others, as `2*N` does.
  const first = inputs.flatMap((input) =>
    typeof input.shape?.[0] === "string" ? [symbolOf(input, 0, input.shape[0])] : [],
  );
  const isTerm = (symbol: string): boolean => /[-+*/]/.test(symbol);
  for (const symbol of first) if (!isTerm(symbol) && !symbols.has(symbol)) symbols.set(symbol, batch);
  for (const symbol of first) if (sizeOfDim(symbol, symbols) === undefined) symbols.set(symbol, batch);
  return symbols;
}

function bindInput(input: ValueInfo, symbols: ReadonlyMap<string, number>): Shape {
  const { name, shape: declared } = input;
  if (declared === undefined)
    fail(
      "bad-option",
      `the model does not say the shape of its input "${name}"; give it by ${option("shapes", { [name]: ["..."] })}`,
    );
  const shape = declared.map((dim, axis) =>
    typeof dim === "number" ? dim : sizeOfDim(symbolOf(input, axis, dim), symbols),
  );
  if (shape.includes(undefined))
    fail(
      "bad-option",
      `input "${name}" is [${declared.map((dim) => (dim === "" ? "?" : dim)).join(", ")}]; give its sizes by ` +
        `${option("shapes", { [name]: declared.map((dim) => (typeof dim === "number" ? dim : "N")) })}`,
    );
  return shape as number[];
}

/** Types the outputs of a node; returns why it cannot. */
export function inferNode(
  node: Node,
  types: Map<string, Type>,
  constants: Map<string, Tensor>,
  initializers: ReadonlyMap<string, Tensor>,
  mostIntegers: number = largestFold,
): string | undefined {
  const op = findOp(node.op, node.domain);
  if (op === undefined) return explainUnknown(node.op, node.domain);
  const unknown = Object.keys(node.attributes).find((name) => !Object.hasOwn(op.attributes, name));
  if (unknown !== undefined) return `attribute "${unknown}" of ${node.op} is not known`;
  checkKinds(op, node);
  if (node.inputs.length > op.inputs.length && !op.inputs.at(-1)?.endsWith("..."))
    return `${node.op} has ${node.inputs.length} inputs, at most ${op.inputs.length} are known`;
  const inputs = node.inputs.map((name) => valueOf({ types, constants }, name));
  const untyped = node.inputs.find((name, i) => name !== "" && inputs[i] === undefined);
  if (untyped !== undefined) return `the shape of its input "${untyped}" is not known`;
  const missing = op.inputs.find((name, i) =>
    name.endsWith("...")
      ? inputs.length <= i || inputs.slice(i).includes(undefined)
      : !name.endsWith("?") && inputs[i] === undefined,
  );
  if (missing !== undefined) fail("bad-model", `${describe(node)}: its input ${missing.replace("...", "")} is missing`);
  const attributes = plainAttributes(op, node.attributes);
  const count = node.outputs.length;
  try {
    const shapes = op.shape(inputs, attributes, count);
    const dtypes = op.dtype(inputs, attributes, count);
    if (shapes.length < count) return `${node.op} has ${count} outputs, at most ${shapes.length} are known`;
    node.outputs.forEach((name, i) => {
      checkShape(shapes[i]!, "its output");
      if (name !== "") types.set(name, { dtype: dtypes[i]!, shape: shapes[i]! });
    });
  } catch (error) {
    if (!(error instanceof SecateurError)) throw error;
    if (error.code === "unsupported") return error.message;
    throw new SecateurError(error.code, `${describe(node)}: ${error.message}`);
  }
  if (op.fold && foldable(node, types, mostIntegers)) {
    const outputs = node.outputs.map((name) => valueOf({ types, constants }, name)!);
    const toFloats = outputs.every(({ dtype }) => isFloat(dtype));
    const fixed = inputs.map((input) =>
      input && isWeight(input, initializers, toFloats) ? withoutElements(input) : input,
    );
    op.fold(fixed, attributes, outputs)?.forEach((value, i) => value && constants.set(node.outputs[i]!, value));
  }
  return undefined;
}

/** Text is no arithmetic, and of floats only the few that sizes are computed with on the way. */
const foldable = (node: Node, types: ReadonlyMap<string, Type>, mostIntegers: number): boolean =>
  node.outputs.every((name) => {
    const type = types.get(name);
    if (type === undefined || type.dtype === "string") return false;
    return sizeOf(type.shape) <= (isFloat(type.dtype) ? mostFloats : mostIntegers);
  });

/**
 * A float initializer may learn, so that its elements are not fixed; what floats are made of it stays in the graph.
 * Fixed are scalars, which exporters make of numbers in code, and what is so small that it may be the scales of a
 * Resize.
 */
const isWeight = (
  { name, dtype, shape }: Value,
  initializers: ReadonlyMap<string, Tensor>,
  toFloats: boolean,
): boolean =>
  isFloat(dtype) && initializers.has(name) && shape.length > 0 && !(toFloats && sizeOf(shape) <= mostScales);

/** Refuses an attribute that is stored as something else than the rules of its operator read. */
function checkKinds(op: Op, node: Node): void {
  for (const [name, { type }] of Object.entries(node.attributes)) {
    const { kind } = op.attributes[name]!;
    if (type !== kind)
      fail("bad-model", `${describe(node)}: its attribute "${name}" is of the kind ${type}, and must be ${kind}`);
  }
}

/**
 * Refuses what is no shape: sizes that are no whole numbers, as sums and quotients of a damaged model's are,
 * and more elements than can be counted.
 */
function checkShape(shape: Shape, what: string): void {
  if (shape.length > maxRank)
    fail("unsupported", `${what} has ${shape.length} axes; more than ${maxRank} are not supported`);
  const isCount = (n: number): boolean => Number.isSafeInteger(n) && n >= 0;
  if (!shape.every(isCount) || !isCount(sizeOf(shape)))
    fail("bad-model", `${what} would have the shape [${Array.from(shape, String).join(", ")}]; the model is damaged`);
}

const withoutElements = ({ name, dtype, shape }: Value): Value => ({ name, dtype, shape });
