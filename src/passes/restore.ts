/** Gives a graph that was opened and widened for work the form of the file again. */

import type { Attribute, Graph, Node } from "../graph/graph.ts";
import { narrowTensor } from "./widen.ts";

/**
 * The result with the element types, inputs and outputs of the original.
 *
 * @param result a graph that came of the original by widening, opening its batch, cutting and training
 */
export function restoreForm(result: Graph, original: Graph): Graph {
  const before = new Map(original.nodes.map((node) => [node.outputs[0], node]));
  const initializers = new Map(
    [...result.initializers].map(([name, value]) => [
      name,
      original.initializers.get(name)?.dtype === "float16" && value.dtype === "float32" ? narrowTensor(value) : value,
    ]),
  );
  const nodes = result.nodes.map((node) => {
    const old = before.get(node.outputs[0]);
    return old === undefined ? node : restoreTypes(node, old);
  });
  return { ...result, nodes, initializers, inputs: original.inputs, outputs: original.outputs };
}

/** Attributes that name or hold a float16 are the original's; the others may have been resized. */
function restoreTypes(node: Node, old: Node): Node {
  const attributes: Record<string, Attribute> = { ...node.attributes };
  for (const [name, attribute] of Object.entries(old.attributes)) {
    const half = attribute.type === "tensor" ? attribute.value.dtype === "float16" : name === "to";
    if (half) attributes[name] = attribute;
  }
  return { ...node, attributes };
}
