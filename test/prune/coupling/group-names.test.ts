/** Groups bear the names that the program had, whatever an exporter made of the weights. */

import { describe, expect, it } from "vitest";
import type { Graph, Node } from "../../../src/graph/graph.ts";
import { float32, sizeOf, type Tensor } from "../../../src/graph/tensor.ts";
import { decodeModel } from "../../../src/onnx/decode.ts";
import { encodeModel } from "../../../src/onnx/encode.ts";
import { analyse } from "../../../src/prune/coupling/analysis.ts";
import { cut } from "../../../src/prune/cut/cut.ts";
import { floorsOf } from "../../../src/prune/select/limits.ts";
import { modelOf } from "../../support/graphs.ts";
import { graphOf, node, noise, value } from "../../onnx/support.ts";

const drawn = (...shape: number[]): Tensor => float32(shape, noise(sizeOf(shape)));
const named = (made: Node, name: string): Node => ({ ...made, name });
const scoped = (made: Node, ...scopes: string[]): Node => ({
  ...made,
  metadata: { "pkg.torch.onnx.name_scopes": `[${["", ...scopes, made.outputs[0]!].map((s) => `'${s}'`).join(", ")}]` },
});

const graph = (initializers: Record<string, Tensor>, nodes: readonly Node[]): Graph =>
  graphOf({
    inputs: [value("x", [2, 8])],
    outputs: [value(nodes.at(-1)!.outputs[0]!)],
    initializers: new Map(Object.entries(initializers)),
    nodes,
  });
const groupsOf = (whole: Graph) => analyse(whole);
const namesOf = (whole: Graph): string[] => groupsOf(whole).groups.map(({ name }) => name);

describe("the name of a group", () => {
  it("is that of the bias beside a weight whose own was counted up", () => {
    const whole = graph(
      {
        "onnx::MatMul_151": drawn(8, 6),
        "a.lin.bias": drawn(6),
        "onnx::Gemm_9": drawn(6, 5),
        "b.fc_bias": drawn(5),
        w: drawn(5, 4),
      },
      [
        node("MatMul", ["x", "onnx::MatMul_151"], ["h"]),
        node("Add", ["a.lin.bias", "h"], ["i"]),
        node("Gemm", ["i", "onnx::Gemm_9", "b.fc_bias"], ["j"]),
        node("MatMul", ["j", "w"], ["y"]),
      ],
    );
    expect(namesOf(whole)).toEqual(["a.lin.weight", "b.fc_weight"]);
  });

  it("is that of the module, by either exporter", () => {
    const nodes = [
      named(node("MatMul", ["x", "onnx::MatMul_1"], ["h"]), "/encoder/layers.0/linear1/MatMul"),
      named(node("MatMul", ["h", "12"], ["i"]), "/layer1/layer1.0/fc/MatMul"),
      scoped(node("MatMul", ["i", "val_155"], ["j"]), "enc", "enc.0"),
      scoped(node("MatMul", ["j", "mul_1"], ["k"]), "enc", "enc.1"),
      node("MatMul", ["k", "w"], ["y"]),
    ];
    const square = drawn(8, 8);
    const weights = { "onnx::MatMul_1": square, "12": square, val_155: square, mul_1: square, w: drawn(8, 3) };
    expect(namesOf(graph(weights, nodes))).toEqual([
      "encoder.layers.0.linear1.weight",
      "layer1.0.fc.weight",
      "enc.0.weight",
      "enc.1.weight",
    ]);
  });

  it("is the weight's where the program named it, or nothing tells, or another weight is called so", () => {
    const nodes = [
      named(node("MatMul", ["x", "fc"], ["h"]), "/other/MatMul"),
      node("MatMul", ["h", "val_3"], ["i"]),
      named(node("MatMul", ["i", "val_4"], ["j"]), "/head/MatMul"),
      node("MatMul", ["j", "head.weight"], ["y"]),
    ];
    const square = drawn(8, 8);
    const weights = { fc: square, val_3: square, val_4: square, "head.weight": drawn(8, 3) };
    expect(namesOf(graph(weights, nodes))).toEqual(["fc", "val_3", "val_4"]);
  });

  it("is told apart where two weights have one module, stays after a cut and a round trip, and is good for patterns", () => {
    const nodes = [
      named(node("MatMul", ["x", "onnx::MatMul_1"], ["h"]), "/attn/MatMul"),
      node("Relu", ["h"], ["r"]),
      named(node("MatMul", ["r", "onnx::MatMul_2"], ["i"]), "/attn/MatMul_1"),
      node("MatMul", ["i", "w"], ["y"]),
    ];
    const whole = graph({ "onnx::MatMul_1": drawn(8, 6), "onnx::MatMul_2": drawn(6, 5), w: drawn(5, 3) }, nodes);
    const groups = groupsOf(whole);
    const names = ["attn.weight", "attn.weight#2"];
    expect(namesOf(whole)).toEqual(names);
    expect([...floorsOf(groups, { keep: ["attn.*"] }).values()]).toEqual([6, 5]);
    const small = cut(
      whole,
      groups,
      new Map([
        ["attn.weight", [1, 2]],
        ["attn.weight#2", [0]],
      ]),
    ).graph;
    const again = decodeModel(encodeModel(modelOf(small))).graph;
    expect(groupsOf(again).groups.map(({ name, units }) => `${name} ${units.length}`)).toEqual([
      "attn.weight 4",
      "attn.weight#2 4",
    ]);
  });
});
