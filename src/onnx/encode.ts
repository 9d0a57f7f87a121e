/** From the graph to the bytes of a model file. */

import { create, toBinary, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import {
  AttributeProto_AttributeType as Kind,
  ModelProtoSchema,
  TensorProto_DataLocation,
  type AttributeProtoSchema,
  type GraphProtoSchema,
  type NodeProtoSchema,
  type StringStringEntryProtoSchema,
  type TensorProtoSchema,
  type ValueInfoProtoSchema,
} from "./schema/onnx_pb.ts";
import { fail } from "../graph/error.ts";
import { bodies, describe, type Attribute, type Graph, type Model, type Node, type ValueInfo } from "../graph/graph.ts";
import { bitsPerElement, byteLength, bytesOf, type Tensor } from "../graph/tensor.ts";
import { allOutputs } from "./aside.ts";
import { fileForm, runtimeForm, type FormOptions } from "./file-form.ts";
import { codeOf, toInt64 } from "./proto.ts";

/** A protobuf message is read back only below this many bytes. */
const messageLimit = 2 ** 31 - 1;

type TensorInit = Exclude<MessageInitShape<typeof TensorProtoSchema>, Message>;
type Tensors = (name: string, value: Tensor) => TensorInit;

const utf8 = new TextEncoder();

function writeEntries(
  entries: Readonly<Record<string, string>> = {},
): MessageInitShape<typeof StringStringEntryProtoSchema>[] {
  return Object.entries(entries).map(([key, value]) => ({ key, value }));
}

/** The bytes of the elements as a file has them: a view where each has whole bytes. */
function rawOf(value: Tensor): Uint8Array {
  const bits = bitsPerElement(value.dtype);
  if (bits >= 8) return bytesOf(value);
  const data = value.data as Uint8Array;
  const raw = new Uint8Array(byteLength(value));
  const each = 8 / bits;
  data.forEach((element, i) => (raw[Math.floor(i / each)]! |= (element & (2 ** bits - 1)) << ((i % each) * bits)));
  return raw;
}

function writeTensor(name: string, value: Tensor): TensorInit {
  const head = {
    ...(name !== "" && { name }),
    dims: value.shape.map(BigInt),
    dataType: codeOf(value.dtype),
  };
  if (value.dtype === "string")
    return { ...head, stringData: (value.data as readonly string[]).map((s) => utf8.encode(s)) };
  return { ...head, rawData: rawOf(value) as Uint8Array<ArrayBuffer> };
}

/** A value without a type gets one from the runtime. */
function writeValue(value: Partial<ValueInfo>): MessageInitShape<typeof ValueInfoProtoSchema> {
  const { name = "", dtype, shape, doc, denotation, axisDenotations, metadata } = value;
  if (dtype === undefined) return { name };
  const dim = shape?.map((size, axis) => {
    const said = axisDenotations?.[axis] ? { denotation: axisDenotations[axis] } : {};
    if (size === "") return said;
    if (typeof size === "string") return { ...said, value: { case: "dimParam" as const, value: size } };
    return { ...said, value: { case: "dimValue" as const, value: BigInt(size) } };
  });
  const tensorType = { elemType: codeOf(dtype), ...(dim && { shape: { dim } }) };
  return {
    name,
    type: { value: { case: "tensorType", value: tensorType }, ...(denotation && { denotation }) },
    metadataProps: writeEntries(metadata),
    ...(doc && { docString: doc }),
  };
}

function writeAttribute(
  name: string,
  attribute: Attribute,
  owner: string,
): MessageInitShape<typeof AttributeProtoSchema> {
  const what = `the attribute "${name}" of ${owner}`;
  switch (attribute.type) {
    case "float":
      return { name, type: Kind.FLOAT, f: Math.fround(attribute.value) };
    case "int":
      return { name, type: Kind.INT, i: toInt64(attribute.value, what) };
    case "string":
      return { name, type: Kind.STRING, s: utf8.encode(attribute.value) };
    case "tensor":
      return { name, type: Kind.TENSOR, t: writeTensor("", attribute.value) };
    case "graph":
      return { name, type: Kind.GRAPH, g: writeGraph(attribute.value, writeTensor) };
    case "floats":
      return { name, type: Kind.FLOATS, floats: attribute.value.map(Math.fround) };
    case "ints":
      return { name, type: Kind.INTS, ints: attribute.value.map((value) => toInt64(value, what)) };
    case "strings":
      return {
        name,
        type: Kind.STRINGS,
        strings: attribute.value.map((value) => utf8.encode(value)),
      };
    case "graphs":
      return {
        name,
        type: Kind.GRAPHS,
        graphs: attribute.value.map((value) => writeGraph(value, writeTensor)),
      };
  }
}

function writeNode(node: Node): MessageInitShape<typeof NodeProtoSchema> {
  const owner = describe(node);
  return {
    opType: node.op,
    input: [...node.inputs],
    output: [...node.outputs],
    attribute: Object.entries(node.attributes).map(([name, attribute]) => writeAttribute(name, attribute, owner)),
    metadataProps: writeEntries(node.metadata),
    ...(node.name !== "" && { name: node.name }),
    ...(node.domain !== "" && { domain: node.domain }),
    ...(node.doc && { docString: node.doc }),
  };
}

function writeGraph(
  graph: Graph,
  tensors: Tensors,
  untyped: readonly string[] = [],
): MessageInitShape<typeof GraphProtoSchema> {
  return {
    name: graph.name,
    node: graph.nodes.map(writeNode),
    input: graph.inputs.map(writeValue),
    output: [...graph.outputs, ...untyped.map((name) => ({ name }))].map(writeValue),
    initializer: Array.from(graph.initializers, ([name, value]) => {
      const said = graph.comments?.get(name);
      return {
        ...tensors(name, value),
        ...(said?.doc && { docString: said.doc }),
        ...(said?.metadata && { metadataProps: writeEntries(said.metadata) }),
      };
    }),
    metadataProps: writeEntries(graph.metadata),
    quantizationAnnotation: Array.from(graph.quantization ?? [], ([tensorName, parameters]) => ({
      tensorName,
      quantParameterTensorNames: writeEntries(parameters),
    })),
    valueInfo: Array.from(graph.info.values(), writeValue),
    ...(graph.doc && { docString: graph.doc }),
  };
}

/** The IR version since which weights need not be inputs. */
const freeWeights = 4;

function withWeightInputs(graph: Graph): Graph {
  const weights = Array.from(graph.initializers, ([name, { dtype, shape }]) => ({ name, dtype, shape }));
  return { ...graph, inputs: [...graph.inputs, ...weights] };
}

function write(model: Model, tensors: Tensors, untyped: readonly string[] = []): Uint8Array {
  const proto = create(ModelProtoSchema, {
    irVersion: BigInt(model.irVersion),
    producerName: model.producerName,
    producerVersion: model.producerVersion,
    domain: model.domain,
    modelVersion: BigInt(model.modelVersion),
    docString: model.doc,
    graph: writeGraph(model.irVersion < freeWeights ? withWeightInputs(model.graph) : model.graph, tensors, untyped),
    opsetImport: Object.entries(model.opsets).map(([domain, version]) => ({
      domain,
      version: BigInt(version),
    })),
    metadataProps: writeEntries(model.metadata),
  });
  proto.graph!.output = allOutputs(model, proto.graph!.output);
  const bytes = toBinary(ModelProtoSchema, proto);
  if (bytes.length > messageLimit) refuseSize(bytes.length);
  return bytes;
}

function refuseSize(bytes: number): never {
  const size = (bytes / 1e9).toFixed(2);
  fail(
    "unsupported",
    `the model has ${size} GB, and an ONNX file holds less than 2.15; write its weights as external data`,
  );
}

/** Bytes of all numeric tensors of a graph, bodies and attributes included: what its file has at least. */
export function tensorBytes(graph: Graph): number {
  let total = 0;
  const add = (value: Tensor): void => {
    total += byteLength(value);
  };
  const pending: Graph[] = [graph];
  for (let at = 0; at < pending.length; at++) {
    const one = pending[at]!;
    for (const value of one.initializers.values()) add(value);
    for (const node of one.nodes) {
      for (const attribute of Object.values(node.attributes)) if (attribute.type === "tensor") add(attribute.value);
      pending.push(...bodies(node));
    }
  }
  return total;
}

/**
 * The bytes of a model file, in the opset and IR version of the file that the model came from, or in another opset.
 * What that can't say is written in the next that can: {@link fileForm} tells which, and why.
 * ±`Number.MAX_SAFE_INTEGER` in an attribute is written as INT64_MAX and INT64_MIN.
 *
 * @throws SecateurError `unsupported` where that is 2 GiB or more: writeModelFile puts weights beside the model.
 */
export function encodeModel(model: Model, options: FormOptions = {}): Uint8Array {
  return encodeAsIs(fileForm(model, options).model);
}

/** The bytes of a model as it stands. */
export function encodeAsIs(model: Model): Uint8Array {
  const size = tensorBytes(model.graph);
  if (size > messageLimit) refuseSize(size);
  return write(model, writeTensor);
}

/** Tensors of more bytes together go into no message: it would be in memory several times as it is written. */
const mostInMessage = 2 ** 24;

/**
 * A model as a runtime is to load it: one message, or, where that would be large, every larger tensor as a file of its
 * own. The pieces are views of the tensors, not copies.
 *
 * @param untyped values that it is to return besides, whose types the runtime finds
 */
export function encodeForRuntime(
  whole: Model,
  untyped: readonly string[] = [],
): {
  readonly bytes: Uint8Array;
  readonly external: readonly { readonly path: string; readonly data: Uint8Array }[];
} {
  const model = runtimeForm(whole);
  if (tensorBytes(model.graph) <= mostInMessage) return { bytes: write(model, writeTensor, untyped), external: [] };
  const external: { path: string; data: Uint8Array }[] = [];
  const bytes = write(
    model,
    (name, value) => {
      if (value.dtype === "string" || byteLength(value) < externalThreshold) return writeTensor(name, value);
      const path = `tensor-${external.length}`;
      const data = rawOf(value);
      external.push({ path, data });
      return writeExternal(name, value, { location: path, offset: "0", length: String(data.length) });
    },
    untyped,
  );
  return { bytes, external };
}

/** Smaller tensors are not worth a place of their own. */
const externalThreshold = 1024;

function writeExternal(name: string, value: Tensor, place: Readonly<Record<string, string>>) {
  return {
    name,
    dims: value.shape.map(BigInt),
    dataType: codeOf(value.dtype),
    dataLocation: TensorProto_DataLocation.EXTERNAL,
    externalData: writeEntries(place),
  };
}

export interface ExternalModel {
  /** The model file. */
  readonly bytes: Uint8Array;
  /** The file beside it, in pieces, to be written one after the other. */
  readonly data: Iterable<Uint8Array>;
}

/** Loaders map the data file into memory, which goes by pages. */
const pageSize = 4096;

/**
 * A model as it stands in two files: weights of `threshold` bytes or more lie in a file beside the model, whose name
 * (relative to the model's folder) is `location`. The pieces of `data` are views of the tensors, not copies, and made
 * anew each time they are iterated over.
 */
export function encodeModelExternal(model: Model, location: string, threshold = externalThreshold): ExternalModel {
  const pieces: { readonly padding: number; readonly value: Tensor }[] = [];
  let offset = 0;
  const bytes = write(model, (name, value) => {
    if (value.dtype === "string" || byteLength(value) < Math.max(threshold, 1)) return writeTensor(name, value);
    const padding = (pageSize - (offset % pageSize)) % pageSize;
    const place = { location, offset: String(offset + padding), length: String(byteLength(value)) };
    pieces.push({ padding, value });
    offset += padding + byteLength(value);
    return writeExternal(name, value, place);
  });
  // One tensor is in memory at a time where they are made when asked for.
  function* data(): Generator<Uint8Array> {
    for (const { padding, value } of pieces) {
      if (padding > 0) yield new Uint8Array(padding);
      yield rawOf(value);
    }
  }
  return { bytes, data: { [Symbol.iterator]: data } };
}
