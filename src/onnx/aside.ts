/**
 * Outputs of a file that are no tensors, as the maps of scikit-learn's classifiers:
 * set aside, and written as they stood.
 */

import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { ValueInfoProtoSchema, type ValueInfoProto } from "./schema/onnx_pb.ts";
import { fail } from "../graph/error.ts";
import {
  bodies,
  describe,
  producersOf,
  readersOf,
  type Aside,
  type Graph,
  type Model,
  type Node,
  type ValueInfo,
} from "../graph/graph.ts";
import { namesOf } from "../graph/names.ts";
import { sortNodes } from "../graph/sort.ts";
import { verify } from "../graph/verify.ts";
import type { DType, Tensor } from "../graph/tensor.ts";
import { sameMeaning } from "./downgrade.ts";

/** Operators that return what is no tensor. */
const makers = new Set(
  "Optional SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceMap SplitToSequence ZipMap".split(" "),
);

/** How an error calls the type of a value that is no tensor. */
export function typeOf(value: ValueInfoProto): string {
  return (value.type?.value.case ?? "").replace("Type", "").replace("sparseTensor", "sparse tensor");
}

export const isTensor = ({ type }: ValueInfoProto): boolean =>
  type?.value.case === undefined || type.value.case === "tensorType";

/**
 * A graph without what makes outputs that are no tensors: the tensors that it makes them of are
 * outputs instead, so that they stay whole.
 *
 * @param read with those outputs only that are tensors
 * @param declared all outputs of the file, in their order
 * @throws SecateurError `unsupported` where such an output can't be told from the rest of the graph
 */
export function setAside(read: Graph, declared: readonly ValueInfoProto[]): { graph: Graph; aside?: Aside } {
  if (declared.every(isTensor)) return { graph: read };
  const graph = sortNodes(read);
  const readers = readersOf(graph);
  const { tail, tensorsOf } = findTail(graph, declared);
  const outputs = outputsInstead(graph, readers, declared, tensorsOf);
  checkAlone(graph, readers, tail);
  const { initializers, constants, own } = divideInitializers(graph, readers, tail);
  const nodes = graph.nodes
    .filter((node) => tail.has(node))
    .map((node) => ({ ...node, inputs: node.inputs.map((name) => own.get(name) ?? name) }));
  const aside: Aside = {
    nodes,
    constants,
    outputs: declared.map((value) =>
      isTensor(value)
        ? value.name
        : { name: value.name, kind: typeOf(value), declaration: toBinary(ValueInfoProtoSchema, value) },
    ),
  };
  const rest = graph.nodes.filter((node) => !tail.has(node));
  const info = new Map([...graph.info].filter(([name]) => !outputs.has(name)));
  return { graph: { ...graph, nodes: rest, initializers, info, outputs: [...outputs.values()] }, aside };
}

type Readers = ReadonlyMap<string, readonly Node[]>;
type TensorsOf = ReadonlyMap<ValueInfoProto, ReadonlySet<string>>;

/** The nodes that make outputs which are no tensors, and the tensors that each such output is made of. */
function findTail(
  graph: Graph,
  declared: readonly ValueInfoProto[],
): { tail: ReadonlySet<Node>; tensorsOf: TensorsOf } {
  const producers = producersOf(graph);
  const isOther = (name: string): boolean => {
    let node = producers.get(name);
    while (node?.op === "Identity") node = producers.get(node.inputs[0] ?? "");
    return node !== undefined && makers.has(node.op);
  };
  const tail = new Set<Node>();
  const tensorsOf = new Map<ValueInfoProto, Set<string>>();
  for (const value of declared.filter((declaration) => !isTensor(declaration))) {
    const from = new Set<string>();
    const pending = new Set([value.name]);
    for (const name of pending) {
      const node = producers.get(name);
      if (node === undefined || bodies(node).length > 0)
        fail(
          "unsupported",
          `the output "${value.name}" is a ${typeOf(value)}, and what makes it is not known; cut the model before it`,
        );
      tail.add(node);
      for (const input of node.inputs)
        if (isOther(input)) pending.add(input);
        else if (input !== "") from.add(input);
    }
    tensorsOf.set(value, from);
  }
  return { tail, tensorsOf };
}

/**
 * The outputs of the graph that is left: the declared tensors, and in place of each other output what it is made of.
 */
function outputsInstead(
  graph: Graph,
  readers: Readers,
  declared: readonly ValueInfoProto[],
  tensorsOf: TensorsOf,
): Map<string, ValueInfo> {
  const known = new Map([...graph.info.values(), ...graph.outputs].map((value) => [value.name, value]));
  const inputs = new Set(graph.inputs.map(({ name }) => name));
  const outputs = new Map<string, ValueInfo>();
  for (const value of declared) {
    const from = tensorsOf.get(value);
    if (from === undefined) outputs.set(value.name, known.get(value.name)!);
    else
      for (const name of from)
        if (!inputs.has(name) && !graph.initializers.has(name))
          outputs.set(name, known.get(name) ?? { name, dtype: typeFor(name, value, readers) });
  }
  return outputs;
}

/** The type that the first reader of a value takes: all that tells it of a value that is not declared. */
function typeFor(name: string, value: ValueInfoProto, readers: Readers): DType {
  if (readers.get(name)?.some(({ op }) => op === "ZipMap")) return "float32";
  return fail(
    "unsupported",
    `the output "${value.name}" is a ${typeOf(value)} made of "${name}", whose type is not declared; ` +
      "run ONNX shape inference over the model first",
  );
}

/** Refuses values that are no tensors where the rest of the graph reads them too. */
function checkAlone(graph: Graph, readers: Readers, tail: ReadonlySet<Node>): void {
  const isPlain = new Set(graph.outputs.map(({ name }) => name));
  for (const node of tail)
    for (const name of node.outputs)
      if (isPlain.has(name) || readers.get(name)?.some((reader) => !tail.has(reader)))
        fail("unsupported", `${describe(node)}: "${name}" is no tensor, and more than an output of the model`);
}

/** The initializers that stay, those that go aside with their readers, and the new name of each that both need. */
function divideInitializers(
  graph: Graph,
  readers: Readers,
  tail: ReadonlySet<Node>,
): { initializers: Map<string, Tensor>; constants: Map<string, Tensor>; own: ReadonlyMap<string, string> } {
  const isPlain = new Set(graph.outputs.map(({ name }) => name));
  const taken = namesOf(graph);
  const constants = new Map<string, Tensor>();
  const initializers = new Map(graph.initializers);
  const own = new Map<string, string>();
  for (const name of new Set([...tail].flatMap((node) => node.inputs))) {
    const tensor = graph.initializers.get(name);
    if (tensor === undefined) continue;
    const alone = readers.get(name)!.every((reader) => tail.has(reader)) && !isPlain.has(name);
    if (alone) initializers.delete(name);
    const kept = alone ? name : taken.fresh(name);
    own.set(name, kept);
    constants.set(kept, tensor);
  }
  return { initializers, constants, own };
}

/**
 * The model with what was set aside, as it is to be written in an opset.
 *
 * @throws SecateurError `unsupported` naming a node that means something else in it
 */
export function takeBack(model: Model, from: number, opset: number): Model {
  const { aside, graph } = model;
  if (aside === undefined) return model;
  for (const node of aside.nodes)
    if (node.domain === "" && !sameMeaning(node.op, from, opset))
      fail("unsupported", `${describe(node)} means something else in opset ${opset}; write the model in opset ${from}`);
  const plain = new Set(aside.outputs.filter((output) => typeof output === "string"));
  const complete: Graph = {
    ...graph,
    nodes: [...graph.nodes, ...aside.nodes],
    initializers: new Map([...graph.initializers, ...aside.constants]),
    outputs: graph.outputs.filter(({ name }) => plain.has(name)),
    info: new Map([
      ...graph.info,
      ...graph.outputs.flatMap((value) => (plain.has(value.name) ? [] : [[value.name, value] as const])),
    ]),
  };
  verify(complete);
  return { ...model, graph: complete };
}

/** The outputs of a file, those that are no tensors as they were declared. */
export function allOutputs({ aside }: Model, tensors: readonly ValueInfoProto[]): ValueInfoProto[] {
  if (aside === undefined) return [...tensors];
  return aside.outputs.map((output) =>
    typeof output === "string"
      ? tensors.find(({ name }) => name === output)!
      : fromBinary(ValueInfoProtoSchema, output.declaration),
  );
}

/** What there is to say of a file that holds more than is worked on. */
export const remarksOn = ({ nodes, outputs }: Aside): string[] =>
  outputs.flatMap((output) =>
    typeof output === "string"
      ? []
      : [
          `the output "${output.name}" is a ${output.kind}: it is written as it was ` +
            `(${nodes.map(describe).join(", ")}), and what it is made of stays whole`,
        ],
  );
