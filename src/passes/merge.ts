/** Computes once what is computed twice. */

import { bodies, type Graph, type Node } from "../graph/graph.ts";
import { bytesOf, sizeOf, type Tensor } from "../graph/tensor.ts";
import { findOp } from "../ops/table.ts";

/** Merges nodes of the same operator, inputs and attributes. Graph outputs keep their names. */
export function mergeEqual(graph: Graph): Graph {
  const outputs = new Set(graph.outputs.map((v) => v.name));
  const renamed = equalConstants(graph);
  const seen = new Map<string, Node>();
  const nodes: Node[] = [];
  for (const old of graph.nodes) {
    const node = old.inputs.some((name) => renamed.has(name))
      ? { ...old, inputs: old.inputs.map((name) => renamed.get(name) ?? name) }
      : old;
    const key = keyOf(node);
    const twin = key === undefined ? undefined : seen.get(key);
    if (twin === undefined || node.outputs.some((name) => outputs.has(name))) {
      if (key !== undefined && twin === undefined) seen.set(key, node);
      nodes.push(node);
    } else {
      node.outputs.forEach((name, i) => renamed.set(name, twin.outputs[i]!));
    }
  }
  return { ...graph, nodes };
}

/** Equal lists of integers and equal scalars are one; neither is ever learned. */
function equalConstants(graph: Graph): Map<string, string> {
  const renamed = new Map<string, string>();
  const first = new Map<string, string>();
  for (const [name, value] of graph.initializers) {
    if (value.dtype === "string" || sizeOf(value.shape) > 64 || (value.dtype !== "int64" && value.shape.length > 0))
      continue;
    const key = keyOfTensor(value);
    const known = first.get(key);
    if (known === undefined) first.set(key, name);
    else renamed.set(name, known);
  }
  return renamed;
}

function keyOf(node: Node): string | undefined {
  const op = findOp(node.op, node.domain);
  if (op === undefined || op.random || bodies(node).length > 0) return undefined;
  const attributes = Object.entries(node.attributes)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([name, { type, value }]) =>
        `${name}:${type === "tensor" ? keyOfTensor(value as Tensor) : JSON.stringify(value)}`,
    );
  return [node.op, node.outputs.length, node.inputs.join("\0"), attributes.join("\0")].join("\u0001");
}

function keyOfTensor(value: Tensor): string {
  const elements = value.dtype === "string" ? JSON.stringify(value.data) : bytesOf(value).join();
  return `${value.dtype}[${value.shape.join()}]${elements}`;
}
