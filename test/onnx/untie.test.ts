/** Weights that exporters made one because they were equal, and weights that a model computes with twice. */

import { describe, expect, it } from "vitest";
import { isMadeUp, moduleOf } from "../../src/onnx/modules.ts";
import { untie } from "../../src/onnx/untie.ts";
import type { Graph, Node } from "../../src/graph/graph.ts";
import { float32, sizeOf, tensor, type Shape, type Tensor } from "../../src/graph/tensor.ts";
import { graphOf, node, noise, value } from "./support.ts";

const ones = (...shape: number[]): Tensor => float32(shape, new Float32Array(sizeOf(shape)).fill(1));
const drawn = (...shape: number[]): Tensor => float32(shape, noise(sizeOf(shape)));

/** As torch's newer exporter notes where a node comes from. */
const from = (made: Node, module: string, call: string): Node => ({
  ...made,
  metadata: {
    "pkg.torch.onnx.name_scopes": `['', '${module}', '${call.split(" ")[0]}']`,
    "pkg.torch.onnx.fx_node": `%n : [num_users=1] = call_function[target=aten](args = (%x, ${call
      .split(" ")
      .slice(1)
      .map((name) => `%${name}`)
      .join(", ")}), kwargs = {})`,
  },
});
/** As its older exporter names nodes. */
const named = (made: Node, name: string): Node => ({ ...made, name });

const graph = (initializers: Record<string, Tensor>, nodes: readonly Node[], shape: Shape = [2, 8]): Graph =>
  graphOf({
    inputs: [value("x", shape), value("u", shape)],
    outputs: [value(nodes.at(-1)!.outputs[0]!)],
    initializers: new Map(Object.entries(initializers)),
    nodes,
  });

/** For each node the weights that it reads. */
const weightsOf = ({ nodes, initializers }: Graph): string[] =>
  nodes.map(({ inputs }) => inputs.filter((name) => initializers.has(name)).join());

describe("what one exporter merged, by the parameters that it notes", () => {
  it("norms with equal scales get their own, named as their modules are", () => {
    const merged = graph({ "b.norm.weight": ones(8), "b.norm.bias": float32([8], new Float32Array(8)) }, [
      from(
        node("LayerNormalization", ["x", "b.norm.weight", "b.norm.bias"], ["h"]),
        "a.norm",
        "norm p_a_norm_weight p_a_norm_bias",
      ),
      from(
        node("LayerNormalization", ["h", "b.norm.weight", "b.norm.bias"], ["y"]),
        "b.norm",
        "norm p_b_norm_weight p_b_norm_bias",
      ),
    ]);
    const own = untie(merged);
    expect(weightsOf(own)).toEqual(["a.norm.weight,a.norm.bias", "b.norm.weight,b.norm.bias"]);
    expect(own.initializers.get("a.norm.weight")).toEqual(ones(8));
    expect(own.initializers.get("a.norm.weight")!.data).not.toBe(own.initializers.get("b.norm.weight")!.data);
  });

  it("a scale and a variance of ones get their own in one node, and two calls of it share both", () => {
    const call = "bn p_bn_weight p_bn_bias b_bn_running_mean b_bn_running_var";
    const merged = graph({ one: ones(8), zero: float32([8], new Float32Array(8)) }, [
      from(node("BatchNormalization", ["x", "one", "zero", "zero", "one"], ["a"]), "bn", call),
      from(node("BatchNormalization", ["u", "one", "zero", "zero", "one"], ["b"]), "bn", call),
      node("Add", ["a", "b"], ["y"]),
    ]);
    const [first, second] = weightsOf(untie(merged));
    expect(new Set(first!.split(",")).size).toBe(4);
    expect(second).toBe(first);
  });

  it("the layers of one recurrent module get their own initial states, and two calls of it share them", () => {
    const call = "lstm p_l_weight_ih_l0 p_l_weight_hh_l0 p_l_weight_ih_l1 p_l_weight_hh_l1";
    const zero = float32([1, 2, 2], new Float32Array(4));
    const layer = (x: string, layer: number, made: string): Node =>
      from(node("LSTM", [x, `w${layer}`, `r${layer}`, "", "", "zero", "zero"], [made]), "l", call);
    const weights = { w0: drawn(1, 8, 8), r0: drawn(1, 8, 2), w1: drawn(1, 8, 2), r1: drawn(1, 8, 2), zero };
    const [first, second, again] = weightsOf(
      untie(graph(weights, [layer("x", 0, "a"), layer("a", 1, "b"), layer("u", 0, "y")])),
    );
    const own = [...first!.split(","), ...second!.split(",")];
    expect(new Set(own).size).toBe(8);
    expect(again).toBe(first);
  });

  it("equal fresh layers get their own; a layer that several modules hold stays one", () => {
    const layers = (parameters: readonly string[]): Graph =>
      graph({ w: drawn(8, 8), b: drawn(8) }, [
        from(node("MatMul", ["x", "w"], ["a"]), "l.0", `linear p_${parameters[0]}_weight`),
        from(node("Add", ["a", "b"], ["c"]), "l.0", `linear p_${parameters[0]}_weight p_${parameters[0]}_bias`),
        from(node("MatMul", ["c", "w"], ["d"]), "l.1", `linear_1 p_${parameters[1]}_weight`),
        from(node("Add", ["d", "b"], ["y"]), "l.1", `linear_1 p_${parameters[1]}_weight p_${parameters[1]}_bias`),
      ]);
    expect(weightsOf(untie(layers(["l_0", "l_1"])))).toEqual(["w", "b", "w_1", "b_1"]);
    const shared = layers(["l_1", "l_1"]);
    expect(untie(shared)).toBe(shared);
  });

  it("an embedding that is read backwards at the end stays one", () => {
    const tied = graph({ e: drawn(20, 8) }, [
      from(node("Gather", ["e", "x"], ["a"]), "emb", "embedding p_e_weight"),
      from(node("Transpose", ["e"], ["t"], { perm: [1, 0] }), "head", "linear p_e_weight"),
      from(node("MatMul", ["a", "t"], ["y"]), "head", "linear p_e_weight"),
    ]);
    expect(untie(tied)).toBe(tied);
  });

  it("what is computed from an equal weight once is computed for each", () => {
    const merged = graph({ w: float32([8], new Float32Array(8)), one: float32([], [1]) }, [
      node("Add", ["w", "one"], ["s"]),
      from(node("Mul", ["x", "s"], ["a"]), "n.0", "mul p_n_0_weight"),
      from(node("Mul", ["a", "s"], ["y"]), "n.1", "mul p_n_1_weight"),
    ]);
    const own = untie(merged);
    expect(own.nodes.map(({ op, inputs, outputs }) => `${op}(${inputs.join()}) -> ${outputs.join()}`)).toEqual([
      "Add(w,one) -> s",
      "Add(w_1,one) -> s_1",
      "Mul(x,s) -> a",
      "Mul(a,s_1) -> y",
    ]);
  });
});

describe("what the other exporter merged by Identity", () => {
  it("bears its own name where it is another parameter", () => {
    const merged = graph({ "n.weight": drawn(8) }, [
      node("Identity", ["n.weight"], ["m.weight"]),
      named(node("Mul", ["x", "n.weight"], ["a"]), "/n/Mul"),
      named(node("Mul", ["a", "m.weight"], ["y"]), "/m/Mul"),
    ]);
    expect(weightsOf(untie(merged))).toEqual(["n.weight", "m.weight"]);
  });

  it.each([
    ["a layer that is called again", "/l/lin/MatMul", "/l/lin_1/MatMul", ["onnx::MatMul_7", "onnx::MatMul_7"]],
    ["a copy of a layer", "/l.0/lin/MatMul", "/l.1/lin/MatMul", ["onnx::MatMul_7", "onnx::MatMul_9"]],
    ["layers that are numbered", "/lin_1/MatMul", "/lin_2/MatMul", ["onnx::MatMul_7", "onnx::MatMul_9"]],
    ["two products of one module", "/l/MatMul", "/l/MatMul_1", ["onnx::MatMul_7", "onnx::MatMul_9"]],
  ])("%s is told by the names of nodes", (_, one, other, weights) => {
    const merged = graph({ "onnx::MatMul_7": drawn(8, 8) }, [
      node("Identity", ["onnx::MatMul_7"], ["onnx::MatMul_9"]),
      named(node("MatMul", ["x", "onnx::MatMul_7"], ["a"]), one),
      named(node("MatMul", ["a", "onnx::MatMul_9"], ["y"]), other),
    ]);
    expect(weightsOf(untie(merged))).toEqual(weights);
  });
});

describe("what says nothing of where it comes from", () => {
  const branches = (second: string, scale: Tensor): Graph =>
    graph({ w: drawn(8, 8), v: float32([8, 8], noise(64, 2)), s: scale }, [
      node("MatMul", ["x", "w"], ["a"]),
      node("Relu", ["a"], ["b"]),
      node("Mul", ["b", "s"], ["c"]),
      node("MatMul", ["u", second], ["d"]),
      node("Relu", ["d"], ["e"]),
      node("Mul", ["e", "s"], ["f"]),
      node("Sub", ["c", "f"], ["y"]),
    ]);

  it("a vector of ones is one behind a layer that is applied twice", () => {
    expect(weightsOf(untie(branches("w", ones(8))))).toEqual(["w", "", "s", "w", "", "s", ""]);
  });

  it("and is each layer's own behind two layers", () => {
    expect(weightsOf(untie(branches("v", ones(8))))).toEqual(["w", "", "s", "v", "", "s_1", ""]);
  });

  it("numbers that are not all the same are not equal by chance", () => {
    const shared = branches("v", drawn(8));
    expect(untie(shared)).toBe(shared);
  });

  it("zero points of zeros tie nothing; sizes and single numbers stay as they are", () => {
    const zero = tensor("int8", [8], new Int8Array(8));
    const shared = graph({ a: tensor("int8", [4, 8], new Int8Array(32).fill(3)), zero, s: ones(8), k: ones() }, [
      node("DequantizeLinear", ["a", "s", "zero"], ["w"]),
      node("MatMul", ["x", "w"], ["h"]),
      node("Mul", ["h", "k"], ["i"]),
      node("DequantizeLinear", ["a", "s", "zero"], ["v"]),
      node("Mul", ["i", "v"], ["j"]),
      node("Mul", ["j", "k"], ["y"]),
    ]);
    const [one, , scaled, other, , again] = weightsOf(untie(shared));
    expect(one).toBe("a,s,zero");
    expect(other!.split(",").every((name) => !one!.split(",").includes(name))).toBe(true);
    expect([scaled, again]).toEqual(["k", "k"]);
  });

  it("an output and what a body reads keep their names and stay one", () => {
    const w = ones(8);
    const whole = graph({ w }, [
      node("Mul", ["x", "w"], ["a"]),
      node("Mul", ["a", "w"], ["b"]),
      node("Identity", ["b"], ["y"]),
    ]);
    const shared = { ...whole, outputs: [...whole.outputs, value("w")] };
    expect(untie(shared)).toBe(shared);
  });
});

describe("names", () => {
  it("of modules are read from nodes of both exporters", () => {
    const name = (path: string): string | undefined => moduleOf({ ...node("Conv", [], []), name: path });
    expect(name("/encoder/layers.0/linear1/MatMul")).toBe("encoder.layers.0.linear1");
    expect(name("/layer1/layer1.0/conv1/Conv")).toBe("layer1.0.conv1");
    expect(name("/features/features.0/features.0.1/Conv")).toBe("features.0.1");
    expect([name("/Conv"), name("Conv_3"), name("")]).toEqual([undefined, undefined, undefined]);
    expect(moduleOf(from(node("Conv", [], []), "a.b", "conv p_w"))).toBe("a.b");
    expect(moduleOf({ ...node("Add", [], []), metadata: { "pkg.torch.onnx.name_scopes": "['', 'add']" } })).toBe(
      undefined,
    );
  });

  it("that exporters make up are told from those of programs", () => {
    for (const name of ["val_155", "onnx::MatMul_2151", "42", "t_12", "/conv/Constant_output_0", "const_3"])
      expect(isMadeUp(name), name).toBe(true);
    for (const name of ["conv1.weight", "w", "fc", "weight", "layer_1", "transposed.weight", "b.0.bias"])
      expect(isMadeUp(name), name).toBe(false);
  });
});
