/** The models that are mutated: small, of many kinds, with what the table of operators knows and what it does not. */

import { create, toBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema, TensorProto_DataType as Code } from "../../dist/onnx/schema/onnx_pb.js";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Of test/fixtures/nets, as PyTorch exports them. */
const nets = [
  "plain-cnn",
  "grouped",
  "depthwise",
  "mobilenet-v3-13",
  "inception-folded",
  "residual-conv-folded",
  "unet-bilinear",
  "unet-transpose",
  "shuffle-v2",
  "pixel-shuffle-views",
  "concat-axes",
  "split-17-folded",
  "convnext",
  "transformer",
  "transformer-13",
  "attention-grouped",
  "windows-shifted",
  "tokens",
  "decoder",
  "lstm-bidirectional",
  "lstm-folded",
  "gru",
  "rnn",
  "float16",
  "boxes",
  "reduce-mean",
];

const read = (name) =>
  new Uint8Array(readFileSync(fileURLToPath(new URL(`../../test/fixtures/nets/${name}.onnx`, import.meta.url))));

const value = (name, elemType, ...dims) => ({
  name,
  type: {
    value: {
      case: "tensorType",
      value: {
        elemType,
        shape: {
          dim: dims.map((dim) =>
            typeof dim === "string"
              ? { value: { case: "dimParam", value: dim } }
              : { value: { case: "dimValue", value: BigInt(dim) } },
          ),
        },
      },
    },
  },
});

/** Numbers from -1 to 1 of which none matters. */
const wave = (count) => Float32Array.from({ length: count }, (_, i) => Math.sin(i * 1.7 + 1));
const float = (name, ...dims) => {
  const data = wave(dims.reduce((n, dim) => n * dim, 1));
  return { name, dims: dims.map(BigInt), dataType: Code.FLOAT, rawData: new Uint8Array(data.buffer) };
};
const int8 = (name, ...dims) => {
  const data = Int8Array.from(wave(dims.reduce((n, dim) => n * dim, 1)), (x) => 90 * x);
  return { name, dims: dims.map(BigInt), dataType: Code.INT8, rawData: new Uint8Array(data.buffer) };
};
const int64 = (name, ...values) => ({ name, dims: [BigInt(values.length)], dataType: Code.INT64, int64Data: values });
const int = (name, i) => ({ name, type: 2, i: BigInt(i) });
const ints = (name, ...list) => ({ name, type: 7, ints: list.map(BigInt) });
const node = (opType, input, output, ...attribute) => ({ opType, name: "", input, output, attribute });

const encode = (graph, opset = 17n) =>
  toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: 8n,
      opsetImport: [{ domain: "", version: opset }],
      graph: { name: "g", ...graph },
    }),
  );

/** Weights and activations as integers between pairs of QuantizeLinear and DequantizeLinear. */
const quantised = () =>
  encode({
    input: [value("x", Code.FLOAT, "n", 3, 6, 6)],
    output: [value("y", Code.FLOAT, "n", 4)],
    initializer: [
      { name: "step", dataType: Code.FLOAT, floatData: [2 ** -6] },
      { name: "zero", dataType: Code.INT8, int32Data: [-3] },
      int8("w", 8, 3, 3, 3),
      float("w_scale", 8),
      int8("v", 8, 4),
      float("v_scale", 4),
    ],
    node: [
      node("QuantizeLinear", ["x", "step", "zero"], ["xq"]),
      node("DequantizeLinear", ["xq", "step", "zero"], ["xf"]),
      node("DequantizeLinear", ["w", "w_scale"], ["wf"], int("axis", 0)),
      node("Conv", ["xf", "wf"], ["a"], ints("pads", 1, 1, 1, 1)),
      node("Relu", ["a"], ["r"]),
      node("GlobalAveragePool", ["r"], ["m"]),
      node("Flatten", ["m"], ["f"]),
      node("DequantizeLinear", ["v", "v_scale"], ["vf"], int("axis", 1)),
      node("MatMul", ["f", "vf"], ["y"]),
    ],
  });

/** An If whose bodies read values from outside. */
const branches = () => {
  const body = (op) => ({
    name: op,
    node: [node(op, ["h"], [`${op}_out`])],
    output: [value(`${op}_out`, Code.FLOAT, "n", 8)],
  });
  return encode({
    input: [value("x", Code.FLOAT, "n", 6), value("c", Code.BOOL)],
    output: [value("y", Code.FLOAT, "n", 4)],
    initializer: [float("w", 8, 6), float("u", 8, 8), float("v", 4, 8)],
    node: [
      node("Gemm", ["x", "w"], ["g"], int("transB", 1)),
      node("Gemm", ["g", "u"], ["h"], int("transB", 1)),
      node(
        "If",
        ["c"],
        ["k"],
        { name: "then_branch", type: 5, g: body("Relu") },
        { name: "else_branch", type: 5, g: body("Sigmoid") },
      ),
      node("Gemm", ["k", "v"], ["y"], int("transB", 1)),
    ],
  });
};

/** Arithmetic on sizes, slices, pads, gathers and a loop of everything that a rule counts by. */
const sizes = () =>
  encode({
    input: [value("x", Code.FLOAT, "n", 4, 8)],
    output: [value("y", Code.FLOAT, "n", 6)],
    initializer: [
      int64("start", 1n),
      int64("end", 5n),
      int64("axis", 2n),
      int64("pads", 0n, 1n, 0n, 0n, 1n, 0n),
      int64("first", 0n),
      int64("rest", -1n),
      int64("target", 24n),
      int64("reps", 1n, 1n, 2n),
      int64("two", 2n),
      float("w", 6, 48),
      float("k", 3, 6, 3),
    ],
    node: [
      node("Slice", ["x", "start", "end", "axis"], ["s"]),
      node("Pad", ["s", "pads"], ["p"]),
      node("Conv", ["p", "k"], ["c"], ints("pads", 1, 1), ints("kernel_shape", 3), ints("strides", 1), int("group", 1)),
      node("Tile", ["c", "reps"], ["t"]),
      node("Shape", ["x"], ["xs"]),
      node("Gather", ["xs", "first"], ["n"], int("axis", 0)),
      node("Concat", ["n", "target"], ["to"], int("axis", 0)),
      node("Reshape", ["t", "to"], ["r"]),
      node("Expand", ["r", "to"], ["e"]),
      node("Concat", ["e", "r"], ["d"], int("axis", 1)),
      node("TopK", ["d", "two"], ["top", "where"], int("axis", -1)),
      node("CumSum", ["d", "first"], ["cs"]),
      node("Gemm", ["cs", "w"], ["y"], int("transB", 1)),
    ],
  });

/** A model of one node: the first input comes in, the others are constants. */
function operatorModel({ name: op, attributes: specs }, { inputs, attributes = {}, outputs = 1 }) {
  const initializers = new Map();
  const given = [];
  const names = inputs.map((input, i) => {
    if (input === null) return "";
    const name = `${op}_${i}`;
    if (!Array.isArray(input)) initializers.set(name, input);
    else if (i === 0) given.push({ name, dtype: "float32", shape: input });
    else {
      const count = input.reduce((n, dim) => n * dim, 1);
      initializers.set(name, { dtype: "float32", shape: input, data: wave(count) });
    }
    return name;
  });
  const made = Array.from({ length: outputs }, (_, i) => `out_${i}`);
  const stored = Object.entries(attributes).map(([name, value]) => [name, { type: specs[name].kind, value }]);
  const nodes = [
    { op, domain: "", name: "n", inputs: names, outputs: made, attributes: Object.fromEntries(stored) },
    { op: "Identity", domain: "", name: "", inputs: [made[0]], outputs: ["y"], attributes: {} },
  ];
  const graph = {
    name: op,
    nodes,
    inputs: given,
    outputs: [{ name: "y", dtype: "float32" }],
    initializers,
    info: new Map(),
  };
  return {
    graph,
    irVersion: 11,
    opsets: { "": 23 },
    producerName: "",
    producerVersion: "",
    domain: "",
    modelVersion: 0,
    doc: "",
    metadata: {},
  };
}

/**
 * All models by name, as bytes: networks, and every operator of the table alone in what its samples are.
 *
 * @param lib what secateur/node exports
 */
export function baseModels({ newModel, encodeModel, ops }) {
  const made = newModel("lenet5", { classes: 4, input: [1, 12, 12], seed: 1 });
  const networks = [
    ...nets.map((name) => ({ name, bytes: read(name) })),
    { name: "lenet5", bytes: encodeModel(made) },
    { name: "quantised", bytes: quantised() },
    { name: "branches", bytes: branches() },
    { name: "sizes", bytes: sizes() },
  ];
  const operators = [...ops.values()].flatMap((op) =>
    op.samples.map((sample, i) => ({ name: `${op.name} ${i}`, bytes: encodeModel(operatorModel(op, sample)) })),
  );
  return { networks, operators };
}
