/**
 * What a model computes from its weights alone, as a graph that can be run once,
 * and the model with the results instead.
 */

import { bodies, type Graph, type Node } from "../graph/graph.ts";
import { namesOf } from "../graph/names.ts";
import { byteLength, bytesPerElement, isFloat, sizeOf, type Tensor } from "../graph/tensor.ts";
import { findOp } from "../ops/table.ts";
import { removeDead } from "./dead.ts";
import { trace, type Traced } from "./trace.ts";

/** Nodes that read nothing but weights, without inputs; the values it gives are those that nodes on data read. */
export interface WeightArithmetic {
  readonly graph: Graph;
  /** For each output of `graph`, the largest weight that it is made of. */
  readonly sources: ReadonlyMap<string, string>;
}

/** Results may take this many times the bytes of the weights that they are made of, and as many bytes more. */
const mostGrowth = { times: 4, bytes: 2 ** 20 };

/** What is known of a value that follows from weights alone. */
interface Known {
  /** Whether more has been done to weights than moving their elements and giving them another type. */
  readonly computed: boolean;
  /** Whether integers that stand for numbers are among what it is made of. */
  readonly quantised: boolean;
  /** The float initializers that it is made of, but for single numbers. */
  readonly weights: ReadonlySet<string>;
}

const nothing: Known = { computed: false, quantised: false, weights: new Set() };

/**
 * Finds what is computed from weights alone by more than operators that only move elements: standardised and normalised
 * weights, products of two weights, a scale and one. In the graph it would hide which axes of the weights belong
 * together. `undefined` where there is nothing of the kind.
 *
 * It stays where the weight is also read as it is, since the two would not be the same weight any more. It also stays
 * where it is quantised, and where the result would be far larger than the weight.
 */
export function weightArithmetic(graph: Graph): WeightArithmetic | undefined {
  const nodes = constantNodes(graph);
  if (nodes.length === 0) return undefined;
  const traced = trace({ ...graph, nodes, inputs: [], outputs: [], info: new Map() });
  const known = follow(graph, traced);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const size = ({ weights }: Known): number =>
    [...weights].reduce((sum, name) => sum + byteLength(graph.initializers.get(name)!), 0);
  const fits = (name: string): boolean => {
    const { dtype, shape } = traced.types.get(name)!;
    const bytes = dtype === "string" ? Infinity : sizeOf(shape) * bytesPerElement(dtype);
    return bytes <= mostGrowth.times * size(known.get(name)!) + mostGrowth.bytes;
  };
  const folds = (name: string): boolean => {
    const of = known.get(name);
    return of !== undefined && of.computed && !of.quantised && !outputs.has(name) && fits(name);
  };

  /** What remains in the graph; its other inputs are the results wanted. From the last node back. */
  const wanted = new Set<string>();
  const asIs = new Set<string>();
  const constant = new Set(nodes);
  const needed = new Set<string>(outputs);
  for (const node of graph.nodes.toReversed()) {
    const stays = !constant.has(node) || node.outputs.some((name) => needed.has(name));
    if (!stays) continue;
    for (const name of node.inputs) {
      if (name === "") continue;
      if (folds(name)) wanted.add(name);
      else {
        needed.add(name);
        for (const weight of known.get(name)?.weights ?? [name]) asIs.add(weight);
      }
    }
  }
  const isTied = (name: string): boolean =>
    [...known.get(name)!.weights].some((weight) => asIs.has(weight) && isMatrix(graph.initializers.get(weight)!));
  const results = [...wanted].filter((name) => !isTied(name)).toReversed();
  if (results.length === 0) return undefined;
  const largest = (name: string): string =>
    [...known.get(name)!.weights].toSorted(
      (a, b) => byteLength(graph.initializers.get(b)!) - byteLength(graph.initializers.get(a)!),
    )[0]!;
  return {
    graph: removeDead({
      ...traced.graph,
      outputs: results.map((name) => ({ name, ...traced.types.get(name)! })),
    }),
    sources: new Map(results.map((name) => [name, largest(name)])),
  };
}

const isMatrix = ({ shape }: Tensor): boolean => shape.filter((size) => size > 1).length > 1;

/** The nodes that read initializers and one another alone, and give the same each time. */
function constantNodes({ nodes, initializers }: Graph): Node[] {
  const fixed = new Set(initializers.keys());
  return nodes.filter((node) => {
    const op = findOp(node.op, node.domain);
    const reads = node.inputs.filter((name) => name !== "");
    if (op === undefined || op.random || reads.length === 0 || bodies(node).length > 0) return false;
    if (!reads.every((name) => fixed.has(name))) return false;
    for (const name of node.outputs) fixed.add(name);
    return true;
  });
}

const union = (a: ReadonlySet<string>, b: ReadonlySet<string>): ReadonlySet<string> => new Set([...a, ...b]);

/** For every float value of the nodes what it is made of. */
function follow({ initializers }: Graph, traced: Traced): Map<string, Known> {
  const known = new Map<string, Known>();
  for (const [name, { dtype, shape }] of initializers)
    if (isFloat(dtype) && sizeOf(shape) > 1) known.set(name, { ...nothing, weights: new Set([name]) });
  for (const node of traced.graph.nodes) {
    if (traced.refused.has(node)) continue;
    const op = findOp(node.op, node.domain)!;
    const parts = node.inputs.flatMap((name) => known.get(name) ?? []);
    const quantised = op.dequantised !== undefined && sizeOf(traced.types.get(node.inputs[0]!)!.shape) > 1;
    if (parts.length === 0 && !quantised) continue;
    const made: Known = {
      computed: !(op.view || op.carries) || parts.some((part) => part.computed),
      quantised: quantised || parts.some((part) => part.quantised),
      weights: parts.reduce<ReadonlySet<string>>((all, { weights }) => union(all, weights), new Set()),
    };
    for (const name of node.outputs) if (isFloat(traced.types.get(name)?.dtype ?? "string")) known.set(name, made);
  }
  return known;
}

/**
 * What a program calls a weight of which it keeps the parts: `conv.parametrizations.weight.original1`,
 * `conv.weight_v` or `conv.weight_orig`.
 */
const programName = (name: string): string =>
  name.replace(/\.parametrizations\.(\w+)\.original\d*$/, ".$1").replace(/\.(\w+?)_(v|orig)$/, ".$1");

/** The graph with the results for what they were computed from, under the name of the largest of its weights. */
export function withResults(graph: Graph, { sources }: WeightArithmetic, results: ReadonlyMap<string, Tensor>): Graph {
  const before = namesOf(graph);
  const nodes = graph.nodes.map((node) => {
    if (!node.outputs.some((name) => results.has(name))) return node;
    return { ...node, outputs: node.outputs.map((name) => (results.has(name) ? before.fresh(name) : name)) };
  });
  const rest = removeDead({ ...graph, nodes });
  const taken = namesOf(rest);
  const named = new Map([...results.keys()].map((name) => [name, taken.fresh(programName(sources.get(name)!))]));
  const initializers = new Map(rest.initializers);
  for (const [name, value] of results) initializers.set(named.get(name)!, value);
  const renamed = (node: Node): Node => ({ ...node, inputs: node.inputs.map((name) => named.get(name) ?? name) });
  return {
    ...rest,
    nodes: rest.nodes.map((node) => (node.inputs.some((name) => named.has(name)) ? renamed(node) : node)),
    initializers,
  };
}
