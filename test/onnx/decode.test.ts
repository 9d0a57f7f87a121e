/** Reading: every encoding of tensors and attributes, what is taken apart, and what is refused. */

import { create, toBinary, type DescMessage, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import {
  ModelProtoSchema,
  TensorProto_DataLocation,
  TensorProto_DataType as Code,
} from "../../src/onnx/schema/onnx_pb.ts";
import type { GraphProtoSchema, NodeProtoSchema, TensorProtoSchema } from "../../src/onnx/schema/onnx_pb.ts";
import { describe, expect, test } from "vitest";
import { SecateurError } from "../../src/graph/error.ts";
import type { Attribute, Graph } from "../../src/graph/graph.ts";
import { byteLength, float32, tensor, type DType } from "../../src/graph/tensor.ts";
import { decodeModel } from "../../src/onnx/decode.ts";
import { encodeModel, encodeModelExternal } from "../../src/onnx/encode.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { f, graphOf, modelOf, node, noise, run, value } from "./support.ts";

const x = value("x", ["batch", 2, "", 4]);
const relu = node("Relu", ["x"], ["y"]);
const plain = modelOf(23, { inputs: [x], outputs: [value("y")], nodes: [relu] });

/** What `create` takes, without finished messages. */
type Init<S extends DescMessage> = Exclude<MessageInitShape<S>, Message>;
type GraphInit = Init<typeof GraphProtoSchema>;

const identity: Init<typeof NodeProtoSchema> = {
  opType: "Relu",
  input: ["x"],
  output: ["y"],
};
const floatType = { value: { case: "tensorType", value: { elemType: Code.FLOAT } } } as const;

/** A model with one node, changed as told. */
function raw(graph: GraphInit, model: Init<typeof ModelProtoSchema> = {}): Uint8Array {
  const proto = create(ModelProtoSchema, {
    irVersion: 8n,
    opsetImport: [{ domain: "", version: 17n }],
    graph: {
      name: "g",
      node: [identity],
      input: [{ name: "x", type: floatType }],
      output: [{ name: "y", type: floatType }],
      ...graph,
    },
    ...model,
  });
  return toBinary(ModelProtoSchema, proto);
}

function readTensor(init: Init<typeof TensorProtoSchema>): unknown {
  const read = decodeModel(raw({ initializer: [{ name: "w", ...init }] })).graph.initializers.get("w")!;
  return [read.dtype, read.shape, Array.from(read.data as ArrayLike<unknown>)];
}

describe("tensors", () => {
  const cases: readonly [DType, Init<typeof TensorProtoSchema>, readonly unknown[]][] = [
    ["float32", { dataType: Code.FLOAT, floatData: [1.5, -2] }, [1.5, -2]],
    ["float64", { dataType: Code.DOUBLE, doubleData: [1.1, -2] }, [1.1, -2]],
    ["float16", { dataType: Code.FLOAT16, int32Data: [0x3c00, 0xc000] }, [0x3c00, 0xc000]],
    ["bfloat16", { dataType: Code.BFLOAT16, int32Data: [0x3f80, 0xc000] }, [0x3f80, 0xc000]],
    ["int8", { dataType: Code.INT8, int32Data: [-128, 127] }, [-128, 127]],
    ["uint8", { dataType: Code.UINT8, int32Data: [0, 255] }, [0, 255]],
    ["int16", { dataType: Code.INT16, int32Data: [-5, 5] }, [-5, 5]],
    ["uint16", { dataType: Code.UINT16, int32Data: [5, 65535] }, [5, 65535]],
    ["int32", { dataType: Code.INT32, int32Data: [-(2 ** 31), 7] }, [-(2 ** 31), 7]],
    ["uint32", { dataType: Code.UINT32, uint64Data: [4294967295n, 1n] }, [4294967295, 1]],
    ["int64", { dataType: Code.INT64, int64Data: [-(2n ** 63n), 3n] }, [-(2n ** 63n), 3n]],
    ["uint64", { dataType: Code.UINT64, uint64Data: [2n ** 64n - 1n, 3n] }, [2n ** 64n - 1n, 3n]],
    ["bool", { dataType: Code.BOOL, int32Data: [1, 0] }, [1, 0]],
    ["int4", { dataType: Code.INT4, int32Data: [0x7f] }, [-1, 7]],
    ["uint4", { dataType: Code.UINT4, int32Data: [0x7f] }, [15, 7]],
    ["int2", { dataType: Code.INT2, int32Data: [0x0e] }, [-2, -1]],
    ["uint2", { dataType: Code.UINT2, int32Data: [0x0e] }, [2, 3]],
    ["float4e2m1", { dataType: Code.FLOAT4E2M1, int32Data: [0x92] }, [2, 9]],
    ["float8e4m3fn", { dataType: Code.FLOAT8E4M3FN, int32Data: [0x38, 0xc0] }, [0x38, 0xc0]],
    ["float8e5m2", { dataType: Code.FLOAT8E5M2, int32Data: [0x3c, 0xff] }, [0x3c, 0xff]],
    ["float8e8m0", { dataType: Code.FLOAT8E8M0, int32Data: [127, 0] }, [127, 0]],
    ["string", { dataType: Code.STRING, stringData: [new TextEncoder().encode("ä"), new Uint8Array(0)] }, ["ä", ""]],
  ];
  test.each(cases)("%s in its typed field, and again as it is written", (dtype, init, values) => {
    expect(readTensor({ dims: [2n], ...init })).toEqual([dtype, [2], values]);
    const first = decodeModel(raw({ initializer: [{ name: "w", dims: [2n], ...init }] }));
    expect(decodeModel(encodeModel(first)).graph.initializers).toEqual(first.graph.initializers);
  });

  test("raw data at every alignment, from a Buffer too", () => {
    for (let pad = 0; pad < 8; pad++) {
      const name = "w".repeat(pad + 1);
      const model = modelOf(23, {
        ...plain.graph,
        initializers: new Map([[name, tensor("int64", [2], [1, -2])]]),
      });
      for (const bytes of [encodeModel(model), Buffer.from(encodeModel(model))])
        expect(decodeModel(bytes).graph.initializers.get(name)!.data).toEqual(BigInt64Array.of(1n, -2n));
    }
  });

  test("a scalar and an empty tensor", () => {
    expect(readTensor({ dataType: Code.FLOAT, floatData: [3] })).toEqual(["float32", [], [3]]);
    expect(readTensor({ dims: [0n, 9223372036854775807n], dataType: Code.FLOAT })).toEqual([
      "float32",
      [0, 2 ** 63],
      [],
    ]);
  });

  test("elements of less than a byte are packed, the last byte filled with zeros", () => {
    const raws: readonly (readonly [Code, DType, number, number[], number[]])[] = [
      [Code.INT4, "int4", 3, [0x8f, 0x07], [-1, -8, 7]],
      [Code.UINT4, "uint4", 3, [0x8f, 0x07], [15, 8, 7]],
      [Code.INT2, "int2", 5, [0x1b, 0x02], [-1, -2, 1, 0, -2]],
      [Code.UINT2, "uint2", 5, [0x1b, 0x02], [3, 2, 1, 0, 2]],
    ];
    for (const [dataType, dtype, size, bytes, values] of raws) {
      const init = { name: "w", dims: [BigInt(size)], dataType, rawData: Uint8Array.from(bytes) };
      const model = decodeModel(raw({ initializer: [init] }));
      const w = model.graph.initializers.get("w")!;
      expect([w.dtype, [...(w.data as Int8Array)], byteLength(w)]).toEqual([dtype, values, bytes.length]);
      expect(Buffer.from(encodeModel(model)).includes(Buffer.from([bytes.length, ...bytes]))).toBe(true);
      const apart = encodeModelExternal(model, "m.data", 1);
      expect(Array.from(apart.data).flatMap((part) => [...part])).toEqual(bytes);
      const read = decodeModel(apart.bytes, { external: () => Uint8Array.from(bytes) });
      expect(read.graph.initializers.get("w")).toEqual(w);
    }
  });

  test("int4 weights compute the same after they were read", async () => {
    const bytes = raw(
      {
        node: [
          { opType: "DequantizeLinear", input: ["q", "s"], output: ["w"] },
          { opType: "Mul", input: ["x", "w"], output: ["y"] },
        ],
        initializer: [
          { name: "q", dims: [3n], dataType: Code.INT4, rawData: Uint8Array.of(0x8f, 0x07) },
          { name: "s", dataType: Code.FLOAT, floatData: [0.5] },
        ],
      },
      { irVersion: 10n, opsetImport: [{ version: 21n }] },
    );
    const feeds = { x: float32([3], [1, 1, 1]) };
    const { y } = await run(encodeModel(loadModel(bytes)), feeds);
    expect(y).toEqual((await run(bytes, feeds))["y"]);
    expect([...new Float32Array(Uint8Array.from(y!.bytes as number[]).buffer)]).toEqual([-0.5, -4, 3.5]);
  });

  test("sparse initializers become dense", () => {
    const sparse = (dims: bigint[], indices: bigint[], at: bigint[], values: number[]) => ({
      dims,
      values: { name: "w", dims: [BigInt(values.length)], dataType: Code.FLOAT, floatData: values },
      indices: { dims: at, dataType: Code.INT64, int64Data: indices },
    });
    const read = (...all: Parameters<typeof sparse>) =>
      decodeModel(raw({ sparseInitializer: [sparse(...all)] })).graph.initializers.get("w");
    const wanted = float32([2, 3], [0, 5, 0, 0, 0, 7]);
    expect(read([2n, 3n], [1n, 5n], [2n], [5, 7])).toEqual(wanted);
    expect(read([2n, 3n], [0n, 1n, 1n, 2n], [2n, 2n], [5, 7])).toEqual(wanted);
    expect(() => read([2n, 3n], [6n], [1n], [5])).toThrow(/"w" has the index 6 beyond its end/);
    expect(() => read([2n, 3n], [0n, 3n], [1n, 2n], [5])).toThrow(/beyond its end/);
    expect(() => read([2n, 3n], [1n], [1n], [5, 7])).toThrow(/"w" has 1 indices for 2 values/);
    expect(() => read([2n ** 40n], [1n], [1n], [5])).toThrow(/"w" has 1099511627776 elements, and stores 1/);
  });

  test("float16 weights compute the same after a round trip", async () => {
    const half = tensor("float16", [4], [0x3c00, 0x4000, 0x4200, 0x4400]);
    const nodes = [node("Cast", ["h"], ["w"], { to: Code.FLOAT }), node("Mul", ["x", "w"], ["y"])];
    const model = modelOf(17, {
      inputs: [value("x", [4])],
      outputs: [value("y")],
      initializers: new Map([["h", half]]),
      nodes,
    });
    const result = await run(encodeModel(loadModel(encodeModel(model))), {
      x: float32([4], [1, 1, 1, 1]),
    });
    expect(new Float32Array(Uint8Array.from(result["y"]!.bytes as number[]).buffer)).toEqual(
      Float32Array.of(1, 2, 3, 4),
    );
  });

  const wrong: readonly [string, Init<typeof TensorProtoSchema>, RegExp][] = [
    [
      "fewer bytes than declared",
      { dims: [3n, 4n], dataType: Code.FLOAT, rawData: new Uint8Array(40) },
      /"w" is float32 of shape \[3, 4\], but holds 40 bytes/,
    ],
    [
      "an enormous shape",
      { dims: [2n ** 40n, 2n ** 40n], dataType: Code.FLOAT, rawData: new Uint8Array(4) },
      /"w" is float32 .* holds 4 bytes/,
    ],
    ["another count of elements", { dims: [3n], dataType: Code.FLOAT, floatData: [1, 2] }, /"w" .* holds 2 elements/],
    ["a negative size", { dims: [-1n], dataType: Code.FLOAT }, /"w" declares the negative size -1/],
    [
      "a nibble too few",
      { dims: [3n], dataType: Code.INT4, int32Data: [1] },
      /"w" is int4 of shape \[3\], but holds 1 bytes/,
    ],
    [
      "complex numbers",
      { dims: [1n], dataType: Code.COMPLEX64, floatData: [1, 2] },
      /"w" is of element type COMPLEX64/,
    ],
    ["no element type", { dims: [1n], floatData: [1] }, /"w" has no element type/],
    [
      "external data without a reader",
      {
        dims: [1n],
        dataType: Code.FLOAT,
        dataLocation: TensorProto_DataLocation.EXTERNAL,
        externalData: [{ key: "location", value: "w.bin" }],
      },
      /"w" is kept in "w\.bin" beside the model/,
    ],
    [
      "external data that names no file",
      { dims: [1n], dataType: Code.FLOAT, dataLocation: TensorProto_DataLocation.EXTERNAL },
      /"w" is kept outside the model, but the model does not say in which file/,
    ],
  ];
  test.each(wrong)("refused: %s", (_, init, message) => {
    expect(() => readTensor(init)).toThrow(message);
    expect(() => readTensor(init)).toThrow(SecateurError);
  });

  test.each([
    ["length", "8", /"w" needs 4 bytes, but the model points to 8 of them in "w\.bin"/],
    ["offset", "-4", /"w" has the offset "-4"/],
    ["offset", "1e99", /"w" has the offset "1e99"/],
  ])("refused: external data with the %s %s", (key, text, message) => {
    const place = { location: "w.bin", [key]: text };
    const externalData = Object.entries(place).map(([k, v]) => ({ key: k, value: v }));
    const initializer = [
      {
        name: "w",
        dims: [1n],
        dataType: Code.FLOAT,
        dataLocation: TensorProto_DataLocation.EXTERNAL,
        externalData,
      },
    ];
    expect(() => decodeModel(raw({ initializer }), { external: () => new Uint8Array(8) })).toThrow(message);
  });

  test("external data goes through the caller", () => {
    const w = float32([300], noise(300));
    const small = float32([2], [1, 2]);
    const model = modelOf(23, {
      ...plain.graph,
      initializers: new Map([
        ["w", w],
        ["s", small],
        ["v", w],
      ]),
    });
    const { bytes, data } = encodeModelExternal(model, "m.data");
    const whole = Buffer.concat([...data]);
    const asked: unknown[] = [];
    const read = decodeModel(bytes, {
      external: (location, offset, length, name) => {
        asked.push([location, offset, length, name]);
        return whole.subarray(offset, offset + length);
      },
    });
    expect(asked).toEqual([
      ["m.data", 0, 1200, "w"],
      ["m.data", 4096, 1200, "v"],
    ]);
    expect(read.graph.initializers).toEqual(model.graph.initializers);
    expect(() => decodeModel(bytes, { external: () => new Uint8Array(3) })).toThrow(
      /"w" needs 1200 bytes, but "m\.data" gave 3/,
    );
  });
});

test("all kinds of attributes, names, docs and metadata come back", () => {
  const body: Graph = graphOf({
    name: "body",
    nodes: [node("Relu", ["x"], ["b"])],
    outputs: [value("b")],
    doc: "inner",
  });
  const attributes: Record<string, Attribute> = {
    float: f(0.5),
    int: { type: "int", value: -3 },
    last: { type: "int", value: Number.MAX_SAFE_INTEGER },
    string: { type: "string", value: "grün" },
    tensor: { type: "tensor", value: float32([2], [1, 2]) },
    graph: { type: "graph", value: body },
    floats: { type: "floats", value: [1, -0.25] },
    ints: { type: "ints", value: [1, Number.MIN_SAFE_INTEGER] },
    strings: { type: "strings", value: ["a", ""] },
    graphs: { type: "graphs", value: [body, body] },
    none: { type: "ints", value: [] },
  };
  const custom = {
    ...node("Custom", ["x", "", "x"], ["y"], {}, "com.example"),
    attributes,
    name: "n",
    doc: "why",
    metadata: { k: "v" },
  };
  const model = {
    ...modelOf(17, {
      inputs: [
        {
          ...x,
          doc: "an image",
          denotation: "IMAGE",
          axisDenotations: ["DATA_BATCH", "DATA_CHANNEL", "", "DATA_FEATURE"],
          metadata: { from: "camera" },
        },
      ],
      metadata: { graph: "yes" },
      initializers: new Map([["w", float32([1], [1])]]),
      comments: new Map([["w", { doc: "a weight", metadata: { layer: "1" } }]]),
      quantization: new Map([["y", { SCALE_TENSOR: "w" }]]),
      outputs: [value("y", [1], "float16")],
      nodes: [custom],
      info: new Map([["y", value("y", ["n"])]]),
      doc: "outer",
    }),
    irVersion: 9,
    opsets: { "": 17, "com.example": 2 },
    doc: "model",
    domain: "org.example",
    modelVersion: 7,
    metadata: { author: "me", empty: "" },
  };
  expect(decodeModel(encodeModel(model))).toEqual(model);
});

test("INT64_MAX in an attribute is written as it was", () => {
  const bytes = raw({
    node: [
      {
        ...identity,
        attribute: [{ name: "ends", type: 7, ints: [2n ** 63n - 1n, -(2n ** 63n), 2n ** 60n] }],
      },
    ],
  });
  const safe = Number.MAX_SAFE_INTEGER;
  const read = decodeModel(bytes);
  expect(read.graph.nodes[0]!.attributes["ends"]).toEqual({
    type: "ints",
    value: [safe, -safe, safe],
  });
  expect(Buffer.from(encodeModel(read)).includes(Buffer.from([255, 255, 255, 255, 255, 255, 255, 255, 127]))).toBe(
    true,
  );
});

describe("what is taken apart", () => {
  test("Constant nodes become initializers", () => {
    const nodes = [
      node("Constant", [], ["a"], { value_ints: [1, 2] }),
      node("Constant", [], ["b"], { value_float: f(0.5) }),
      node("Constant", [], ["c"], { value: { type: "tensor", value: float32([1], [3]) } }),
      node("Constant", [], ["d"], { value_string: "s" }),
      relu,
    ];
    const { graph } = decodeModel(encodeModel(modelOf(17, { ...plain.graph, nodes })));
    expect(graph.nodes).toEqual([relu]);
    expect([...graph.initializers]).toEqual([
      ["a", tensor("int64", [2], [1, 2])],
      ["b", float32([], [0.5])],
      ["c", float32([1], [3])],
      ["d", { dtype: "string", shape: [], data: ["s"] }],
    ]);
  });

  test("weights that are listed as inputs are no inputs", () => {
    const w = float32([1], [2]);
    const model = modelOf(9, {
      inputs: [x, value("w", [1])],
      outputs: [value("y")],
      initializers: new Map([["w", w]]),
      nodes: [node("Mul", ["x", "w"], ["y"])],
    });
    const { graph } = decodeModel(encodeModel(model));
    expect(graph.inputs.map(({ name }) => name)).toEqual(["x"]);
    expect(graph.initializers.get("w")).toEqual(w);
  });

  test("Identity of an initializer is a copy, through chains and whatever the order; an output stays", () => {
    const w = float32([1], [2]);
    const nodes = [
      node("Identity", ["w1"], ["w2"]),
      node("Identity", ["w"], ["w1"]),
      node("Mul", ["x", "w"], ["m"]),
      node("Mul", ["m", "w2"], ["y"]),
      node("Identity", ["w"], ["z"]),
    ];
    const { graph } = decodeModel(
      encodeModel(
        modelOf(17, {
          inputs: [x],
          outputs: [value("y"), value("z")],
          initializers: new Map([["w", w]]),
          nodes,
        }),
      ),
    );
    expect(graph.nodes.map(({ outputs }) => outputs[0])).toEqual(["m", "y", "z"]);
    expect([...graph.initializers]).toEqual([
      ["w", w],
      ["w2", w],
    ]);
    expect(graph.initializers.get("w2")!.data).not.toBe(graph.initializers.get("w")!.data);
  });
});

describe("hostile and foreign files", () => {
  const text = (s: string): Uint8Array => new TextEncoder().encode(s);
  const foreign: readonly [string, Uint8Array, RegExp][] = [
    ["nothing", new Uint8Array(0), /it is empty/],
    ["a PNG", Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0, 0, 13), /PNG image/],
    ["a page", text("\n<!DOCTYPE html><html><body>404</body></html>"), /HTML page/],
    ["a Git LFS pointer", text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), /git lfs pull/],
    ["a PyTorch file", text("PK\x03\x04rest of an archive"), /zip archive/],
    ["JSON", text('{"a": 1}'), /JSON document/],
    ["prose", text("This is a letter, not a model."), /plain text/],
    ["zeros", new Uint8Array(1000), /cannot be read as ONNX/],
    ["a message of another kind", Uint8Array.of(8, 1), /cannot be read as ONNX/],
    ["a model cut short", encodeModel(plain).subarray(0, 40), /cannot be read as ONNX/],
  ];
  test.each(foreign)("refused: %s", (_, bytes, message) => {
    expect(() => decodeModel(bytes)).toThrow(message);
    expect(() => decodeModel(bytes)).toThrow(/not an ONNX model/);
  });

  test("every cut of a model and every flipped byte gives a clear error or a model", () => {
    const bytes = encodeModel(
      modelOf(17, { ...plain.graph, initializers: new Map([["w", float32([2, 2], noise(4))]]) }),
    );
    const attempt = (given: Uint8Array): void => {
      try {
        loadModel(given);
      } catch (error) {
        expect(error).toBeInstanceOf(SecateurError);
      }
    };
    for (let at = 0; at < bytes.length; at++) {
      expect(() => loadModel(bytes.subarray(0, at))).toThrow(SecateurError);
      for (const bit of [1, 8, 128]) attempt(bytes.with(at, bytes[at]! ^ bit));
    }
  });

  const refused: readonly [string, GraphInit, Init<typeof ModelProtoSchema>, RegExp][] = [
    ["no opset", {}, { opsetImport: [] }, /does not say which ONNX opset/],
    ["opset 6", {}, { opsetImport: [{ version: 6n }] }, /opset 6; opsets 7 to 26/],
    ["opset 27", {}, { opsetImport: [{ domain: "ai.onnx", version: 27n }] }, /opset 27/],
    [
      "two opsets",
      {},
      { opsetImport: [{ version: 17n }, { domain: "ai.onnx", version: 18n }] },
      /two opsets, 17 and 18/,
    ],
    ["half a sparse initializer", { sparseInitializer: [{ values: { name: "sp" } }] }, {}, /"sp" has no .* indices/],
    [
      "a sequence",
      { input: [{ name: "x", type: { value: { case: "sequenceType", value: {} } } }] },
      {},
      /"x" is a sequence/,
    ],
    ["an input without a type", { input: [{ name: "x" }] }, {}, /"x" is declared without a type/],
    ["no outputs", { output: [] }, {}, /no outputs/],
    ["no nodes", { node: [] }, {}, /is empty/],
    [
      "two initializers of one name",
      { initializer: [1, 2].map(() => ({ name: "w", dataType: Code.FLOAT, floatData: [1] })) },
      {},
      /two initializers named "w"/,
    ],
    [
      "an attribute of a function",
      { node: [{ ...identity, attribute: [{ name: "a", refAttrName: "b", type: 1 }] }] },
      {},
      /"a" of Relu -> y refers/,
    ],
    [
      "an attribute twice",
      { node: [{ ...identity, attribute: [1, 2].map(() => ({ name: "a", type: 2, i: 1n })) }] },
      {},
      /"a" twice/,
    ],
    ["a sparse attribute", { node: [{ ...identity, attribute: [{ name: "a", type: 11 }] }] }, {}, /SPARSE_TENSOR/],
    [
      "a binary string",
      { node: [{ ...identity, attribute: [{ name: "a", type: 3, s: Uint8Array.of(255) }] }] },
      {},
      /not UTF-8/,
    ],
  ];
  test.each(refused)("refused: %s", (_, graph, model, message) => {
    expect(() => decodeModel(raw(graph, model))).toThrow(message);
    expect(() => decodeModel(raw(graph, model))).toThrow(SecateurError);
  });

  test("bodies may be nested 64 deep and no deeper", () => {
    const nest = (depth: number): Graph =>
      graphOf({
        nodes: [
          depth === 0
            ? node("Relu", ["x"], ["o"])
            : node("If", ["x"], ["o"], { then_branch: { type: "graph", value: nest(depth - 1) } }),
        ],
        outputs: [value("o")],
      });
    const model = (depth: number): Uint8Array => encodeModel(modelOf(23, { ...nest(depth), inputs: [x] }));
    expect(decodeModel(model(64)).graph.nodes).toHaveLength(1);
    expect(() => decodeModel(model(65))).toThrow(/nested more than 64 deep/);
    expect(() => decodeModel(model(500))).toThrow(/nested more than 64 deep/);
  });
});
