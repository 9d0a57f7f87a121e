/** Reverse-mode differentiation: appends to a graph the nodes that compute its gradients. */

import type { GraphBuilder } from "../graph/builder.ts";
import { SecateurError, fail } from "../graph/error.ts";
import { describe, type Node } from "../graph/graph.ts";
import { sizeOf } from "../graph/tensor.ts";
import { plainAttributes, type Op, type Pullback, type Value } from "../ops/core/define.ts";
import type { Emit } from "../ops/core/emit.ts";
import { createEmitter, inputsOf, valueIn } from "../ops/emitter.ts";
import { findOp } from "../ops/table.ts";

/** An activation [N, units] inside a node that meets a masked axis, and its gradient along that way alone. */
export interface Inside {
  readonly input: Value;
  readonly axis: number;
  readonly value: Value;
  readonly gradient: Value;
}

/**
 * Appends the gradient of the sum of `ys`, each weighted by its seed, with respect to each of `wrt`.
 *
 * @param ys values with the gradient that enters at each; a seed has the shape of its value
 * @param wrt names of values of any kind: inputs, initializers or what nodes compute
 * @param insides collects what operators that mask inside (see `maskInside`) hold inside
 * @returns for each name its gradient, of its shape; `undefined` where `ys` do not depend on it
 * @throws one error that lists every node on the way whose operator has no gradient
 */
export function differentiate(
  builder: GraphBuilder,
  ys: readonly { readonly value: Value; readonly seed: Value }[],
  wrt: readonly string[],
  insides?: Inside[],
): Map<string, Value | undefined> {
  return differentiateFrom(0, { builder, g: createEmitter(builder), insides }, ys, wrt);
}

interface Engine {
  readonly builder: GraphBuilder;
  readonly g: Emit;
  readonly insides: Inside[] | undefined;
}

/** The same through the nodes from a position on; what stands before them counts as given. */
function differentiateFrom(
  start: number,
  engine: Engine,
  ys: readonly { readonly value: Value; readonly seed: Value }[],
  wrt: readonly string[],
): Map<string, Value | undefined> {
  const { builder, g } = engine;
  const forward = builder.nodes.slice(start);
  const holding = new Set(engine.insides ? forward.filter((node) => masksInside(builder, node)) : []);
  const needed = dependents(forward, [...wrt, ...[...holding].flatMap(({ outputs }) => outputs)]);
  refuseMissing(forward, needed, new Set(ys.map(({ value }) => value.name)));
  const asked = new Set(wrt);
  const gradients = new Accumulator(g, builder);
  for (const { value, seed } of ys) gradients.add(value.name, seed);
  for (let at = forward.length - 1; at >= 0; at--) {
    const node = forward[at]!;
    if (!node.outputs.some((name) => gradients.has(name))) continue;
    if (!holding.has(node) && !node.inputs.some((name) => needed.has(name))) continue;
    pullBack(engine, node, start + at, { needed, asked }, gradients);
  }
  return new Map(wrt.map((name) => [name, gradients.total(name)]));
}

const masksInside = (builder: GraphBuilder, node: Node): boolean =>
  (findOp(node.op, node.domain)?.maskInside?.(inputsOf(builder, node)).length ?? 0) > 0;

/** Gradients by value: contributions are kept apart until somebody asks for their sum. */
class Accumulator {
  readonly #contributions = new Map<string, Value[]>();
  readonly #g: Emit;
  readonly #builder: GraphBuilder;

  constructor(g: Emit, builder: GraphBuilder) {
    this.#g = g;
    this.#builder = builder;
  }

  has(name: string): boolean {
    return this.#contributions.has(name);
  }

  /** Adds a contribution: summed where it is larger than the value, left small where it broadcasts to it. */
  add(name: string, part: Value): void {
    const { shape } = valueIn(this.#builder, name);
    const fitted =
      sizeOf(part.shape) > sizeOf(shape) || part.shape.length > shape.length ? this.#g.unbroadcast(part, shape) : part;
    const known = this.#contributions.get(name);
    if (known) known.push(fitted);
    else this.#contributions.set(name, [fitted]);
  }

  total(name: string): Value | undefined {
    const terms = this.#contributions.get(name);
    if (terms === undefined) return undefined;
    const { shape } = valueIn(this.#builder, name);
    const sum =
      terms.length === 1 ? terms[0]! : terms.length === 2 ? this.#g.Add(terms[0]!, terms[1]!) : this.#g.Sum(...terms);
    const total = this.#g.expanded(sum, shape);
    this.#contributions.set(name, [total]);
    return total;
  }
}

interface Wanted {
  /** Values that depend on those whose gradients are asked for. */
  readonly needed: ReadonlySet<string>;
  readonly asked: ReadonlySet<string>;
}

function pullBack(engine: Engine, node: Node, at: number, { needed, asked }: Wanted, gradients: Accumulator): void {
  const { builder, g } = engine;
  const op = findOp(node.op, node.domain)!;
  if (op.gradient === "stop" || op.gradient === undefined) return;
  const inputs = inputsOf(builder, node);
  const attributes = plainAttributes(op, node.attributes);
  const pullback: Pullback = {
    outputs: node.outputs.map((name) => (name === "" ? undefined : valueIn(builder, name))),
    dys: node.outputs.map((name) => (name === "" ? undefined : gradients.total(name))),
    output: (index) => requestOutput(builder, at, index),
    asked: ({ name }) => asked.has(name),
  };
  try {
    if (op.gradient === "decompose") return pullBackSteps(engine, op, node, inputs, attributes, needed, gradients);
    const [y, dy] = [pullback.outputs[0]!, pullback.dys[0]!];
    const thunks = op.gradient(g, dy, inputs, attributes, y, pullback);
    node.inputs.forEach((name, i) => {
      const thunk = thunks[i];
      if (thunk && needed.has(name)) gradients.add(name, thunk());
    });
  } catch (error) {
    if (error instanceof SecateurError) throw new SecateurError(error.code, `${describe(node)}: ${error.message}`);
    throw error;
  }
}

/** Computes the node again by other operators and goes back through those. Lowering makes the two one. */
function pullBackSteps(
  engine: Engine,
  op: Op,
  node: Node,
  inputs: readonly (Value | undefined)[],
  attributes: Record<string, unknown>,
  needed: ReadonlySet<string>,
  gradients: Accumulator,
): void {
  const { builder, g, insides } = engine;
  const start = builder.nodes.length;
  const copies: { readonly value: Value; readonly copy: Value }[] = [];
  const results = op.decompose?.(g, inputs, attributes, node.outputs.length, (value) => {
    if (insides === undefined) return value;
    const copy = g.Identity(value);
    copies.push({ value, copy });
    return copy;
  });
  if (results === undefined) fail("internal", `${node.op} does not say how it decomposes`);
  const ys = node.outputs.flatMap((name, i) => {
    const seed = name === "" ? undefined : gradients.total(name);
    return seed ? [{ value: results[i]!, seed }] : [];
  });
  const wrt = [...new Set(node.inputs.filter((name) => needed.has(name)))];
  const found = differentiateFrom(start, engine, ys, [...wrt, ...copies.map(({ copy }) => copy.name)]);
  for (const name of wrt) {
    const gradient = found.get(name);
    if (gradient) gradients.add(name, gradient);
  }
  for (const { value, copy } of copies) {
    const gradient = found.get(copy.name);
    if (gradient)
      for (const [input, axis] of op.maskInside?.(inputs) ?? []) insides!.push({ input, axis, value, gradient });
  }
}

/** An output of a node that the model does not compute yet. */
function requestOutput(builder: GraphBuilder, at: number, index: number): Value {
  const node = builder.nodes[at]!;
  const known = node.outputs[index];
  if (known) return valueIn(builder, known);
  const op = findOp(node.op, node.domain)!;
  const inputs = inputsOf(builder, node);
  const attributes = plainAttributes(op, node.attributes);
  const type = {
    shape: op.shape(inputs, attributes, index + 1)[index] ?? fail("internal", `${node.op} has no output ${index}`),
    dtype: op.dtype(inputs, attributes, index + 1)[index]!,
  };
  const name = builder.fresh(`${node.outputs[0]}_${index}`);
  builder.types.set(name, type);
  const length = Math.max(index + 1, node.outputs.length);
  const outputs = Array.from({ length }, (_, i) => (i === index ? name : (node.outputs[i] ?? "")));
  builder.nodes[at] = { ...node, outputs };
  return valueIn(builder, name);
}

/** Everything that depends on one of the given values. */
function dependents(nodes: readonly Node[], names: readonly string[]): Set<string> {
  const found = new Set(names);
  for (const node of nodes)
    if (node.inputs.some((name) => found.has(name))) for (const name of node.outputs) found.add(name);
  found.delete("");
  return found;
}

/** Lists all nodes between the values and the results that have no gradient, at once. */
function refuseMissing(nodes: readonly Node[], needed: ReadonlySet<string>, results: ReadonlySet<string>): void {
  const wanted = new Set(results);
  const missing: string[] = [];
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i]!;
    if (!node.outputs.some((name) => wanted.has(name)) || !node.inputs.some((name) => needed.has(name))) continue;
    const op = findOp(node.op, node.domain);
    if (op?.gradient === undefined) missing.unshift(describe(node));
    else if (op.gradient === "stop") continue;
    for (const name of node.inputs) if (needed.has(name)) wanted.add(name);
  }
  if (missing.length > 0) {
    const shown = missing.slice(0, 10).join(", ");
    const more = missing.length > 10 ? ` and ${missing.length - 10} more` : "";
    fail("unsupported", `no gradient is known for ${shown}${more}`);
  }
}
