/** The program: a graph of nodes over named values, as in ONNX, without any knowledge of operators. */

import type { DType, Shape, Tensor } from "./tensor.ts";

/** A size, or the name of a size that is not fixed (`batch`). */
export type Dim = number | string;

/** What the file declares of a value. `shape` is absent where the file does not say it. */
export interface ValueInfo {
  readonly name: string;
  readonly dtype: DType;
  readonly shape?: readonly Dim[];
  readonly doc?: string;
  /** What the file says the value stands for, and each of its axes. */
  readonly denotation?: string;
  readonly axisDenotations?: readonly string[];
  readonly metadata?: Readonly<Record<string, string>>;
}

/** The type of a value once every size is fixed. */
export interface Type {
  readonly dtype: DType;
  readonly shape: Shape;
}

export type Attribute =
  | { readonly type: "float"; readonly value: number }
  | { readonly type: "int"; readonly value: number }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "tensor"; readonly value: Tensor }
  | { readonly type: "graph"; readonly value: Graph }
  | { readonly type: "floats"; readonly value: readonly number[] }
  | { readonly type: "ints"; readonly value: readonly number[] }
  | { readonly type: "strings"; readonly value: readonly string[] }
  | { readonly type: "graphs"; readonly value: readonly Graph[] };

export type Attributes = Readonly<Record<string, Attribute>>;

/** One application of an operator. An input that is left out is the empty string, as in ONNX. */
export interface Node {
  readonly op: string;
  /** Empty for the operators of the ONNX standard. */
  readonly domain: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Attributes;
  readonly doc?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Nodes stand in an order in which every value is produced before it is read. */
export interface Graph {
  readonly name: string;
  readonly nodes: readonly Node[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly initializers: ReadonlyMap<string, Tensor>;
  /** What the file declares of values that are neither input nor output. */
  readonly info: ReadonlyMap<string, ValueInfo>;
  /**
   * Names that groups keep though the weight they are named after has gone, by the names
   * that they would have. No file has them.
   */
  readonly groupNames?: ReadonlyMap<string, string>;
  /** Of values that are compared with another model's: what is left of them. No file has it. */
  readonly positions?: Positions;
  /** What a trial run said of values that no rule types; no file has it. */
  readonly found?: Found;
  /** At which sizes open axes of inputs other than the first are traced, by their symbols. No file has them. */
  readonly sizes?: ReadonlyMap<string, number>;
  /** Other sizes at which the graph can be traced; between them every open axis has another than in `sizes`. */
  readonly otherSizes?: readonly ReadonlyMap<string, number>[];
  readonly doc?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** What the file says besides of initializers, by their names. */
  readonly comments?: ReadonlyMap<string, Comment>;
  /** By the names of values: the tensors that hold how each is quantised, by what they are to it (`SCALE_TENSOR`). */
  readonly quantization?: ReadonlyMap<string, Readonly<Record<string, string>>>;
}

/** By values, and by those of their axes that have lost something. */
export type Positions = ReadonlyMap<string, ReadonlyMap<number, AxisPositions>>;

/** What is left of an axis of a model that was cut. */
export interface AxisPositions {
  /** Its length in the model before anything was cut. */
  readonly of: number;
  /** The positions of that axis which are left, in their order. */
  readonly left: readonly number[];
}

export interface Comment {
  readonly doc?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A size that follows from open sizes: times · their product + plus. */
export interface OpenDim {
  readonly times: number;
  readonly symbols: readonly string[];
  readonly plus: number;
}

/** The types of values as a runtime returned them, at sizes by which those that are open can be told. */
export interface Found {
  readonly types: ReadonlyMap<string, { readonly dtype: DType; readonly shape: readonly (number | OpenDim)[] }>;
  /** The open sizes of that run. */
  readonly sizes: ReadonlyMap<string, number>;
  /** Why there are no types, where the model did not run. */
  readonly failed?: string;
}

/** Outputs of a file that are no tensors, with the nodes that make them of tensors, in the opset of the file. */
export interface Aside {
  readonly nodes: readonly Node[];
  readonly constants: ReadonlyMap<string, Tensor>;
  /** All outputs of the file in their order: the names of tensors, and the others as the file declares them. */
  readonly outputs: readonly (
    | string
    | { readonly name: string; readonly kind: string; readonly declaration: Uint8Array }
  )[];
}

/** A graph and what a model file says besides. */
export interface Model {
  readonly graph: Graph;
  readonly irVersion: number;
  /** The opset that the nodes of `graph` are written in; the ONNX standard's is "". */
  readonly opsets: Readonly<Record<string, number>>;
  /** The opset of the file, where the nodes have been brought to another since. */
  readonly fileOpset?: number;
  readonly producerName: string;
  readonly producerVersion: string;
  readonly domain: string;
  readonly modelVersion: number;
  readonly doc: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** What makes outputs that are no tensors; the graph's are those that it is made of. */
  readonly aside?: Aside;
  /** What of the file is not worked on or not kept, in a sentence each. */
  readonly remarks?: readonly string[];
}

/** How a message names a node: its operator and its name, or its first output where it has none. */
export function describe(node: Node): string {
  return `${node.op} ${node.name === "" ? `-> ${node.outputs[0] ?? "?"}` : `"${node.name}"`}`;
}

/** Graphs in the attributes of a node: the bodies of If, Loop and Scan. */
export function bodies(node: Node): Graph[] {
  const found: Graph[] = [];
  for (const attribute of Object.values(node.attributes)) {
    if (attribute.type === "graph") found.push(attribute.value);
    else if (attribute.type === "graphs") found.push(...attribute.value);
  }
  return found;
}

/** Values of the enclosing graph that the bodies of a node read. */
export function captures(node: Node): string[] {
  const found = new Set<string>();
  const pending = bodies(node).map((body) => ({ body, outer: new Set<string>() }));
  for (let at = 0; at < pending.length; at++) {
    const { body, outer } = pending[at]!;
    const own = new Set([...outer, ...body.inputs.map((v) => v.name), ...body.initializers.keys()]);
    for (const inner of body.nodes) {
      for (const name of inner.inputs) if (name !== "" && !own.has(name)) found.add(name);
      for (const nested of bodies(inner)) pending.push({ body: nested, outer: own });
      for (const name of inner.outputs) own.add(name);
    }
    for (const { name } of body.outputs) if (!own.has(name)) found.add(name);
  }
  return [...found];
}

/** Everything a node reads: its inputs and what its bodies capture. */
export function reads(node: Node): string[] {
  const inputs = node.inputs.filter((name) => name !== "");
  return bodies(node).length === 0 ? inputs : [...inputs, ...captures(node)];
}

/** For every value, the nodes that read it. */
export function readersOf(graph: Graph): Map<string, Node[]> {
  const readers = new Map<string, Node[]>();
  for (const node of graph.nodes) {
    for (const name of new Set(reads(node))) {
      const known = readers.get(name);
      if (known) known.push(node);
      else readers.set(name, [node]);
    }
  }
  return readers;
}

/** For every value that a node computes, that node. */
export function producersOf(graph: Graph): Map<string, Node> {
  const producers = new Map<string, Node>();
  for (const node of graph.nodes) for (const name of node.outputs) if (name !== "") producers.set(name, node);
  return producers;
}
