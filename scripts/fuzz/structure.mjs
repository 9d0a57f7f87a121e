/** Mutations of what a model says: fields of its message take values that no exporter writes. */

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  AttributeProtoSchema,
  ModelProtoSchema,
  StringStringEntryProtoSchema,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
} from "../../dist/onnx/schema/onnx_pb.js";

const numbers = [
  0n,
  1n,
  2n,
  3n,
  7n,
  -1n,
  -2n,
  100n,
  4096n,
  2n ** 20n,
  2n ** 31n,
  2n ** 40n,
  2n ** 53n,
  2n ** 63n - 1n,
  -(2n ** 63n),
];
const names = [
  "",
  "__proto__",
  "constructor",
  "toString",
  "x\0y",
  "\u001b[31mred",
  "a\nb",
  "../../up",
  "x".repeat(5000),
];
const operators =
  "Conv Gemm MatMul Add Reshape Transpose Concat Split Slice Gather Pad Tile Expand Resize Softmax Relu Flatten Squeeze Unsqueeze LSTM GRU Einsum Loop If Scan Range ConstantOfShape OneHot TopK DepthToSpace ConvTranspose MaxPool AveragePool ReduceSum LayerNormalization BatchNormalization InstanceNormalization Constant Identity Shape Cast CumSum Trilu EyeLike Where ScatterND GatherND QuantizeLinear DequantizeLinear GroupNormalization Attention GridSample NonZero LRN".split(
    " ",
  );
/** Names of attributes, so that one may turn up where another operator has it. */
const attributeNames =
  "axis axes perm kernel_shape pads strides dilations group auto_pad to keepdims num_outputs hidden_size direction equation blocksize mode alpha value split output_shape allowzero start end storage_order num_heads constructor".split(
    " ",
  );
const textValues = ["", "SAME_UPPER", "VALID", "nope", "bidirectional", "ij,jk->ik", "a...,...b->", "cubic", "DCR"];
const dtypes = [0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 21, 99];

/** All graphs of a model, bodies included. */
function graphsOf(model) {
  const found = model.graph ? [model.graph] : [];
  for (const graph of found)
    for (const { attribute } of graph.node)
      for (const { g, graphs } of attribute) found.push(...(g ? [g] : []), ...graphs);
  return found;
}

const dimsOf = (info) => (info?.type?.value.case === "tensorType" ? info.type.value.value.shape?.dim : undefined);
const number = (draw) => (draw.chance(0.7) ? draw.one(numbers) : BigInt(draw.below(20) - 4));

/** Names that something in the graph bears. */
const valuesOf = (graph) => [
  ...graph.input.map(({ name }) => name),
  ...graph.initializer.map(({ name }) => name),
  ...graph.node.flatMap(({ output }) => output),
];

/** One number of a list, or one more or less: the rest stays plausible. */
function changeList(attribute, draw) {
  const { ints } = attribute;
  if (ints.length === 0) attribute.i = number(draw);
  else
    draw.one([
      () => ints.pop(),
      () => ints.push(number(draw)),
      () => (ints[draw.below(ints.length)] = number(draw)),
      () => (ints[draw.below(ints.length)] = number(draw)),
    ])();
}

function setAttribute(attribute, draw) {
  switch (draw.below(6)) {
    case 0:
      Object.assign(attribute, { type: 2, i: number(draw) });
      break;
    case 1:
      Object.assign(attribute, { type: 7, ints: Array.from({ length: draw.below(6) }, () => number(draw)) });
      break;
    case 2:
      Object.assign(attribute, { type: 3, s: new TextEncoder().encode(draw.one(textValues)) });
      break;
    case 3:
      Object.assign(attribute, { type: 1, f: draw.one([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e38, 0.5]) });
      break;
    case 4:
      attribute.type = draw.below(16);
      break;
    default:
      changeList(attribute, draw);
  }
}

/** Each changes one thing of a graph, where it has it. */
const changes = {
  dims(graph, draw) {
    const lists = [
      ...[...graph.input, ...graph.output, ...graph.valueInfo]
        .flatMap((info) => dimsOf(info) ?? [])
        .map((dim) => [dim]),
      ...graph.initializer.map(({ dims }) => dims),
    ];
    const list = draw.one(lists);
    if (!list) return;
    const at = draw.below(list.length);
    if (typeof list[at] === "bigint") list[at] = number(draw);
    else if (list[at])
      list[at].value = draw.chance(0.15)
        ? { case: "dimParam", value: draw.one([...names, "n"]) }
        : { case: "dimValue", value: number(draw) };
  },
  inputRank(graph, draw) {
    const dims = dimsOf(draw.one([...graph.input, ...graph.output]));
    if (!dims) return;
    if (draw.chance(0.5)) dims.pop();
    else dims.push(create(TensorShapeProto_DimensionSchema, { value: { case: "dimValue", value: number(draw) } }));
  },
  // The elements stay, so that another shape of as many is read.
  weightRank(graph, draw) {
    const tensor = draw.one(graph.initializer);
    if (!tensor) return;
    if (draw.chance(0.4)) tensor.dims = tensor.dims.toReversed();
    else if (draw.chance(0.5))
      tensor.dims = [
        BigInt.asIntN(
          64,
          tensor.dims.reduce((n, dim) => n * dim, 1n),
        ),
      ];
    else tensor.dims = [...tensor.dims, 1n];
  },
  elements(graph, draw) {
    const tensor = draw.one(graph.initializer);
    if (!tensor) return;
    if (tensor.int64Data.length > 0) tensor.int64Data[draw.below(tensor.int64Data.length)] = number(draw);
    else if (tensor.rawData.length >= 8 && tensor.dataType === 7)
      new DataView(tensor.rawData.slice().buffer).setBigInt64(0, number(draw), true);
    else if (tensor.rawData.length > 0) tensor.rawData = draw.bytes(tensor.rawData.length);
  },
  sizes(graph, draw) {
    // Constants that hold sizes, wherever they stand.
    const tensors = [
      ...graph.initializer,
      ...graph.node.flatMap(({ attribute }) => attribute.flatMap(({ t }) => t ?? [])),
    ];
    const tensor = draw.one(tensors.filter(({ dataType, rawData }) => dataType === 7 && rawData.length >= 8));
    if (!tensor) return;
    const raw = tensor.rawData.slice();
    new DataView(raw.buffer).setBigInt64(
      8 * draw.below(Math.floor(raw.length / 8)),
      BigInt.asIntN(64, number(draw)),
      true,
    );
    tensor.rawData = raw;
  },
  dtype(graph, draw) {
    const tensor = draw.one(graph.initializer);
    const info = draw.one([...graph.input, ...graph.output, ...graph.valueInfo]);
    if (tensor && draw.chance(0.5)) tensor.dataType = draw.one(dtypes);
    else if (info?.type?.value.case === "tensorType") info.type.value.value.elemType = draw.one(dtypes);
  },
  rename(graph, draw) {
    const name = draw.one([...names, ...valuesOf(graph)]);
    const from = draw.one(valuesOf(graph));
    // Everywhere, so that the graph still holds together, or at one place.
    const everywhere = draw.chance(0.5);
    const renamed = (old) => (old === from && (everywhere || draw.chance(0.3)) ? name : old);
    for (const node of graph.node) {
      node.input = node.input.map(renamed);
      node.output = node.output.map(renamed);
    }
    for (const one of [...graph.input, ...graph.output, ...graph.initializer]) one.name = renamed(one.name);
  },
  rewire(graph, draw) {
    const node = draw.one(graph.node);
    if (node && node.input.length > 0) node.input[draw.below(node.input.length)] = draw.one(valuesOf(graph));
  },
  dropInput(graph, draw) {
    const node = draw.one(graph.node);
    if (!node) return;
    if (draw.chance(0.5)) node.input.pop();
    else if (node.input.length > 0) node.input[draw.below(node.input.length)] = "";
  },
  moreInputs(graph, draw) {
    draw.one(graph.node)?.input.push(...Array.from({ length: 1 + draw.below(3) }, () => draw.one(valuesOf(graph))));
  },
  outputs(graph, draw) {
    const node = draw.one(graph.node);
    if (!node) return;
    if (draw.chance(0.3)) node.output.pop();
    else if (draw.chance(0.5)) node.output.push(`extra_${draw.below(100)}`);
    else if (node.output.length > 0)
      node.output[draw.below(node.output.length)] = draw.one([...names, ...valuesOf(graph)]);
  },
  operator(graph, draw) {
    const node = draw.one(graph.node);
    if (node) node.opType = draw.one(draw.chance(0.9) ? operators : names);
  },
  attribute(graph, draw) {
    const attribute = draw.one(graph.node.flatMap((node) => node.attribute));
    if (attribute) setAttribute(attribute, draw);
  },
  addAttribute(graph, draw) {
    const attribute = create(AttributeProtoSchema, { name: draw.one(attributeNames) });
    setAttribute(attribute, draw);
    draw.one(graph.node)?.attribute.push(attribute);
  },
  dropAttribute(graph, draw) {
    const node = draw.one(graph.node.filter(({ attribute }) => attribute.length > 0));
    node?.attribute.splice(draw.below(node.attribute.length), 1);
  },
  dropNode(graph, draw) {
    graph.node.splice(draw.below(graph.node.length), 1);
  },
  repeatNode(graph, draw) {
    const node = draw.one(graph.node);
    if (node) graph.node.splice(draw.below(graph.node.length), 0, node);
  },
  shuffleNodes(graph, draw) {
    const [a, b] = [draw.below(graph.node.length), draw.below(graph.node.length)];
    if (graph.node.length > 0) [graph.node[a], graph.node[b]] = [graph.node[b], graph.node[a]];
  },
  dropInitializer(graph, draw) {
    graph.initializer.splice(draw.below(graph.initializer.length), 1);
  },
  swapInitializers(graph, draw) {
    const [a, b] = [draw.one(graph.initializer), draw.one(graph.initializer)];
    if (a && b) [a.name, b.name] = [b.name, a.name];
  },
  external(graph, draw) {
    const tensor = draw.one(graph.initializer);
    if (!tensor) return;
    const entry = (key, value) => create(StringStringEntryProtoSchema, { key, value });
    tensor.dataLocation = 1;
    tensor.rawData = new Uint8Array();
    tensor.externalData = [
      entry(
        "location",
        draw.one(["weights.data", "../weights.data", "/etc/passwd", "", ".", "link", "model.onnx", "a\0b"]),
      ),
      entry("offset", draw.one(["0", "1", "-1", "4096", "18446744073709551616", "1e3", "x"])),
      ...(draw.chance(0.5) ? [entry("length", draw.one(["0", "4", "99999999999", "-4"]))] : []),
    ];
  },
  emptyTensor(graph, draw) {
    graph.initializer.push(
      create(TensorProtoSchema, {
        name: draw.one(names),
        dims: [number(draw), number(draw)],
        dataType: draw.one(dtypes),
      }),
    );
  },
};

/** What is refused late if at all: most of what a rule could stumble over. */
const deep = ["attribute", "addAttribute", "sizes", "operator", "rewire", "weightRank", "inputRank", "moreInputs"].map(
  (name) => changes[name],
);

/** The bytes of a model with a few of its fields changed. */
export function mutateStructure(bytes, draw) {
  const model = fromBinary(ModelProtoSchema, bytes);
  for (let times = 1 + draw.below(3); times > 0; times--) {
    const graph = draw.one(graphsOf(model));
    if (draw.chance(0.01)) model.opsetImport.forEach((entry) => (entry.version = draw.one([...numbers, 9n, 12n, 23n])));
    else if (draw.chance(0.005)) model.irVersion = draw.one(numbers);
    else draw.one(draw.chance(0.65) ? deep : Object.values(changes))(graph, draw);
  }
  return toBinary(ModelProtoSchema, model);
}
