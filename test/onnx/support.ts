/** Models made by hand and runs of the runtime, which is what the tests compare with. */

import * as ort from "onnxruntime-node";
import type { Attribute, Dim, Graph, Model, Node, ValueInfo } from "../../src/graph/graph.ts";
import { bytesOf, sizeOf, type DType, type Tensor } from "../../src/graph/tensor.ts";

type Plain = number | string | readonly string[] | Attribute;

/** An attribute from a plain value: numbers are ints, see {@link floats} for the others. */
function attribute(value: Plain | readonly number[]): Attribute {
  if (typeof value === "number") return { type: "int", value };
  if (typeof value === "string") return { type: "string", value };
  if (!Array.isArray(value)) return value as Attribute;
  return typeof value[0] === "string" ? { type: "strings", value } : { type: "ints", value };
}

export const f = (value: number): Attribute => ({ type: "float", value });
export const floats = (...value: number[]): Attribute => ({ type: "floats", value });

export function node(
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Readonly<Record<string, Plain | readonly number[]>> = {},
  domain = "",
): Node {
  const entries = Object.entries(attributes).map(([name, value]): [string, Attribute] => [name, attribute(value)]);
  return { op, domain, name: "", inputs, outputs, attributes: Object.fromEntries(entries) };
}

export function value(name: string, shape?: readonly Dim[], dtype: DType = "float32"): ValueInfo {
  return { name, dtype, ...(shape && { shape }) };
}

export function graphOf(parts: Partial<Graph> & Pick<Graph, "nodes" | "outputs">): Graph {
  return { name: "g", inputs: [], initializers: new Map(), info: new Map(), ...parts };
}

export function modelOf(opset: number, graph: Partial<Graph> & Pick<Graph, "nodes" | "outputs">): Model {
  return {
    graph: graphOf(graph),
    irVersion: 4,
    opsets: { "": opset },
    producerName: "test",
    producerVersion: "1",
    domain: "",
    modelVersion: 0,
    doc: "",
    metadata: {},
  };
}

/** Numbers in [-1, 1) that are the same every time. */
export function noise(count: number, seed = 1): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

export type Outputs = Record<string, { dims: readonly number[]; bytes: number[] | readonly string[] }>;

/** Runs a model without any optimisation, so that equal programs give equal bits. */
export async function run(bytes: Uint8Array, feeds: Readonly<Record<string, Tensor>>): Promise<Outputs> {
  const session = await ort.InferenceSession.create(bytes, {
    graphOptimizationLevel: "disabled",
    intraOpNumThreads: 1,
    logSeverityLevel: 4,
  });
  try {
    const given = Object.entries(feeds).map(([name, { dtype, data, shape }]) => {
      return [name, new ort.Tensor(dtype as ort.Tensor.Type, data as never, shape)];
    });
    const results = await session.run(Object.fromEntries(given));
    const entries = Object.entries(results).map(([name, { dims, data }]) => {
      const raw = Array.isArray(data)
        ? data
        : [...bytesOf({ dtype: "float32", shape: [], data: data as Float32Array })];
      return [name, { dims, bytes: raw }];
    });
    return Object.fromEntries(entries) as Outputs;
  } finally {
    await session.release();
  }
}

/** Random float32 feeds for the inputs of a model; sizes that are not fixed are 1. */
export function feedsOf(model: Model): Record<string, Tensor> {
  const entries = model.graph.inputs.map(({ name, shape = [] }, i) => {
    const fixed = shape.map((dim) => (typeof dim === "number" ? dim : 1));
    return [name, { dtype: "float32", shape: fixed, data: noise(sizeOf(fixed), i + 1) }] as const;
  });
  return Object.fromEntries(entries);
}
