/** Outputs that are no tensors: kept as they stand, while what they are made of is pruned around. */

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  ModelProtoSchema,
  TensorProto_DataType as Code,
  TrainingInfoProtoSchema,
  TypeProtoSchema,
} from "../../src/onnx/schema/onnx_pb.ts";
import { describe, expect, test } from "vitest";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { cut } from "../../src/prune/cut/cut.ts";
import type { Graph, Model, Node } from "../../src/graph/graph.ts";
import { float32, tensor } from "../../src/graph/tensor.ts";
import { encodeForRuntime, encodeModel } from "../../src/onnx/encode.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { normalise } from "../../src/passes/normalise.ts";
import { modelOf, node, noise, run, value } from "./support.ts";

const float = { value: { case: "tensorType", value: { elemType: Code.FLOAT } } } as const;
const map = { value: { case: "mapType", value: { keyType: Code.INT64, valueType: float } } } as const;
const sequenceOf = (elemType: typeof float | typeof map) =>
  create(TypeProtoSchema, { value: { case: "sequenceType", value: { elemType } } });

const layers = [
  node("MatMul", ["x", "w"], ["a"]),
  node("Relu", ["a"], ["b"]),
  node("MatMul", ["b", "v"], ["c"]),
  node("Softmax", ["c"], ["p"], { axis: 1 }),
];
const weights = new Map([
  ["w", float32([6, 8], noise(48, 1))],
  ["v", float32([8, 3], noise(24, 2))],
  ["one", tensor("int64", [], [1])],
]);

/** A classifier whose last outputs are of a type. */
function fileOf(
  nodes: readonly Node[],
  outputs: readonly string[],
  type = sequenceOf(float),
  parts: Partial<Graph> = {},
) {
  const model: Model = {
    ...modelOf(13, {
      nodes: [...layers, ...nodes],
      inputs: [value("x", ["n", 6])],
      outputs: outputs.map((name) => value(name, undefined, name === "label" ? "int64" : "float32")),
      initializers: weights,
      ...parts,
    }),
    opsets: { "": 13, "ai.onnx.ml": 1 },
  };
  const proto = fromBinary(ModelProtoSchema, encodeModel(model));
  for (const output of proto.graph!.output) if (!["p", "label"].includes(output.name)) output.type = type;
  return toBinary(ModelProtoSchema, proto);
}

const shownOf = (bytes: Uint8Array) => {
  const { graph } = fromBinary(ModelProtoSchema, bytes);
  return {
    outputs: graph!.output.map(({ name, type }) => [name, type!.value.case]),
    nodes: graph!.node.map(({ opType }) => opType),
    initializers: graph!.initializer.map(({ name }) => name),
  };
};

const label = node("ArgMax", ["p"], ["label"], { axis: 1, keepdims: 0 });
const zip = node("ZipMap", ["p"], ["probability"], { classlabels_int64s: [0, 1, 2] }, "ai.onnx.ml");

describe("a file with outputs that are no tensors", () => {
  const files: readonly [string, () => Uint8Array, readonly string[]][] = [
    ["a classifier's map", () => fileOf([zip, label], ["label", "probability"], sequenceOf(map)), ["label", "p"]],
    [
      "a sequence in front, by its own constant",
      () =>
        fileOf(
          [
            label,
            node("SequenceConstruct", ["p", "c"], ["s"]),
            node("Identity", ["s"], ["i"]),
            node("SequenceErase", ["i", "one"], ["list"]),
          ],
          ["list", "label"],
          undefined,
          { info: new Map(["p", "c"].map((name) => [name, value(name, ["n", 3])])) },
        ),
      ["p", "c", "label"],
    ],
    ["a map beside its tensor", () => fileOf([zip], ["p", "probability"], sequenceOf(map)), ["p"]],
  ];

  test.each(files)("%s is written as it stood", (_, bytes) => {
    const [before, after] = [shownOf(bytes()), shownOf(encodeModel(loadModel(bytes())))];
    expect(after.outputs).toEqual(before.outputs);
    expect(after.nodes.toSorted()).toEqual(before.nodes.toSorted());
    expect(new Set(after.initializers)).toEqual(new Set(before.initializers));
  });

  test.each(files)("%s: units around it go, and what it is made of stays whole", async (_, bytes, outputs) => {
    const model = loadModel(bytes());
    expect(model.graph.outputs.map(({ name }) => name)).toEqual(outputs);
    expect(model.remarks!.join()).toMatch(/the output "(probability|list)" is a sequence: it is written as it was/);
    const graph = normalise(model.graph);
    const groups = analyse(graph);
    expect(groups.groups.map(({ units }) => units.length)).toEqual([8]);
    const small = { ...model, graph: cut(graph, groups, new Map([[groups.groups[0]!.name, [1, 5]]])).graph };
    expect(shownOf(encodeModel(small)).outputs).toEqual(shownOf(bytes()).outputs);
    // The runtime's binding takes tensors only: it is shown what stands in front.
    const feeds = { x: float32([2, 6], noise(12, 3)) };
    const runs = await run(encodeForRuntime(small).bytes, feeds);
    expect(Object.keys(runs)).toEqual(outputs);
    expect(runs["p"]!.dims).toEqual([2, 3]);
  });

  test.each<[string, () => Uint8Array, RegExp]>([
    [
      "made of what has no type",
      () => fileOf([node("SequenceConstruct", ["c"], ["s"])], ["s"]),
      /"s" is a sequence made of "c"/,
    ],
    [
      "read by others",
      () =>
        fileOf(
          [node("SequenceConstruct", ["p"], ["s"]), node("SequenceLength", ["s"], ["label"])],
          ["s", "p", "label"],
        ),
      /"s" is no tensor, and more than an output/,
    ],
    ["made by nothing", () => fileOf([], ["x"]), /"x" is a sequence, and what makes it is not known/],
    [
      "going round",
      () =>
        fileOf(
          [node("SequenceErase", ["t"], ["s"]), node("Identity", ["u"], ["t"]), node("Identity", ["s"], ["u"])],
          ["s"],
        ),
      /go round|circle|cycle/,
    ],
  ])("is refused where it is %s", (_, bytes, message) => {
    expect(() => loadModel(bytes())).toThrow(message);
  });

  test("is written in another opset where what makes it means the same there", () => {
    const split = node("SplitToSequence", ["p", "one"], ["s"], { axis: 1 });
    const info = new Map([["p", value("p", ["n", 3])]]);
    const model = loadModel(fileOf([split], ["s"], undefined, { info }));
    expect(shownOf(encodeModel(model, { opset: 17 })).nodes).toContain("SplitToSequence");
    expect(() => encodeModel(model, { opset: 10 })).toThrow(
      /SplitToSequence -> s means something else in opset 10; write the model in opset 13/,
    );
  });
});

test("training information is not kept, and that is said", () => {
  const proto = fromBinary(ModelProtoSchema, fileOf([], ["p"]));
  const bytes = toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, { ...proto, trainingInfo: [create(TrainingInfoProtoSchema)] }),
  );
  const model = loadModel(bytes);
  expect(model.remarks).toEqual(["the file's training information (training_info) is not kept"]);
  expect(fromBinary(ModelProtoSchema, encodeModel(model)).trainingInfo).toEqual([]);
});
