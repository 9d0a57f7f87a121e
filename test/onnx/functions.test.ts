/** Functions that a file declares: written out where they are called, they compute what the runtime makes of them. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { create, toBinary, type DescMessage, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import {
  AttributeProto_AttributeType as Kind,
  ModelProtoSchema,
  TensorProto_DataType as Code,
  type AttributeProtoSchema,
  type FunctionProtoSchema,
  type GraphProtoSchema,
  type NodeProtoSchema,
} from "../../src/onnx/schema/onnx_pb.ts";
import { describe, expect, test } from "vitest";
import { decodeModel } from "../../src/onnx/decode.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { feedsOf, run, type Outputs } from "./support.ts";

type Init<S extends DescMessage> = Exclude<MessageInitShape<S>, Message>;
type NodeInit = Init<typeof NodeProtoSchema>;
type FunctionInit = Init<typeof FunctionProtoSchema>;

const n = (opType: string, input: string[], output: string[], more: Partial<NodeInit> = {}): NodeInit => ({
  opType,
  input,
  output,
  ...more,
});
const f = (name: string, value: number): Init<typeof AttributeProtoSchema> => ({ name, type: Kind.FLOAT, f: value });
const ints = (name: string, ...values: number[]): Init<typeof AttributeProtoSchema> => ({
  name,
  type: Kind.INTS,
  ints: values.map(BigInt),
});
const ref = (name: string, refAttrName: string, type = Kind.FLOAT): Init<typeof AttributeProtoSchema> => ({
  name,
  refAttrName,
  type,
});
const fn = (
  name: string,
  input: string[],
  output: string[],
  node: NodeInit[],
  more: FunctionInit = {},
): FunctionInit => ({
  name,
  domain: "own",
  input,
  output,
  node,
  opsetImport: [{ version: 17n }, { domain: "own", version: 1n }],
  ...more,
});
const floats = (name: string, ...sizes: number[]) => ({
  name,
  type: {
    value: {
      case: "tensorType" as const,
      value: {
        elemType: Code.FLOAT,
        shape: { dim: sizes.map((size) => ({ value: { case: "dimValue" as const, value: BigInt(size) } })) },
      },
    },
  },
});

function file(node: NodeInit[], functions: FunctionInit[], graph: Init<typeof GraphProtoSchema> = {}): Uint8Array {
  const proto = create(ModelProtoSchema, {
    irVersion: 8n,
    opsetImport: [{ version: 17n }, { domain: "own", version: 1n }],
    functions,
    graph: { name: "g", node, input: [floats("x", 2, 3)], output: [floats("y", 2, 3)], ...graph },
  });
  return toBinary(ModelProtoSchema, proto);
}

const own: Partial<NodeInit> = { domain: "own" };
const leaky = fn("Leaky", ["a"], ["b"], [n("LeakyRelu", ["a"], ["b"], { attribute: [ref("alpha", "slope")] })], {
  attributeProto: [f("slope", 0.25)],
});
const twice = fn(
  "Twice",
  ["a"],
  ["c"],
  [
    n("Leaky", ["a"], ["b"], { ...own, name: "first", attribute: [ref("slope", "slope")] }),
    n("Leaky", ["b"], ["c"], { ...own, name: "second" }),
  ],
  { attribute: ["slope"] },
);
const floor = fn("Floor", ["a", "low", "high"], ["b"], [n("Clip", ["a", "low", "high"], ["b"])]);
const both = fn(
  "Both",
  ["a"],
  ["same", "turned", "again"],
  [n("Neg", ["a"], ["turned"]), n("Neg", ["turned"], ["again"])],
  {
    output: ["a", "turned", "again"],
  },
);
const old = fn(
  "Old",
  ["a"],
  ["c"],
  [
    n("Unsqueeze", ["a"], ["b"], { attribute: [ints("axes", 0)] }),
    n("ReduceSum", ["b"], ["c"], { attribute: [ints("axes", 0), { name: "keepdims", type: Kind.INT, i: 0n }] }),
  ],
  { opsetImport: [{ version: 11n }] },
);
const branch = (name: string, slope: string): Init<typeof AttributeProtoSchema> => ({
  name,
  type: Kind.GRAPH,
  g: {
    name,
    node: [n("Leaky", ["a"], ["t"], { ...own, attribute: [ref("slope", slope)] }), n("Add", ["t", "a"], ["r"])],
    output: [floats("r", 2, 3)],
  },
});
const choose = fn(
  "Choose",
  ["a", "c"],
  ["b"],
  [n("If", ["c"], ["b"], { attribute: [branch("then_branch", "one"), branch("else_branch", "other")] })],
  { attribute: ["one"], attributeProto: [f("other", 0.75)] },
);

const cases: readonly (readonly [
  title: string,
  bytes: Uint8Array,
  ops: readonly string[],
  names: readonly string[],
])[] = [
  [
    "called twice, with a default attribute and another",
    file(
      [
        n("Leaky", ["x"], ["h"], { ...own, name: "l" }),
        n("Leaky", ["h"], ["y"], { ...own, attribute: [f("slope", 0.5)] }),
      ],
      [leaky],
    ),
    ["LeakyRelu", "LeakyRelu"],
    ["h", "y"],
  ],
  [
    "in functions, an attribute handed on and one left out",
    file([n("Twice", ["x"], ["y"], { ...own, name: "t", attribute: [f("slope", 0.5)] })], [twice, leaky]),
    ["LeakyRelu", "LeakyRelu"],
    ["t/b", "y"],
  ],
  [
    "with an input left out",
    file([n("Floor", ["x", "", "m"], ["y"], own)], [floor], {
      initializer: [{ name: "m", dataType: Code.FLOAT, floatData: [0.1] }],
    }),
    ["Clip"],
    ["y"],
  ],
  [
    "called by a name that is a value's too",
    file([n("Relu", ["x"], ["t/b"]), n("Twice", ["t/b"], ["y"], { ...own, name: "t" })], [twice, leaky]),
    ["Relu", "LeakyRelu", "LeakyRelu"],
    ["t/b", "t/b_1", "y"],
  ],
  ["that nothing calls", file([n("Relu", ["x"], ["y"])], [leaky]), ["Relu"], ["y"]],
];

const floatsOf = ({ bytes }: Outputs[string]): Float32Array =>
  new Float32Array(Uint8Array.from(bytes as number[]).buffer);

describe("a model with functions computes the same bits without them", () => {
  test.each(cases)("%s", async (_, bytes, ops, names) => {
    const decoded = decodeModel(bytes);
    expect(decoded.graph.nodes.map(({ op }) => op)).toEqual(ops);
    expect(decoded.graph.nodes.map(({ outputs }) => outputs[0])).toEqual(names);
    expect(decoded.opsets).toEqual({ "": 17 });
    const model = loadModel(bytes);
    expect(await run(encodeModel(model), feedsOf(model))).toEqual(await run(bytes, feedsOf(model)));
  });

  test("in bodies of If, whose names are made new", async () => {
    const bytes = file(
      [n("Choose", ["x", "c"], ["y"], { ...own, name: "k", attribute: [f("one", 0.5)] })],
      [choose, leaky],
      {
        input: [floats("x", 2, 3)],
        initializer: [{ name: "c", dataType: Code.BOOL, int32Data: [0] }],
      },
    );
    const model = loadModel(bytes);
    expect(await run(encodeModel(model), feedsOf(model))).toEqual(await run(bytes, feedsOf(model)));
  });

  test("whose output is its input, which the runtime refuses", async () => {
    const calls = [n("Both", ["x"], ["p", "q"], own), n("Add", ["p", "q"], ["s"]), n("Add", ["s", "p"], ["y"])];
    const model = loadModel(file(calls, [both]));
    expect(model.graph.nodes.map(({ op, outputs }) => `${op} ${outputs[0]}`)).toEqual([
      "Neg q",
      "Neg p/again",
      "Identity p",
      "Add s",
      "Add y",
    ]);
    const feeds = feedsOf(model);
    expect(floatsOf((await run(encodeModel(model), feeds))["y"]!)).toEqual(feeds["x"]!.data);
  });

  test("written in another opset than the model", async () => {
    const bytes = file([n("Old", ["x"], ["y"], { ...own, name: "o" })], [old]);
    const model = loadModel(bytes);
    expect(model.graph.nodes.map(({ op, domain, inputs }) => [op, domain, inputs.length])).toEqual([
      ["Unsqueeze", "", 2],
      ["ReduceSum", "", 2],
    ]);
    // The runtime refuses functions of another opset; the sum over an axis of one is the value itself.
    const feeds = feedsOf(model);
    expect(floatsOf((await run(encodeModel(model), feeds))["y"]!)).toEqual(feeds["x"]!.data);
  });
});

describe("refused", () => {
  test("a function that calls itself", () => {
    const self = fn("Self", ["a"], ["b"], [n("Self", ["a"], ["b"], own)]);
    expect(() => decodeModel(file([n("Self", ["x"], ["y"], own)], [self]))).toThrow(/function "Self" calls itself/);
  });

  test("functions that become too many nodes", () => {
    const many = Array.from({ length: 25 }, (_, i) =>
      fn(`F${i}`, ["a"], ["c"], [n(`F${i + 1}`, ["a"], ["b"], own), n(`F${i + 1}`, ["b"], ["c"], own)]),
    );
    const last = fn("F25", ["a"], ["b"], [n("Relu", ["a"], ["b"])]);
    expect(() => decodeModel(file([n("F0", ["x"], ["y"], own)], [...many, last]))).toThrow(/more than 262144 nodes/);
  });

  test("a function in another opset of somebody's operators", () => {
    const two = fn("Two", ["a"], ["b"], [n("Odd", ["a"], ["b"], { domain: "some" })], {
      opsetImport: [{ domain: "some", version: 2n }],
    });
    const one = { ...n("Odd", ["x"], ["h"], { domain: "some" }) };
    const three = fn("Three", ["a"], ["b"], [n("Odd", ["a"], ["b"], { domain: "some" })], {
      opsetImport: [{ domain: "some", version: 3n }],
    });
    const bytes = file([one, n("Two", ["h"], ["i"], own), n("Three", ["i"], ["y"], own)], [two, three]);
    expect(() => decodeModel(bytes)).toThrow(/"Three" is written in opset 3 of the domain "some", and the model in 2/);
  });
});

const shared = join(import.meta.dirname, "../../../shared/cases/functions.onnx");
test.runIf(existsSync(shared))("the exporter's functions (skipped where ../shared is absent)", async () => {
  const bytes = readFileSync(shared);
  const model = loadModel(bytes);
  expect(model.graph.nodes.every(({ domain }) => domain === "")).toBe(true);
  expect(await run(encodeModel(model), feedsOf(model))).toEqual(await run(bytes, feedsOf(model)));
});
