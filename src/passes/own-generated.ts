/**
 * Gives every reader of a generated value its own, so that readers are not tied to one another
 * by zeros or ones that nobody learns.
 */

import { bodies, captures, type Graph, type Node } from "../graph/graph.ts";
import { namesOf } from "../graph/names.ts";
import { isFloat } from "../graph/tensor.ts";
import { findOp } from "../ops/table.ts";
import type { Traced } from "./trace.ts";

/** A graph is not made longer than this many times. */
const mostGrowth = 4;

/** Nodes whose float outputs follow from sizes alone. */
function generators({ types, constants }: Traced, graph: Graph): Set<Node> {
  const generated = new Set<string>();
  const found = new Set<Node>();
  for (const node of graph.nodes) {
    const from = (name: string): boolean => {
      const type = types.get(name);
      return name === "" || generated.has(name) || (type !== undefined && !isFloat(type.dtype) && constants.has(name));
    };
    const [output = ""] = node.outputs;
    const type = types.get(output);
    const op = findOp(node.op, node.domain);
    if (op === undefined || op.random || node.outputs.length !== 1 || bodies(node).length > 0) continue;
    if (type === undefined || !isFloat(type.dtype) || !node.inputs.every(from)) continue;
    generated.add(output);
    found.add(node);
  }
  return found;
}

/**
 * The same graph, with a copy of each node that generates floats for each node that reads them.
 * The runtime makes equal ones one again.
 */
export function ownGenerated(graph: Graph, traced: Traced): Graph {
  const generating = generators(traced, graph);
  if (generating.size === 0) return graph;
  const taken = namesOf(graph);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const nodes: Node[] = [];
  /** Where in `nodes` a value is read, and whether a body does. */
  const readers = new Map<string, number[]>();
  const captured = new Set<string>();
  const push = (node: Node): void => {
    if (bodies(node).length > 0) for (const name of captures(node)) captured.add(name);
    else for (const name of new Set(node.inputs)) readers.set(name, [...(readers.get(name) ?? []), nodes.length]);
    nodes.push(node);
  };
  // From the last node back: a copy reads what it copies from, which is then copied for it too.
  for (const node of graph.nodes.toReversed()) {
    const [output = ""] = node.outputs;
    // Values that part and meet again would double at every step.
    const grown = nodes.length >= mostGrowth * graph.nodes.length;
    const found = generating.has(node) && !grown ? (readers.get(output) ?? []) : [];
    for (const at of outputs.has(output) || captured.has(output) ? found : found.slice(1)) {
      const own = taken.fresh(output);
      const reader = nodes[at]!;
      nodes[at] = { ...reader, inputs: reader.inputs.map((name) => (name === output ? own : name)) };
      push({ ...node, name: "", outputs: [own] });
    }
    push(node);
  }
  return { ...graph, nodes: nodes.toReversed() };
}
