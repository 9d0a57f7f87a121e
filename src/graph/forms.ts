/**
 * Nodes of the ONNX standard that stand in a graph in the form of another opset than the graph's: what could
 * not be brought to it, and what comes from functions. Their domain names the opset, so that nobody takes them
 * for the operator of the internal one.
 */

import { bodies, type Graph, type Node } from "./graph.ts";

const prefix = "ai.onnx@";

/** The domain of nodes in the form of an opset. */
export const formDomain = (opset: number): string => `${prefix}${opset}`;

/** The opset whose form a node has, where it is not the graph's. */
export const formOf = ({ domain }: Pick<Node, "domain">): number | undefined =>
  domain.startsWith(prefix) ? Number(domain.slice(prefix.length)) : undefined;

/** Whether nodes of a graph, or of bodies in it, have the form of another opset. */
export function hasForms(graph: Graph): boolean {
  return graph.nodes.some((node) => formOf(node) !== undefined || bodies(node).some(hasForms));
}
