/** From the bytes of a model file to the graph. */

import { fromBinary } from "@bufbuild/protobuf";
import {
  AttributeProto_AttributeTypeSchema,
  AttributeProto_AttributeType as Kind,
  ModelProtoSchema,
  type AttributeProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type StringStringEntryProto,
  type TensorShapeProto,
  type ValueInfoProto,
} from "./schema/onnx_pb.ts";
import { fail } from "../graph/error.ts";
import {
  describe,
  type Attribute,
  type Comment,
  type Dim,
  type Graph,
  type Model,
  type Node,
  type ValueInfo,
} from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import { isTensor, typeOf, remarksOn, setAside } from "./aside.ts";
import { decodeSparse, decodeTensor, toText, type TensorOptions } from "./decode-tensor.ts";
import { checkRank, dtypeOf, maxNesting, normalDomain, toInt } from "./proto.ts";
import { newestOpset, oldestOpset } from "./opsets.ts";
import { inlineFunctions } from "./inline.ts";
import { describeForeign } from "./sniff.ts";
import { foldConstants } from "./constants.ts";
import { untie } from "./untie.ts";
import { weigh } from "./weigh.ts";

export type DecodeOptions = TensorOptions;

interface Context {
  readonly options: TensorOptions;
  readonly depth: number;
}

function notOnnx(why: string, cause?: unknown): never {
  fail("bad-model", `this is not an ONNX model: ${why}`, cause);
}

function tooDeep(): never {
  fail("unsupported", `bodies of If, Loop or Scan are nested more than ${maxNesting} deep; that is not supported`);
}

/** A body lies three messages below the graph it belongs to: node, attribute, graph. */
const recursionLimit = 3 * (maxNesting + 1) + 12;

/** Bytes of memory that the messages of a model may take; its raw data are not among them. */
const mostMemory = 1.5 * 2 ** 30;

function parse(bytes: Uint8Array): ModelProto {
  const memory = weigh(bytes, ModelProtoSchema, recursionLimit);
  if (memory > mostMemory)
    fail(
      "unsupported",
      `the model would take ${(memory / 1e9).toFixed(1)} GB of memory to read; store its tensors as raw data`,
    );
  try {
    return fromBinary(ModelProtoSchema, bytes, { readUnknownFields: false, recursionLimit });
  } catch (cause) {
    if (cause instanceof Error && cause.message.includes("recursion depth")) tooDeep();
    return notOnnx(describeForeign(bytes), cause);
  }
}

function readEntries(entries: readonly StringStringEntryProto[]): Record<string, string> {
  return Object.fromEntries(entries.map(({ key, value }) => [key, value]));
}

function readOpsets(proto: ModelProto): Record<string, number> {
  const opsets = new Map<string, number>();
  for (const { domain, version } of proto.opsetImport) {
    const name = normalDomain(domain);
    const known = opsets.get(name);
    const number = toInt(version);
    if (known !== undefined && known !== number)
      fail("bad-model", `the model imports two opsets, ${known} and ${number}, of the domain "${name || "ai.onnx"}"`);
    opsets.set(name, number);
  }
  const standard = opsets.get("");
  if (standard === undefined)
    fail("bad-model", "the model does not say which ONNX opset it is written in; it may be cut short, export it again");
  if (standard < oldestOpset || standard > newestOpset) {
    const range = `opsets ${oldestOpset} to ${newestOpset} are supported`;
    fail("unsupported", `the model is written in ONNX opset ${standard}; ${range}, export it again with one of them`);
  }
  return Object.fromEntries(opsets);
}

function readDim(value: ValueInfoProto, dim: { case?: string | undefined; value?: bigint | string | undefined }): Dim {
  if (typeof dim.value === "string") return dim.value;
  // Some converters write -1 where they mean a size that is not fixed.
  if (dim.value === undefined || dim.value === -1n) return "";
  if (dim.value < 0n) fail("bad-model", `the value "${value.name}" declares the negative size ${dim.value}`);
  if (dim.value > BigInt(Number.MAX_SAFE_INTEGER))
    fail("bad-model", `the value "${value.name}" declares the size ${dim.value}; the file is damaged`);
  return Number(dim.value);
}

function readShape(value: ValueInfoProto, dims: TensorShapeProto["dim"]): Dim[] {
  checkRank(dims.length, `the value "${value.name}"`);
  return dims.map((dim) => readDim(value, dim.value));
}

function readValue(proto: ValueInfoProto): ValueInfo {
  const type = proto.type?.value;
  if (type?.case === undefined)
    fail(
      "unsupported",
      `the value "${proto.name}" is declared without a type; run ONNX shape inference over the model first`,
    );
  if (type.case !== "tensorType") {
    fail(
      "unsupported",
      `the value "${proto.name}" is a ${typeOf(proto)}; only tensors are supported, cut the model before it`,
    );
  }
  const { elemType, shape } = type.value;
  return {
    name: proto.name,
    dtype: dtypeOf(elemType, `the value "${proto.name}"`),
    ...(shape && { shape: readShape(proto, shape.dim) }),
    ...(proto.docString && { doc: proto.docString }),
    ...(proto.type!.denotation && { denotation: proto.type!.denotation }),
    ...(shape?.dim.some(({ denotation }) => denotation) && {
      axisDenotations: shape.dim.map(({ denotation }) => denotation),
    }),
    ...(proto.metadataProps.length > 0 && { metadata: readEntries(proto.metadataProps) }),
  };
}

/** Files older than IR 2 leave the kind out: it is then the one field that is filled. */
function kindOf(proto: AttributeProto): Kind {
  if (proto.type !== Kind.UNDEFINED) return proto.type;
  const filled: [boolean, Kind][] = [
    [Object.hasOwn(proto, "f"), Kind.FLOAT],
    [Object.hasOwn(proto, "i"), Kind.INT],
    [Object.hasOwn(proto, "s"), Kind.STRING],
    [proto.t !== undefined, Kind.TENSOR],
    [proto.g !== undefined, Kind.GRAPH],
    [proto.floats.length > 0, Kind.FLOATS],
    [proto.ints.length > 0, Kind.INTS],
    [proto.strings.length > 0, Kind.STRINGS],
    [proto.graphs.length > 0, Kind.GRAPHS],
  ];
  return filled.find(([is]) => is)?.[1] ?? Kind.UNDEFINED;
}

function readAttribute(proto: AttributeProto, owner: string, context: Context): Attribute {
  const what = `the attribute "${proto.name}" of ${owner}`;
  if (proto.refAttrName !== "")
    fail("unsupported", `${what} refers to an attribute of a function; inline the functions first`);
  const kind = kindOf(proto);
  switch (kind) {
    case Kind.FLOAT:
      return { type: "float", value: proto.f };
    case Kind.INT:
      return { type: "int", value: toInt(proto.i) };
    case Kind.STRING:
      return { type: "string", value: toText(proto.s, what) };
    case Kind.TENSOR:
      if (!proto.t) fail("bad-model", `${what} should hold a tensor and holds none; the file is damaged`);
      return {
        type: "tensor",
        value: decodeTensor(proto.t, `the tensor in ${what}`, context.options),
      };
    case Kind.GRAPH:
      if (!proto.g) fail("bad-model", `${what} should hold a graph and holds none; the file is damaged`);
      return { type: "graph", value: readGraph(proto.g, { ...context, depth: context.depth + 1 }) };
    case Kind.FLOATS:
      return { type: "floats", value: proto.floats };
    case Kind.INTS:
      return { type: "ints", value: proto.ints.map(toInt) };
    case Kind.STRINGS:
      return { type: "strings", value: proto.strings.map((s) => toText(s, what)) };
    case Kind.GRAPHS:
      return {
        type: "graphs",
        value: proto.graphs.map((g) => readGraph(g, { ...context, depth: context.depth + 1 })),
      };
    default: {
      const name = AttributeProto_AttributeTypeSchema.value[kind].name;
      fail("unsupported", `${what} is of the kind ${name}, which is not supported`);
    }
  }
}

function readNode(proto: NodeProto, context: Context): Node {
  const bare = {
    op: proto.opType,
    domain: normalDomain(proto.domain),
    name: proto.name,
    inputs: proto.input,
    outputs: proto.output,
  };
  const owner = describe({ ...bare, attributes: {} });
  if (bare.op === "") fail("bad-model", `the node "${proto.name}" names no operator; the file is damaged`);
  const attributes = new Map<string, Attribute>();
  for (const attribute of proto.attribute) {
    if (attributes.has(attribute.name)) fail("bad-model", `${owner} has the attribute "${attribute.name}" twice`);
    attributes.set(attribute.name, readAttribute(attribute, owner, context));
  }
  return {
    ...bare,
    attributes: Object.fromEntries(attributes),
    ...(proto.docString && { doc: proto.docString }),
    ...(proto.metadataProps.length > 0 && { metadata: readEntries(proto.metadataProps) }),
  };
}

function readInitializers(proto: GraphProto, context: Context): Map<string, Tensor> {
  const initializers = new Map<string, Tensor>();
  for (const tensor of proto.initializer) {
    if (tensor.name === "") fail("bad-model", "an initializer has no name; the file is damaged");
    if (initializers.has(tensor.name))
      fail("bad-model", `there are two initializers named "${tensor.name}"; rename one`);
    initializers.set(tensor.name, decodeTensor(tensor, `the initializer "${tensor.name}"`, context.options));
  }
  for (const sparse of proto.sparseInitializer) {
    const name = sparse.values?.name ?? "";
    if (name === "") fail("bad-model", "a sparse initializer has no name; the file is damaged");
    if (initializers.has(name)) fail("bad-model", `there are two initializers named "${name}"; rename one`);
    initializers.set(name, decodeSparse(sparse, `the sparse initializer "${name}"`, context.options));
  }
  return initializers;
}

/** What the file says of initializers besides their elements. */
function readComments({ initializer }: GraphProto): Pick<Graph, "comments"> {
  const said = initializer.filter(({ docString, metadataProps }) => docString !== "" || metadataProps.length > 0);
  if (said.length === 0) return {};
  const comments = said.map(({ name, docString, metadataProps }): [string, Comment] => [
    name,
    {
      ...(docString && { doc: docString }),
      ...(metadataProps.length > 0 && { metadata: readEntries(metadataProps) }),
    },
  ]);
  return { comments: new Map(comments) };
}

function readQuantization({ quantizationAnnotation }: GraphProto): Pick<Graph, "quantization"> {
  if (quantizationAnnotation.length === 0) return {};
  return {
    quantization: new Map(
      quantizationAnnotation.map((one) => [one.tensorName, readEntries(one.quantParameterTensorNames)]),
    ),
  };
}

function readGraph(proto: GraphProto, context: Context): Graph {
  if (context.depth > maxNesting) tooDeep();
  // A sequence inside the graph is between its producer and its reader; its declaration is a hint that nothing needs.
  const declared = proto.valueInfo.filter(({ name, type }) => name !== "" && type?.value.case === "tensorType");
  return {
    name: proto.name,
    nodes: proto.node.map((node) => readNode(node, context)),
    inputs: proto.input.map(readValue),
    outputs: proto.output.map(readValue),
    initializers: readInitializers(proto, context),
    info: new Map(declared.map((value) => [value.name, readValue(value)])),
    ...(proto.docString && { doc: proto.docString }),
    ...(proto.metadataProps.length > 0 && { metadata: readEntries(proto.metadataProps) }),
    ...readComments(proto),
    ...readQuantization(proto),
  };
}

/**
 * Values come in and go out by name in plain objects, here and in the runtime's own interface. What every object has
 * under such a name would be taken for a value.
 */
function refuseReserved(graph: Graph): void {
  for (const { name } of [...graph.inputs, ...graph.outputs])
    if (name in Object.prototype)
      fail("unsupported", `an input or output is named "${name}", as a property of every JavaScript object; rename it`);
}

/** Before IR 4 every weight had to be listed as an input too; such an input is a weight only. */
function dropWeightInputs(graph: Graph): Graph {
  return { ...graph, inputs: graph.inputs.filter(({ name }) => !graph.initializers.has(name)) };
}

/**
 * Reads a model, opsets 7 to 26, in the opset that it is written in.
 *
 * Constant nodes become initializers; an Identity of an initializer becomes an initializer of its own; weights listed
 * as inputs are no inputs. A size without a name is the empty string. Whole numbers in attributes from 2^53 on are
 * ±`Number.MAX_SAFE_INTEGER`, which {@link encodeModel} writes as INT64_MAX and INT64_MIN. Tensors may be views of
 * `bytes`. Sparse initializers become dense ones. Outputs that are no tensors are set aside, and written again.
 * Training information and device configurations are not kept.
 *
 * @throws SecateurError `bad-model` for bytes that are no model or contradict themselves, `unsupported` for models
 * with what is not held here: sequences as inputs, sparse attributes, complex numbers.
 */
export function decodeModel(bytes: Uint8Array, options: DecodeOptions = {}): Model {
  if (bytes.length === 0) notOnnx(describeForeign(bytes));
  const proto = parse(bytes);
  if (!proto.graph || proto.irVersion <= 0n) notOnnx(describeForeign(bytes));
  const inlined = inlineFunctions(proto, proto.graph, readOpsets(proto));
  const declared = inlined.graph.output;
  const read = readGraph({ ...inlined.graph, output: declared.filter(isTensor) }, { options, depth: 0 });
  if (declared.length === 0) fail("bad-model", "the graph of the model has no outputs; export it again");
  const { graph, aside } = setAside(foldConstants(dropWeightInputs(read)), declared);
  if (graph.nodes.length === 0) fail("bad-model", "the graph of the model is empty; export it again");
  refuseReserved(graph);
  const remarks = [
    ...(proto.trainingInfo.length > 0 ? ["the file's training information (training_info) is not kept"] : []),
    ...(aside ? remarksOn(aside) : []),
  ];
  return {
    graph: untie(graph),
    irVersion: toInt(proto.irVersion),
    opsets: inlined.opsets,
    producerName: proto.producerName,
    producerVersion: proto.producerVersion,
    domain: proto.domain,
    modelVersion: toInt(proto.modelVersion),
    doc: proto.docString,
    metadata: readEntries(proto.metadataProps),
    ...(aside && { aside }),
    ...(remarks.length > 0 && { remarks }),
  };
}
