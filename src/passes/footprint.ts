/** How much memory a graph takes while it runs. */

import { producersOf, reads, type Graph, type Node } from "../graph/graph.ts";
import { byteLength, bytesPerElement, sizeOf } from "../graph/tensor.ts";
import { trace } from "./trace.ts";

/** In bytes. */
export interface Footprint {
  /** What the graph holds all the time. */
  readonly constants: number;
  /** The most that is computed and still to be read at the same time, inputs included. */
  readonly activations: number;
}

/** The footprint of a graph whose sizes are all fixed: every value is there from the node that computes it to the last one that reads it. */
export function footprintOf(graph: Graph): Footprint {
  const { types } = trace(graph);
  const bytes = (name: string): number => {
    const type = graph.initializers.has(name) ? undefined : types.get(name);
    return type ? sizeOf(type.shape) * bytesPerElement(type.dtype) : 0;
  };
  const order = inOrder(graph);
  const last = new Map<string, number>();
  order.forEach((node, at) => reads(node).forEach((name) => last.set(name, at)));
  for (const { name } of graph.outputs) last.set(name, order.length);
  let alive = graph.inputs.reduce((sum, { name }) => sum + bytes(name), 0);
  let most = alive;
  order.forEach((node, at) => {
    for (const name of node.outputs) alive += bytes(name);
    most = Math.max(most, alive);
    for (const name of new Set([...reads(node), ...node.outputs]))
      if ((last.get(name) ?? at) === at) alive -= bytes(name);
  });
  const constants = [...graph.initializers.values()].reduce((sum, value) => sum + byteLength(value), 0);
  return { constants, activations: most };
}

/**
 * The nodes as onnxruntime runs them: back from those that nobody reads, the last of the file first, and at each node what its last input needs
 * first. What is written as evidence at the end of a graph is so computed as soon as its gradient is there.
 */
function inOrder(graph: Graph): Node[] {
  const place = new Map(graph.nodes.map((node, at) => [node, at]));
  const producers = producersOf(graph);
  const inputs = new Map(
    graph.nodes.map((node) => [node, new Set(reads(node).flatMap((name) => producers.get(name) ?? []))] as const),
  );
  const read = new Set<Node>();
  for (const all of inputs.values()) for (const node of all) read.add(node);
  const order: Node[] = [];
  const seen = new Set<Node>();
  const stack = graph.nodes.filter((node) => !read.has(node)).map((node) => ({ node, done: false }));
  for (let top = stack.pop(); top; top = stack.pop()) {
    const { node, done } = top;
    if (done) order.push(node);
    if (done || seen.has(node)) continue;
    seen.add(node);
    stack.push({ node, done: true });
    const before = [...inputs.get(node)!].toSorted((a, b) => place.get(a)! - place.get(b)!);
    stack.push(...before.map((one) => ({ node: one, done: false })));
  }
  return order;
}
