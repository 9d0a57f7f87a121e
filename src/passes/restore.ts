/** Gives a graph that was opened and widened for work the form of the file again. */

import type { Attribute, Graph, Node } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import { narrowTo } from "./widen.ts";

/**
 * The result with the element types, inputs and outputs of the original.
 *
 * @param result a graph that came of the original by widening, opening its batch, cutting and training
 */
export function restoreForm(result: Graph, original: Graph): Graph {
  return { ...restoreGraph(result, original), inputs: original.inputs, outputs: original.outputs };
}

function restoreGraph(result: Graph, original: Graph): Graph {
  const before = new Map(original.nodes.map((node) => [node.outputs[0], node]));
  const initializers = new Map(
    [...result.initializers].map(([name, value]) => {
      const old = original.initializers.get(name);
      return [name, old ? narrowTo(value, old) : value];
    }),
  );
  const info = new Map(
    [...result.info].map(([name, value]) => {
      const dtype = original.info.get(name)?.dtype;
      return [name, dtype === undefined ? value : { ...value, dtype }];
    }),
  );
  const nodes = result.nodes.map((node) => {
    const old = before.get(node.outputs[0]);
    return old === undefined ? node : restoreTypes(node, old);
  });
  return { ...result, nodes, initializers, info };
}

const isWidened = (value: Tensor): boolean => ["float16", "bfloat16", "float64"].includes(value.dtype);

/** Attributes that name or hold another float are the original's; the others may have been resized. */
function restoreTypes(node: Node, old: Node): Node {
  const attributes: Record<string, Attribute> = { ...node.attributes };
  for (const [name, attribute] of Object.entries(old.attributes)) {
    const now = attributes[name];
    if (attribute.type === "graph" && now?.type === "graph") {
      attributes[name] = { type: "graph", value: restoreBody(now.value, attribute.value) };
    } else if (attribute.type === "tensor" ? isWidened(attribute.value) : typeNames.has(name))
      attributes[name] = attribute;
  }
  return { ...node, attributes };
}

function restoreBody(result: Graph, original: Graph): Graph {
  const typed = (values: Graph["inputs"], old: Graph["inputs"]): Graph["inputs"] =>
    values.map((value) => ({ ...value, dtype: old.find(({ name }) => name === value.name)?.dtype ?? value.dtype }));
  const { inputs, outputs } = result;
  return {
    ...restoreGraph(result, original),
    inputs: typed(inputs, original.inputs),
    outputs: typed(outputs, original.outputs),
  };
}

const typeNames = new Set(["to", "dtype", "output_dtype"]);
