/** Models that are broken or made to do harm: each comes through or is refused by a clear sentence, in time and in little memory. */

import { create, toBinary, type DescMessage, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import {
  ModelProtoSchema,
  TensorProto_DataType as Code,
  type GraphProtoSchema,
} from "../../src/onnx/schema/onnx_pb.ts";
import { describe, expect, test } from "vitest";
import { attempt } from "../../scripts/fuzz/attempt.mjs";
import { baseModels } from "../../scripts/fuzz/models.mjs";
import { mutantOf } from "../../scripts/fuzz/mutate.mjs";
import { float32, int64s, tensor, type Tensor } from "../../src/graph/tensor.ts";
import type { Graph, Node } from "../../src/graph/graph.ts";
import * as lib from "../../src/graphs-node.ts";
import { newModel } from "../../src/jobs/new-model.ts";
import { ops } from "../../src/ops/table.ts";
import { summarise } from "../../src/prune/summary.ts";
import { graphOf, modelOf, node, noise, value } from "./support.ts";
import { laws } from "../support/laws.ts";

type Init<S extends DescMessage> = Exclude<MessageInitShape<S>, Message>;

const floatType = { value: { case: "tensorType", value: { elemType: Code.FLOAT } } } as const;
const relu = node("Relu", ["x"], ["y"]);

/** A message with one node, changed as told: for what no graph can say. */
const raw = (graph: Init<typeof GraphProtoSchema>, version = 17n): Uint8Array =>
  toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: 8n,
      opsetImport: [{ version }],
      graph: {
        name: "g",
        node: [{ opType: "Relu", input: ["x"], output: ["y"] }],
        input: [{ name: "x", type: floatType }],
        output: [{ name: "y", type: floatType }],
        ...graph,
      },
    }),
  );

/** A model of nodes over an image `x` and constants. */
function net(
  nodes: readonly Node[],
  constants: Readonly<Record<string, Tensor>> = {},
  x: readonly (number | string)[] = ["n", 3, 8, 8],
  opset = 23,
): Uint8Array {
  const initializers = new Map(Object.entries(constants));
  return lib.encodeModel(modelOf(opset, { inputs: [value("x", x)], outputs: [value("y")], nodes, initializers }));
}

const filters = (...shape: number[]): Tensor => float32(shape, noise(shape.reduce((n, dim) => n * dim, 1)));
const w = filters(4, 3, 3, 3);
const conv = (attributes: Parameters<typeof node>[3]): Uint8Array =>
  net([node("Conv", ["x", "w"], ["y"], attributes)], { w });
const one = (op: string, constants: Record<string, Tensor>, attributes: Parameters<typeof node>[3] = {}): Uint8Array =>
  net([node(op, ["x", ...Object.keys(constants)], ["y"], attributes)], constants);

const text = (s: string): Uint8Array => new TextEncoder().encode(s);

/** A field of a message: its number, and what it holds. */
function field(number: number, content: Uint8Array): Uint8Array {
  const length: number[] = [];
  for (let rest = content.length; ; rest = Math.floor(rest / 128)) {
    length.push(rest < 128 ? rest : (rest % 128) + 128);
    if (rest < 128) break;
  }
  return Buffer.concat([Uint8Array.of(number * 8 + 2, ...length), content]);
}

/** A body in a node in a body, so often. */
function nested(depth: number): Uint8Array {
  let graph: Uint8Array = new Uint8Array(0);
  for (let i = 0; i < depth; i++) graph = field(1, field(5, field(6, graph)));
  return Buffer.concat([Uint8Array.of(8, 8), field(7, graph)]);
}

type Case = readonly [title: string, bytes: () => Uint8Array, message: RegExp];

const files: readonly Case[] = [
  ["text", () => text("This is no model at all, but a letter to a friend."), /it looks like plain text/],
  ["a zip archive", () => text("PK\x03\x04 and more"), /it looks like a zip archive.*export the model to ONNX/],
  ["a pointer of Git LFS", () => text("version https://git-lfs.github.com/spec/v1\noid"), /run `git lfs pull`/],
  ["random bytes", () => Uint8Array.from(noise(4096), (x) => x * 255), /cannot be read as ONNX/],
  ["a model cut short", () => conv({}).subarray(0, 200), /cannot be read as ONNX/],
  ["a graph that is a number", () => Uint8Array.of(8, 8, 7 * 8, 1), /cannot be read as ONNX/],
  ["a string of bytes that are none", () => Uint8Array.of(8, 8, 2 * 8 + 2, 1, 255), /cannot be read as ONNX/],
  ["a length beyond the file", () => Uint8Array.of(8, 8, 7 * 8 + 2, 255, 255, 255, 255, 15), /cannot be read as ONNX/],
  ["bodies thousands deep", () => nested(3000), /nested more than 64 deep/],
  ["groups of the wire a million deep", () => new Uint8Array(1e6).fill(15 * 8 + 3), /nested more than 64 deep/],
  [
    "millions of nodes of two bytes",
    () => Buffer.concat([Uint8Array.of(8, 8), field(7, Buffer.alloc(8e6, Uint8Array.of(10, 0)))]),
    /would take 2\.4 GB of memory to read; store its tensors as raw data/,
  ],
  [
    "millions of numbers of one byte",
    // In field 7 of a tensor, field 5 of a graph.
    () => Buffer.concat([Uint8Array.of(8, 8), field(7, field(5, field(7, Buffer.alloc(6e7, 1))))]),
    /would take 1\.9 GB of memory to read/,
  ],
  ["no nodes", () => raw({ node: [] }), /the graph of the model is empty/],
  ["no opset", () => raw({}, 0n), /ONNX opset 0; opsets 7 to 26 are supported/],
  ["an opset of the far future", () => raw({}, 1_000_000_000n), /ONNX opset 1000000000; opsets 7 to 26/],
];

const empty = (...dims: bigint[]): Uint8Array => raw({ initializer: [{ name: "w", dims, dataType: Code.FLOAT }] });
const declared = (...sizes: bigint[]): Uint8Array => {
  const dim = sizes.map((size) => ({ value: { case: "dimValue" as const, value: size } }));
  const type = { value: { case: "tensorType" as const, value: { elemType: Code.FLOAT, shape: { dim } } } };
  return raw({ input: [{ name: "x", type }] });
};

const sizes: readonly Case[] = [
  [
    "a weight of 2^40 elements without data",
    () => empty(2n ** 40n),
    /"w" is float32 of shape \[1099511627776\], but holds 0/,
  ],
  ["sizes whose product overflows", () => empty(2n ** 40n, 2n ** 40n, 2n ** 40n), /"w" is float32 .* holds 0 bytes/],
  ["a negative size", () => empty(-4n), /"w" declares the negative size -4/],
  ["a weight of many axes", () => empty(...Array<bigint>(1e5).fill(1n)), /"w" has 100000 axes; more than 64/],
  ["an input of many axes", () => declared(...Array<bigint>(65).fill(1n)), /"x" has 65 axes; more than 64/],
  ["an input of negative size", () => declared(1n, -7n), /"x" declares the negative size -7/],
  ["an input of 2^62", () => declared(1n, 2n ** 62n), /"x" declares the size 4611686018427387904/],
  [
    "an input of 2^40",
    () => declared(1n, 2n ** 40n),
    /the axes of all values have \d+ elements together, and at most 33554432/,
  ],
  [
    "an input whose product overflows",
    () => declared(2n ** 30n, 2n ** 30n),
    /"x" would have the shape \[1073741824, 1073741824\]/,
  ],
];

const loop = [node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"]), node("Relu", ["b"], ["y"])];
const w0 = { name: "w", dims: [1n], dataType: Code.FLOAT, floatData: [1] };
const graphs: readonly Case[] = [
  ["a cycle", () => net(loop), /has a cycle: Relu -> b reads "a", which depends on its own output/],
  ["a node that reads itself", () => net([node("Relu", ["y"], ["y"])]), /has a cycle/],
  ["two weights of one name", () => raw({ initializer: [w0, w0] }), /two initializers named "w"; rename one/],
  ["two values of one name", () => net([relu, relu]), /Relu -> y defines "y", which is defined already/],
  [
    "a value from nowhere",
    () => net([node("Relu", ["z"], ["y"])]),
    /reads "z", which no input, initializer or node produces/,
  ],
  ["a weight without a name", () => raw({ initializer: [{ ...w0, name: "" }] }), /an initializer has no name/],
  ["an operator without a name", () => net([node("", ["x"], ["y"])]), /names no operator/],
  ["a node without outputs", () => net([node("Relu", ["x"], []), relu]), /Relu -> \? has no outputs/],
  ["a missing input", () => net([node("Conv", ["x"], ["y"])]), /Conv -> y: its input W is missing/],
  [
    "a list without inputs",
    () => net([node("Concat", [], ["y"], { axis: 0 })]),
    /Concat -> y: its input inputs is missing/,
  ],
  ["a gap in a list", () => net([node("Sum", ["x", "", "x"], ["y"])]), /Sum -> y: its input data_0 is missing/],
  ...["__proto__", "constructor"].map((name): Case => [
    `an input named ${name}`,
    () =>
      lib.encodeModel(
        modelOf(23, { inputs: [value(name, [1])], outputs: [value("y")], nodes: [node("Relu", [name], ["y"])] }),
      ),
    new RegExp(`an input or output is named "${name}", as a property of every JavaScript object`),
  ]),
];

const huge = 2 ** 31;
const attributes: readonly Case[] = [
  ["a string for numbers", () => conv({ strides: "2" }), /attribute "strides" is of the kind string, and must be ints/],
  [
    "a string for numbers that become an input",
    () => net([node("Squeeze", ["x"], ["y"], { axes: "0" })], {}, [1, 3], 11),
    /Squeeze -> y: its attribute "axes" is of the kind string, and must be ints/,
  ],
  ["group 0", () => conv({ group: 0 }), /4 channels do not divide by group 0/],
  ["group 2^31", () => conv({ group: huge }), /4 channels do not divide by group 2147483648/],
  [
    "group 2^31 of no channels",
    () => net([node("Conv", ["x", "w"], ["y"], { group: huge })], { w: filters(0, 0, 1) }, [1, 0, 8]),
    /0 channels do not divide by group 2147483648/,
  ],
  ["strides of 0", () => conv({ strides: [0, 0] }), /its strides \[0, 0\] must be at least 1/],
  ["too few strides", () => conv({ strides: [1] }), /it has 1 strides for 2 spatial axes/],
  ["dilations below 0", () => conv({ dilations: [-huge, 1] }), /its dilations .* must be at least 1/],
  ["pads of 2^40", () => conv({ pads: [2 ** 40, 0, 0, 0] }), /the axes of all values have/],
  ["an unknown auto_pad", () => conv({ auto_pad: "SOME" }), /its auto_pad "SOME" is none of NOTSET, VALID/],
  ["a window of 2^31", () => one("MaxPool", {}, { kernel_shape: [huge, huge] }), /a window of 2147483648 does not fit/],
  ["blocks of 0", () => one("DepthToSpace", {}, { blocksize: 0 }), /no blocks of 0 x 0/],
  [
    "perm with repeats",
    () => one("Transpose", {}, { perm: [0, 1, 1, 2] }),
    /perm \[0, 1, 1, 2\] is no order of the axes/,
  ],
  ["an axis out of range", () => one("Softmax", {}, { axis: 9 }), /a value of 4 axes has no axis 9/],
  ["an axis far out of range", () => one("Concat", {}, { axis: -huge }), /a value of 4 axes has no axis -2147483648/],
  ["2^31 parts", () => one("Split", {}, { num_outputs: huge }), /it states 2147483648 parts and has 1 outputs/],
  [
    "parts that do not add up",
    () => one("Split", { s: int64s([7]) }, { axis: 1 }),
    /parts of \[7\] are not an axis of 3/,
  ],
  ["axes named twice", () => one("Unsqueeze", { a: int64s([0, 0]) }), /axes \[0, 0\] name one axis twice/],
  ["a step of 0", () => one("Slice", { s: int64s([0]), e: int64s([1]), a: int64s([1]), t: int64s([0]) }), /no step 0/],
  ["too many repeats", () => one("Tile", { r: int64s([1, 1, 1, 1, 9]) }), /it has 5 repeats for the axes of/],
  [
    "repeats below 0",
    () => one("Tile", { r: int64s([1, -1, 1, 1]) }),
    /its output would have the shape \[\d, -3, 8, 8\]/,
  ],
  ["repeats of 2^40", () => one("Tile", { r: int64s([1, 2 ** 40, 1, 1]) }), /the axes of all values have/],
  [
    "an index out of range",
    () => one("Gather", { i: int64s([3]) }, { axis: 1 }),
    /an axis of 3 elements has no element 3/,
  ],
  [
    "axes that are no whole numbers",
    () => one("ReduceSum", { a: float32([1], [0.5]) }),
    /"a" is float32, and must be whole numbers/,
  ],
  [
    "text for numbers",
    () => one("Reshape", { s: { dtype: "string", shape: [1], data: ["a"] } }),
    /a tensor of strings stands where numbers/,
  ],
  [
    "scales that are an image, on which onnxruntime aborts",
    () => net([node("Resize", ["x", "", "x"], ["y"])]),
    /"x" \[\d, 3, 8, 8\] is no list/,
  ],
  ["odd pads", () => one("Pad", { p: int64s([1, 1, 1]) }), /it has 3 pads for 4 axes/],
  [
    "kinds that do not join",
    () => one("Concat", { i: int64s([1]) }, { axis: 0 }),
    /"x" is float32 and "i" int64, which must be the same/,
  ],
  [
    "a value of 2^62 elements",
    () => net([node("ConstantOfShape", ["s"], ["c"]), node("Add", ["x", "c"], ["y"])], { s: int64s([huge, huge]) }),
    /its output would have the shape \[2147483648, 2147483648\]/,
  ],
  [
    "a range without end",
    () =>
      net(
        [node("Range", ["a", "b", "d"], ["y"])],
        Object.fromEntries(
          [
            ["a", 0],
            ["b", 1],
            ["d", 0],
          ].map(([k, v]) => [k, tensor("int64", [], [v as number])]),
        ),
      ),
    /its output would have the shape \[Infinity\]/,
  ],
];

describe.each(Object.entries({ files, sizes, graphs, attributes }))("hostile %s", (_, cases) => {
  test.each(cases)("%s", async (_title, bytes, message) => {
    const outcome = await attempt(lib, bytes(), false);
    expect(outcome.message).toMatch(message);
    expect(["bad-model", "unsupported"]).toContain(outcome.code);
  });
});

test("millions of units of a weight that is generated", laws, async () => {
  const nodes = [
    node("ConstantOfShape", ["s"], ["c"]),
    node("Add", ["x", "c"], ["h"]),
    node("ReduceSum", ["h"], ["y"]),
  ];
  const outcome = await attempt(lib, net(nodes, { s: int64s([2 ** 21]) }, ["n", 1]), false);
  expect(outcome.message).toMatch(/more than 1048576 units, as "c" has; give smaller sizes/);
});

describe("what is odd and no harm", () => {
  test("names that every object has, of values inside", async () => {
    const names = ["__proto__", "constructor", "toString"];
    const nodes = [...names, "y"].map((name, i) => node("Relu", [["x", ...names][i]!], [name]));
    expect(await attempt(lib, net(nodes), false)).toMatchObject({ code: "ok" });
  });

  test("an attribute named as a property of every object is not known", () => {
    const model = lib.loadModel(net([node("Relu", ["x"], ["y"], { constructor: 1 })]));
    expect(lib.trace(model.graph).refusals[0]!.reason).toBe('attribute "constructor" of Relu is not known');
  });

  test("If, Loop and Scan: what they read stays whole", async () => {
    const body: Graph = graphOf({ nodes: [node("Relu", ["h"], ["o"])], outputs: [value("o")] });
    for (const op of ["If", "Loop", "Scan"]) {
      const nodes = [node("Conv", ["x", "w"], ["h"]), node(op, ["c"], ["y"], { body: { type: "graph", value: body } })];
      const bytes = net(nodes, { w, c: tensor("bool", [], [1]) });
      expect(await attempt(lib, bytes, false)).toMatchObject({ code: "ok" });
      const { groups, frozen } = lib.analyse(lib.normaliseGraph(lib.loadModel(bytes).graph));
      expect([groups, frozen[0]?.name]).toEqual([[], "w"]);
    }
  });

  test.each([
    ["float32", Number.NaN],
    ["float32", Number.POSITIVE_INFINITY],
    ["float16", 0x7c00],
    ["bfloat16", 0x7fc0],
  ] as const)("weights of %s that are not finite are shown: %d", (dtype, element) => {
    const constants = { w: tensor(dtype, [2], [1, element]) };
    const model = lib.loadModel(net([node("Mul", ["x", "w"], ["y"])], constants, ["n", 2]));
    expect(summarise(model).notFinite).toEqual([{ name: "w", count: 1, of: 2 }]);
  });

  test("NaN in a weight has no importance", async () => {
    const nodes = [node("Conv", ["x", "w"], ["h"]), node("GlobalAveragePool", ["h"], ["y"])];
    const bad = { ...w, data: Float32Array.from(w.data as Float32Array).fill(Number.NaN, 0, 1) };
    const last = [...nodes.slice(0, 1), node("Conv", ["h", "v"], ["y"])];
    const outcome = await attempt(lib, net(last, { w: bad, v: filters(2, 4, 1, 1) }), false);
    expect(outcome).toMatchObject({ code: "not-finite" });
    expect(outcome.message).toMatch(/the importance of unit 0 of group "w" is not a number/);
  });

  // onnxruntime 1.30 crashes on this while it loads.
  test("inputs that are left out at the end are gone", () => {
    const model = lib.loadModel(net([node("LayerNormalization", ["x", "s", ""], ["y"])], { s: filters(8) }));
    expect(model.graph.nodes[0]!.inputs).toEqual(["x", "s"]);
  });

  test("time grows with the file and not with its square", () => {
    const many = 8000;
    const body = graphOf({ nodes: [node("Relu", ["x"], ["o"])], outputs: [value("o")] });
    const branch = { then_branch: { type: "graph", value: body } } as const;
    const ifs = Array.from({ length: many }, (_, i) => node("If", ["c"], [`i${i}`], branch));
    const dropouts = Array.from({ length: many }, (_, i) => node("Split", ["x"], ["", `d${i}`]));
    const bytes = net([...ifs, ...dropouts, relu], { c: tensor("bool", [], [1]) }, ["n"], 17);
    const start = performance.now();
    expect(lib.loadModel(bytes).graph.nodes).toHaveLength(2 * many + 1);
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});

test("mutants come through or are refused: npm run fuzz tries more", laws, async () => {
  const bases = baseModels({ ...lib, newModel, ops });
  const failures: string[] = [];
  const codes = new Set<string>();
  for (let number = 0; number < 600; number++) {
    const { base, kind, bytes } = mutantOf(bases, 11, number);
    const { code, message = "" } = await attempt(lib, bytes, number % 8 === 0);
    codes.add(code);
    if (code === "failure") failures.push(`npm run fuzz -- --seed 11 --only ${number} (${base}, ${kind}): ${message}`);
  }
  expect(failures).toEqual([]);
  expect([...codes]).toEqual(expect.arrayContaining(["ok", "bad-model", "unsupported"]));
});
