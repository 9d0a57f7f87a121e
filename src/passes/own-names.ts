/** Computes what a graph puts out under its name at once, instead of giving the value another one at the end. */

import { captures, type Graph, type Node } from "../graph/graph.ts";

/**
 * The graph without the Identity that gives an output its name, where a node makes the value
 * and it has no name as an output yet.
 */
export function ownNames(graph: Graph): Graph {
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const made = new Set(graph.nodes.flatMap((node) => node.outputs));
  const captured = new Set(graph.nodes.flatMap((node) => [...captures(node)]));
  const renamed = new Map<string, string>();
  const names = new Set<Node>();
  for (const node of graph.nodes) {
    const [value, output] = [node.inputs[0]!, node.outputs[0]!];
    if (node.op !== "Identity" || !outputs.has(output) || outputs.has(value)) continue;
    if (!made.has(value) || captured.has(value) || renamed.has(value)) continue;
    renamed.set(value, output);
    names.add(node);
  }
  const rename = (name: string): string => renamed.get(name) ?? name;
  const nodes = graph.nodes.flatMap((node) =>
    names.has(node) ? [] : [{ ...node, inputs: node.inputs.map(rename), outputs: node.outputs.map(rename) }],
  );
  return { ...graph, nodes };
}
