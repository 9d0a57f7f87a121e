/** Gives every float16 value 32 bits, so that gradients neither overflow nor vanish. */

import type { Attribute, Graph, Node, ValueInfo } from "../graph/graph.ts";
import { fromHalf, toHalf } from "../graph/half.ts";
import { tensor, type DType, type Tensor, type TypedArray } from "../graph/tensor.ts";

const half = 10;
const single = 1;

/** The tensor with 32 bits an element where it has 16. */
export function widenTensor(value: Tensor): Tensor {
  if (value.dtype !== "float16") return value;
  return tensor("float32", value.shape, Array.from(value.data as Uint16Array, fromHalf));
}

/** The tensor with 16 bits an element. */
export function narrowTensor(value: Tensor): Tensor {
  return {
    dtype: "float16",
    shape: value.shape,
    data: Uint16Array.from(value.data as TypedArray as Float32Array, toHalf),
  };
}

const wide = (dtype: DType): DType => (dtype === "float16" ? "float32" : dtype);
const widenInfo = (info: ValueInfo): ValueInfo => ({ ...info, dtype: wide(info.dtype) });

function widenNode(node: Node): Node {
  const attributes = Object.entries(node.attributes).map(([name, attribute]): [string, Attribute] => {
    if (attribute.type === "tensor") return [name, { type: "tensor", value: widenTensor(attribute.value) }];
    // Cast and its kin name an element type by `to`.
    return name === "to" && attribute.value === half ? [name, { type: "int", value: single }] : [name, attribute];
  });
  return { ...node, attributes: Object.fromEntries(attributes) };
}

/** The graph in float32, inputs and outputs included; a graph without float16 is returned as it is. */
export function widen(graph: Graph): Graph {
  const halves = [...graph.inputs, ...graph.outputs, ...graph.info.values(), ...graph.initializers.values()];
  if (!halves.some(({ dtype }) => dtype === "float16")) return graph;
  return {
    ...graph,
    nodes: graph.nodes.map(widenNode),
    inputs: graph.inputs.map(widenInfo),
    outputs: graph.outputs.map(widenInfo),
    info: new Map([...graph.info].map(([name, info]) => [name, widenInfo(info)])),
    initializers: new Map([...graph.initializers].map(([name, value]) => [name, widenTensor(value)])),
  };
}
