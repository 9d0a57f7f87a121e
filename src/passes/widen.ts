/**
 * Gives every float of another width 32 bits: gradients of fewer overflow or vanish, and the
 * runtime has few kernels for the others.
 */

import { bodies, type Attribute, type Graph, type Node, type ValueInfo } from "../graph/graph.ts";
import { fromBrain, fromHalf, toBrain, toHalf } from "../graph/half.ts";
import { mapBodies } from "../graph/sort.ts";
import { tensor, type DType, type Tensor, type TypedArray } from "../graph/tensor.ts";

/** Floats that are held as their bits. */
const readers = { float16: fromHalf, bfloat16: fromBrain } as const;
const writers = { float16: toHalf, bfloat16: toBrain } as const;

export type ShortFloat = keyof typeof readers;

export const isShort = (dtype: DType): dtype is ShortFloat => Object.hasOwn(readers, dtype);

/** The tensor with 32 bits an element where it has 16. */
export function widenTensor(value: Tensor): Tensor {
  const { dtype } = value;
  if (!isShort(dtype)) return value;
  return tensor("float32", value.shape, Array.from(value.data as Uint16Array, readers[dtype]));
}

/** The tensor with 16 bits an element. */
export function narrowTensor(value: Tensor, dtype: ShortFloat = "float16"): Tensor {
  const data = Uint16Array.from(value.data as TypedArray as Float32Array, writers[dtype]);
  return { dtype, shape: value.shape, data };
}

/** ONNX's codes of element types, which attributes name. */
const single = 1;
const codes: Readonly<Record<number, DType>> = { 10: "float16", 11: "float64", 16: "bfloat16" };
const namesType = new Set(["to", "dtype", "output_dtype"]);

/** What an attribute names an element type by, where it is one that is made wide. */
function typeNamed(name: string, attribute: Attribute, wide: ReadonlySet<DType>): boolean {
  if (attribute.type !== "int" || !namesType.has(name)) return false;
  const dtype = codes[attribute.value];
  return dtype !== undefined && wide.has(dtype);
}

/** The tensor of floats in float32. */
export const toSingle = (value: Tensor): Tensor =>
  value.dtype === "float64"
    ? { dtype: "float32", shape: value.shape, data: Float32Array.from(value.data as Float64Array) }
    : widenTensor(value);

function widenNode(node: Node, wide: ReadonlySet<DType>): Node {
  const attributes = Object.entries(node.attributes).map(([name, attribute]): [string, Attribute] => {
    if (attribute.type === "tensor" && wide.has(attribute.value.dtype))
      return [name, { type: "tensor", value: toSingle(attribute.value) }];
    return typeNamed(name, attribute, wide) ? [name, { type: "int", value: single }] : [name, attribute];
  });
  return { ...node, attributes: Object.fromEntries(attributes) };
}

function widenGraph(graph: Graph, wide: ReadonlySet<DType>): Graph {
  const widenInfo = (info: ValueInfo): ValueInfo => (wide.has(info.dtype) ? { ...info, dtype: "float32" } : info);
  return {
    ...graph,
    nodes: graph.nodes.map((node) =>
      widenNode(
        mapBodies(node, (body) => widenGraph(body, wide)),
        wide,
      ),
    ),
    inputs: graph.inputs.map(widenInfo),
    outputs: graph.outputs.map(widenInfo),
    info: new Map([...graph.info].map(([name, info]) => [name, widenInfo(info)])),
    initializers: new Map(
      [...graph.initializers].map(([name, value]) => [name, wide.has(value.dtype) ? toSingle(value) : value]),
    ),
  };
}

/** The element types that a graph and its bodies name. */
function typesOf(graph: Graph, found = new Set<DType>()): Set<DType> {
  const declared = [...graph.inputs, ...graph.outputs, ...graph.info.values(), ...graph.initializers.values()];
  for (const { dtype } of declared) found.add(dtype);
  for (const node of graph.nodes) {
    for (const [name, attribute] of Object.entries(node.attributes)) {
      if (attribute.type === "tensor") found.add(attribute.value.dtype);
      else if (attribute.type === "int" && namesType.has(name)) found.add(codes[attribute.value] ?? "float32");
    }
    for (const body of bodies(node)) typesOf(body, found);
  }
  return found;
}

/** Whether a graph works in float64, and not only on a few sizes or constants. */
const isDouble = ({ inputs, initializers }: Graph): boolean =>
  inputs.some(({ dtype }) => dtype === "float64") ||
  [...initializers.values()].some(({ dtype, shape }) => dtype === "float64" && shape.length > 1);

/** The graph in float32, inputs and outputs included; a graph without other floats is returned as it is. */
export function widen(graph: Graph): Graph {
  const wide = new Set([...typesOf(graph)].filter((dtype) => isShort(dtype)) as DType[]);
  if (isDouble(graph)) wide.add("float64");
  return wide.size === 0 ? graph : widenGraph(graph, wide);
}

/** The tensor in the element type that it had, as near as it comes; the one it was where nothing has changed. */
export function narrowTo(value: Tensor, old: Tensor): Tensor {
  const { dtype } = old;
  if (value.dtype !== "float32") return value;
  if (isShort(dtype)) return narrowTensor(value, dtype);
  if (dtype !== "float64") return value;
  const [now, before] = [value.data as Float32Array, old.data as Float64Array];
  const same = now.length === before.length && now.every((element, i) => Object.is(element, Math.fround(before[i]!)));
  return { dtype, shape: value.shape, data: same ? before : Float64Array.from(now) };
}
