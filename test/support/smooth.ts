/** Nets with smooth stand-ins for what has kinks: kinks have no second derivative, and differences of gradients jump across them. */

import type { Graph } from "../../src/graph/graph.ts";

const smooth: Readonly<Record<string, string>> = {
  Relu: "Tanh",
  LeakyRelu: "Tanh",
  Clip: "Tanh",
  MaxPool: "AveragePool",
};

export function smoothed(graph: Graph): Graph {
  const nodes = graph.nodes.map((node) => {
    const op = smooth[node.op];
    if (op === undefined) return node;
    const attributes = Object.fromEntries(
      Object.entries(node.attributes).filter(([name]) => op === "AveragePool" && name !== "storage_order"),
    );
    return { ...node, op, attributes, inputs: node.inputs.slice(0, 1) };
  });
  return { ...graph, nodes };
}
