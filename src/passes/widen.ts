/** Gives every float16 value 32 bits, so that gradients neither overflow nor vanish. */

import type { Attribute, Graph, Node, ValueInfo } from "../graph/graph.ts";
import { tensor, type DType, type Tensor, type TypedArray } from "../graph/tensor.ts";

const half = 10;
const single = 1;

/** The number that the 16 bits of an IEEE half stand for. */
export function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

/** The 16 bits of the IEEE half nearest to a number; ties go to the even one. */
export function toHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size >= 65520) return sign | 0x7c00;
  const exponent = size < 2 ** -14 ? -14 : Math.floor(Math.log2(size));
  const step = 2 ** (exponent - 10);
  const scaled = size / step;
  const whole = Math.floor(scaled);
  const rest = scaled - whole;
  const rounded = whole + (rest > 0.5 || (rest === 0.5 && whole % 2 === 1) ? 1 : 0);
  // A subnormal has no hidden bit; a carry into the exponent is what the addition makes of it.
  return sign | (exponent === -14 ? rounded : ((exponent + 14) << 10) + rounded);
}

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
