/** Small models of old opsets, one or more for every step in which an operator of the standard changed. */

import type { Dim, Graph, Model } from "../../src/graph/graph.ts";
import { float32, int64s, tensor, type DType, type Tensor } from "../../src/graph/tensor.ts";
import { f, floats, modelOf, node, noise, value } from "./support.ts";

export interface Case {
  readonly name: string;
  readonly opset: number;
  readonly nodes: Graph["nodes"];
  readonly shape: readonly Dim[];
  readonly initializers?: Readonly<Record<string, Tensor>>;
  readonly outputs?: readonly (readonly [name: string, dtype: DType])[];
  readonly info?: Graph["info"];
  /** Where the runtime has no kernel for the old form. */
  readonly unrun?: boolean;
  /** Operators of the upgraded model, in order. */
  readonly ops: readonly string[];
}

export const image = [1, 2, 6, 6];

export function modelFor({ opset, nodes, shape, initializers = {}, outputs = [["y", "float32"]], info }: Case): Model {
  return modelOf(opset, {
    nodes,
    inputs: [value("x", shape)],
    outputs: outputs.map(([name, dtype]) => value(name, undefined, dtype)),
    initializers: new Map(Object.entries(initializers)),
    ...(info && { info }),
  });
}

export const bn = Object.fromEntries(
  ["s", "b", "m", "v"].map((name, i) => [
    name,
    float32(
      [2],
      noise(2, i).map((x) => x + 1.5),
    ),
  ]),
);
export const bnInputs = ["x", "s", "b", "m", "v"];
export const two = float32([4], [1, 1, 2, 2]);

export const cases: readonly Case[] = [
  {
    name: "BatchNormalization 7",
    opset: 7,
    shape: image,
    initializers: bn,
    nodes: [node("BatchNormalization", bnInputs, ["y"], { spatial: 1 })],
    ops: ["BatchNormalization"],
  },
  {
    name: "BatchNormalization 7 of vectors, spatial = 0",
    opset: 8,
    shape: [3, 2],
    initializers: bn,
    nodes: [node("BatchNormalization", bnInputs, ["y"], { spatial: 0 })],
    ops: ["BatchNormalization"],
    unrun: true,
  },
  {
    name: "BatchNormalization 9",
    opset: 9,
    shape: image,
    initializers: bn,
    nodes: [node("BatchNormalization", bnInputs, ["y"], { epsilon: f(1e-3) })],
    ops: ["BatchNormalization"],
  },
  {
    name: "BatchNormalization 14",
    opset: 14,
    shape: image,
    initializers: bn,
    nodes: [node("BatchNormalization", bnInputs, ["y"])],
    ops: ["BatchNormalization"],
  },
  {
    name: "Dropout 7, mask unread",
    opset: 7,
    shape: [3, 4],
    nodes: [node("Dropout", ["x"], ["y", "mask"], { ratio: f(0.3) })],
    ops: ["Dropout"],
  },
  {
    name: "Dropout 10",
    opset: 10,
    shape: [3, 4],
    nodes: [node("Dropout", ["x"], ["y"])],
    ops: ["Dropout"],
  },
  {
    name: "Upsample 7",
    opset: 7,
    shape: image,
    nodes: [node("Upsample", ["x"], ["y"], { scales: floats(1, 1, 2, 1.5) })],
    ops: ["Resize"],
  },
  {
    name: "Upsample 9 nearest",
    opset: 9,
    shape: image,
    initializers: { s: float32([4], [1, 1, 1.5, 3]) },
    nodes: [node("Upsample", ["x", "s"], ["y"])],
    ops: ["Resize"],
  },
  {
    name: "Upsample 9 linear",
    opset: 9,
    shape: image,
    initializers: { s: two },
    nodes: [node("Upsample", ["x", "s"], ["y"], { mode: "linear" })],
    ops: ["Resize"],
  },
  {
    name: "Upsample 9, computed scales",
    opset: 9,
    shape: image,
    initializers: { a: two },
    nodes: [node("Add", ["a", "a"], ["aa"]), node("Sub", ["aa", "a"], ["s"]), node("Upsample", ["x", "s"], ["y"])],
    ops: ["Add", "Sub", "Resize"],
  },
  {
    name: "Resize 10 grows",
    opset: 10,
    shape: image,
    initializers: { s: float32([4], [1, 1, 1.7, 2]) },
    nodes: [node("Resize", ["x", "s"], ["y"])],
    ops: ["Resize"],
  },
  {
    name: "Resize 10 shrinks",
    opset: 10,
    shape: image,
    initializers: { s: float32([4], [1, 1, 0.4, 0.7]) },
    nodes: [node("Resize", ["x", "s"], ["y"])],
    ops: ["Resize"],
  },
  {
    name: "Resize 10 linear",
    opset: 10,
    shape: image,
    initializers: { s: float32([4], [1, 1, 0.7, 1.6]) },
    nodes: [node("Resize", ["x", "s"], ["y"], { mode: "linear" })],
    ops: ["Resize"],
  },
  {
    name: "Resize 11, empty roi",
    opset: 11,
    shape: image,
    initializers: { r: float32([0], []), s: two },
    nodes: [node("Resize", ["x", "r", "s"], ["y"], { mode: "cubic" })],
    ops: ["Resize"],
  },
  {
    name: "Resize 11, sizes",
    opset: 11,
    shape: image,
    initializers: { r: float32([0], []), z: int64s([1, 2, 9, 4]) },
    nodes: [node("Resize", ["x", "r", "r", "z"], ["y"])],
    ops: ["Resize"],
  },
  {
    name: "Resize 13, cubic of coordinates",
    opset: 13,
    shape: image,
    initializers: { s: float32([4], [1, 1, 1.5, 0.7]) },
    nodes: [
      node("Resize", ["x", "", "s"], ["y"], {
        mode: "cubic",
        exclude_outside: 1,
        coordinate_transformation_mode: "pytorch_half_pixel",
      }),
    ],
    ops: ["Resize"],
  },
  {
    name: "Resize 18, axes and antialias",
    opset: 18,
    shape: image,
    initializers: { z: int64s([4, 3]) },
    nodes: [node("Resize", ["x", "", "", "z"], ["y"], { mode: "linear", antialias: 1, axes: [2, 3] })],
    ops: ["Resize"],
  },
  ...[7, 22].map((opset): Case => ({
    name: `InstanceNormalization in opset ${opset}`,
    opset,
    shape: image,
    initializers: { s: float32([2], [2, 3]), b: float32([2], [0.5, -1]) },
    nodes: [node("InstanceNormalization", ["x", "s", "b"], ["y"], { epsilon: f(1e-3) })],
    ops: ["InstanceNormalization"],
  })),
  {
    name: "LayerNormalization 17",
    opset: 17,
    shape: [2, 3, 4],
    initializers: { s: float32([4], noise(4)), b: float32([4], noise(4, 2)) },
    nodes: [node("LayerNormalization", ["x", "s", "b"], ["y", "m", "i"], { epsilon: f(1e-3) })],
    outputs: [
      ["y", "float32"],
      ["m", "float32"],
      ["i", "float32"],
    ],
    ops: ["LayerNormalization"],
  },
  {
    name: "GroupNormalization 21",
    opset: 21,
    shape: [2, 4, 3],
    initializers: { s: float32([4], noise(4)), b: float32([4], noise(4, 2)) },
    nodes: [node("GroupNormalization", ["x", "s", "b"], ["y"], { num_groups: 2 })],
    ops: ["GroupNormalization"],
  },
  {
    name: "LpNormalization 1 and LRN 1",
    opset: 7,
    shape: image,
    nodes: [
      node("LpNormalization", ["x"], ["a"], { axis: 1, p: 1 }),
      node("LRN", ["a"], ["y"], { size: 3, alpha: f(0.5), bias: f(2) }),
    ],
    ops: ["LpNormalization", "LRN"],
  },
  {
    name: "MeanVarianceNormalization 9",
    opset: 9,
    shape: image,
    nodes: [node("MeanVarianceNormalization", ["x"], ["y"], { axes: [2, 3] })],
    ops: ["MeanVarianceNormalization"],
  },
  {
    name: "SpaceToDepth 1 and DepthToSpace 1, which knows no mode",
    opset: 7,
    shape: [1, 3, 4, 4],
    nodes: [
      node("SpaceToDepth", ["x"], ["a"], { blocksize: 2 }),
      node("Neg", ["a"], ["b"]),
      node("DepthToSpace", ["b"], ["y"], { blocksize: 2 }),
    ],
    ops: ["SpaceToDepth", "Neg", "DepthToSpace"],
  },
  {
    name: "DepthToSpace 11 of columns and rows",
    opset: 11,
    shape: [1, 8, 2, 3],
    nodes: [node("DepthToSpace", ["x"], ["y"], { blocksize: 2, mode: "CRD" })],
    ops: ["DepthToSpace"],
  },
  ...[10, 13, 19, 21].map((opset): Case => ({
    name: `QuantizeLinear and DequantizeLinear in opset ${opset}`,
    opset,
    shape: [2, 3, 4],
    initializers: {
      s: opset === 10 ? float32([], [0.02]) : float32([3], [0.01, 0.02, 0.03]),
      z: opset === 10 ? tensor("uint8", [], [9]) : tensor("int8", [3], [1, -2, 0]),
    },
    nodes: [node("QuantizeLinear", ["x", "s", "z"], ["q"]), node("DequantizeLinear", ["q", "s", "z"], ["y"])],
    ops: ["QuantizeLinear", "DequantizeLinear"],
  })),
  {
    name: "Slice 1",
    opset: 9,
    shape: image,
    nodes: [
      node("Slice", ["x"], ["y"], {
        starts: [1, -4],
        ends: [Number.MAX_SAFE_INTEGER, -1],
        axes: [2, 3],
      }),
    ],
    ops: ["Slice"],
  },
  {
    name: "Slice 1 without axes",
    opset: 7,
    shape: image,
    nodes: [node("Slice", ["x"], ["y"], { starts: [0, 1], ends: [1, 2] })],
    ops: ["Slice"],
  },
  {
    name: "Clip 6",
    opset: 7,
    shape: [3, 5],
    nodes: [node("Clip", ["x"], ["y"], { min: f(-0.25), max: f(0.5) })],
    ops: ["Clip"],
  },
  {
    name: "Clip 6, max only",
    opset: 10,
    shape: [3, 5],
    nodes: [node("Relu", ["x"], ["r"]), node("Clip", ["r"], ["y"], { max: f(0.5) })],
    ops: ["Relu", "Clip"],
  },
  {
    name: "Clip 6 of an unknown type",
    opset: 10,
    shape: [3, 5],
    nodes: [node("Sign", ["x"], ["d"]), node("Clip", ["d"], ["y"], { min: f(0) })],
    ops: ["Sign", "CastLike", "Clip"],
  },
  {
    name: "Pad 2",
    opset: 9,
    shape: [2, 3],
    nodes: [node("Pad", ["x"], ["y"], { pads: [1, 0, 2, 1], value: f(0.5) })],
    ops: ["Pad"],
  },
  {
    name: "Pad 2 reflect",
    opset: 10,
    shape: [2, 3],
    nodes: [node("Pad", ["x"], ["y"], { pads: [1, 1, 0, 2], mode: "reflect" })],
    ops: ["Pad"],
  },
  {
    name: "Split 2 in equal parts",
    opset: 9,
    shape: [4, 6],
    nodes: [node("Split", ["x"], ["y", "z"], { axis: 1 })],
    outputs: [
      ["y", "float32"],
      ["z", "float32"],
    ],
    ops: ["Split"],
  },
  {
    name: "Split 11 by sizes",
    opset: 11,
    shape: [4, 6],
    nodes: [node("Split", ["x"], ["y", "z"], { axis: -1, split: [1, 5] })],
    outputs: [
      ["y", "float32"],
      ["z", "float32"],
    ],
    ops: ["Split"],
  },
  {
    name: "Split 13 in equal parts",
    opset: 13,
    shape: [4, 6],
    nodes: [node("Split", ["x"], ["y", "z"])],
    outputs: [
      ["y", "float32"],
      ["z", "float32"],
    ],
    ops: ["Split"],
  },
  {
    name: "Squeeze and Unsqueeze 1",
    opset: 9,
    shape: [1, 3, 1],
    nodes: [node("Squeeze", ["x"], ["a"], { axes: [0] }), node("Unsqueeze", ["a"], ["y"], { axes: [1, 3] })],
    ops: ["Squeeze", "Unsqueeze"],
  },
  {
    name: "Squeeze 11 without axes",
    opset: 11,
    shape: [1, 3, 1],
    nodes: [node("Squeeze", ["x"], ["y"])],
    ops: ["Squeeze"],
  },
  {
    name: "ReduceSum 1 over all",
    opset: 9,
    shape: [2, 3, 4],
    nodes: [node("ReduceSum", ["x"], ["y"], { keepdims: 0 })],
    ops: ["ReduceSum"],
  },
  ...[
    "ReduceSum",
    "ReduceMean",
    "ReduceMax",
    "ReduceMin",
    "ReduceProd",
    "ReduceL1",
    "ReduceL2",
    "ReduceSumSquare",
    "ReduceLogSumExp",
  ].flatMap((op) =>
    [8, 12, 17].flatMap((opset): Case[] =>
      op === "ReduceSum" && opset > 12
        ? []
        : [
            {
              name: `${op} in opset ${opset}`,
              opset,
              shape: [2, 3, 4],
              nodes: [node(op, ["x"], ["y"], { axes: [0, 2], keepdims: 0 })],
              ops: [op],
            },
          ],
    ),
  ),
  {
    name: "ReduceLogSum 11",
    opset: 11,
    shape: [2, 3],
    nodes: [node("Exp", ["x"], ["e"]), node("ReduceLogSum", ["e"], ["y"], { axes: [-1] })],
    ops: ["Exp", "ReduceLogSum"],
  },
  ...["ReduceProd", "ReduceL2", "ReduceLogSumExp"].map((op): Case => ({
    name: `${op} in opset 7 over all, the axes not given`,
    opset: 7,
    shape: [2, 3],
    nodes: [node(op, ["x"], ["y"])],
    ops: [op],
  })),
  {
    name: "reductions that became wider in opsets 18 and 20",
    opset: 18,
    shape: [2, 3],
    initializers: { a: int64s([1]) },
    nodes: [
      node("ReduceMax", ["x", "a"], ["m"], { keepdims: 1 }),
      node("ReduceMin", ["m"], ["n"], { noop_with_empty_axes: 1 }),
      node("ReduceProd", ["n", "a"], ["y"], { keepdims: 0 }),
    ],
    ops: ["ReduceMax", "ReduceMin", "ReduceProd"],
  },
  ...[
    [7, "Acos"],
    [7, "Asin"],
    [7, "Atan"],
    [7, "Ceil"],
    [7, "Cos"],
    [7, "Floor"],
    [7, "Not", "bool"],
    [7, "Selu"],
    [7, "Sin"],
    [7, "Softsign"],
    [7, "Tan"],
    [9, "Acosh"],
    [9, "Asinh"],
    [9, "Atanh"],
    [9, "Cosh"],
    [9, "Erf"],
    [9, "IsNaN"],
    [9, "Sinh"],
    [10, "IsInf"],
    [10, "ThresholdedRelu"],
    [11, "Round"],
    [12, "Celu"],
    [18, "Mish"],
    [20, "Gelu"],
  ].map(([opset, op, of]): Case => {
    const isLogic = op === "Not" || op === "IsNaN" || op === "IsInf";
    const before = of === "bool" ? [node("Greater", ["x", "z"], ["c"])] : [];
    const after = isLogic ? [node("Cast", ["b"], ["y"], { to: 1 })] : [];
    return {
      name: `${op} in opset ${opset}`,
      opset: Number(opset),
      shape: [3, 5],
      initializers: of === "bool" ? { z: float32([3, 5], noise(15, 9)) } : {},
      nodes: [...before, node(String(op), [of === "bool" ? "c" : "x"], [isLogic ? "b" : "y"]), ...after],
      ops: [...before, { op: String(op) }, ...after].map(({ op }) => op),
    };
  }),
  ...["Max", "Min", "Mean", "Sum"].flatMap((op) =>
    [7, 8, 12].map((opset): Case => ({
      name: `${op} of three in opset ${opset}`,
      opset,
      shape: [2, 3],
      // Opset 7 has no broadcasting for them.
      initializers: {
        a: float32([2, 3], noise(6, 5)),
        b: opset === 7 ? float32([2, 3], noise(6, 7)) : float32([3], noise(3)),
      },
      nodes: [node(op, ["x", "a", "b"], ["y"])],
      ops: [op],
    })),
  ),
  ...["Greater", "Less", "Equal"].flatMap((op) =>
    [7, 9, 11].map((opset): Case => ({
      name: `${op} and logic in opset ${opset}`,
      opset,
      shape: [2, 3],
      initializers: { a: float32([3], noise(3)), z: float32([2, 3], noise(6, 3)) },
      nodes: [
        ...(op === "Equal"
          ? [node("Cast", ["x"], ["i"], { to: 6 }), node("Cast", ["a"], ["k"], { to: 6 }), node(op, ["i", "k"], ["p"])]
          : [node(op, ["x", "a"], ["p"])]),
        node("Less", ["x", "z"], ["q"]),
        node("And", ["p", "q"], ["r"]),
        node("Or", ["r", "q"], ["s"]),
        node("Xor", ["s", "p"], ["t"]),
        node("Cast", ["t"], ["y"], { to: 1 }),
      ],
      ops: [...(op === "Equal" ? ["Cast", "Cast"] : []), op, "Less", "And", "Or", "Xor", "Cast"],
    })),
  ),
  {
    name: "GreaterOrEqual and LessOrEqual 12",
    opset: 12,
    shape: [2, 3],
    initializers: { a: float32([3], noise(3)) },
    nodes: [
      node("GreaterOrEqual", ["x", "a"], ["p"]),
      node("LessOrEqual", ["x", "a"], ["q"]),
      node("Xor", ["p", "q"], ["t"]),
      node("Cast", ["t"], ["y"], { to: 1 }),
    ],
    ops: ["GreaterOrEqual", "LessOrEqual", "Xor", "Cast"],
  },
  {
    name: "Mod 10",
    opset: 10,
    shape: [2, 3],
    initializers: { a: float32([3], [0.3, -0.2, 0.4]) },
    nodes: [node("Mod", ["x", "a"], ["y"], { fmod: 1 })],
    ops: ["Mod"],
  },
  {
    name: "Pow 12 of an integer exponent",
    opset: 12,
    shape: [2, 3],
    initializers: { a: int64s([2]) },
    nodes: [node("Pow", ["x", "a"], ["y"])],
    ops: ["Pow"],
  },
  {
    name: "Clip 6 behind operators that keep the type",
    opset: 10,
    shape: [2, 3],
    nodes: [
      node("Sin", ["x"], ["a"]),
      node("ReduceL1", ["a"], ["b"], { axes: [0] }),
      node("Clip", ["b"], ["y"], { max: f(0.5) }),
    ],
    ops: ["Sin", "ReduceL1", "Clip"],
  },
  ...["Softmax", "LogSoftmax", "Hardmax"].flatMap((op): Case[] => [
    {
      name: `${op} of a matrix`,
      opset: 9,
      shape: [2, 5],
      nodes: [node(op, ["x"], ["y"])],
      ops: [op],
    },
    {
      name: `${op} over one wide axis`,
      opset: 9,
      shape: [2, 5, 1, 1],
      nodes: [node(op, ["x"], ["y"], { axis: 1 })],
      ops: [op],
    },
    {
      name: `${op} over several axes`,
      opset: 12,
      shape: [2, 3, 4],
      nodes: [node(op, ["x"], ["y"])],
      ops: ["Flatten", op, "Shape", "Reshape"],
    },
    {
      name: `${op} along the last axis`,
      opset: 11,
      shape: [2, 3, 4],
      nodes: [node(op, ["x"], ["y"], { axis: -1 })],
      ops: [op],
    },
    {
      name: `${op} of an undeclared shape`,
      opset: 12,
      shape: [2, 3, 4],
      nodes: [node("Neg", ["x"], ["n"]), node(op, ["n"], ["y"], { axis: -2 })],
      ops: ["Neg", "Flatten", op, "Shape", "Reshape"],
    },
  ]),
  {
    name: "TopK 1",
    opset: 9,
    shape: [2, 7],
    nodes: [node("TopK", ["x"], ["y", "i"], { k: 3 })],
    outputs: [
      ["y", "float32"],
      ["i", "int64"],
    ],
    ops: ["TopK"],
  },
  {
    name: "Scatter 9",
    opset: 9,
    shape: [3, 3],
    initializers: { i: tensor("int64", [1, 3], [2, 0, 1]), u: float32([1, 3], [7, 8, 9]) },
    nodes: [node("Scatter", ["x", "i", "u"], ["y"])],
    ops: ["ScatterElements"],
  },
  {
    name: "GridSample 16",
    opset: 16,
    shape: image,
    initializers: { g: float32([1, 3, 3, 2], noise(18)) },
    nodes: [node("GridSample", ["x", "g"], ["y"], { mode: "bicubic" })],
    ops: ["GridSample"],
  },
  { name: "DFT 17", opset: 17, shape: [1, 8, 1], nodes: [node("DFT", ["x"], ["y"])], ops: ["DFT"] },
  {
    name: "Gemm 7",
    opset: 7,
    shape: [2, 3],
    initializers: { w: float32([3, 4], noise(12)), c: float32([4], noise(4)) },
    nodes: [node("Gemm", ["x", "w", "c"], ["y"])],
    ops: ["Gemm"],
  },
  {
    name: "AveragePool 7 and MaxPool 8",
    opset: 9,
    shape: image,
    nodes: [
      // Signs, whose mean of 1, 2 or 4 is exact: the runtime sums in another order since opset 19.
      node("Sign", ["x"], ["s"]),
      node("AveragePool", ["s"], ["a"], { kernel_shape: [2, 2], pads: [1, 1, 0, 0] }),
      node("MaxPool", ["a"], ["y"], { kernel_shape: [2, 2], strides: [2, 2] }),
    ],
    ops: ["Sign", "AveragePool", "MaxPool"],
  },
  {
    name: "LSTM 7",
    opset: 7,
    shape: [4, 1, 3],
    initializers: { w: float32([1, 8, 3], noise(24)), r: float32([1, 8, 2], noise(16)) },
    nodes: [node("LSTM", ["x", "w", "r"], ["y"], { hidden_size: 2 })],
    ops: ["LSTM"],
  },
  {
    name: "GRU 7 and RNN 7",
    opset: 13,
    shape: [4, 1, 3],
    initializers: {
      w: float32([1, 6, 3], noise(18)),
      r: float32([1, 6, 2], noise(12)),
      v: float32([1, 4, 2], noise(8)),
      q: float32([1, 4, 4], noise(16)),
      one: int64s([1]),
    },
    nodes: [
      node("GRU", ["x", "w", "r"], ["h"], { hidden_size: 2, linear_before_reset: 1 }),
      node("Squeeze", ["h", "one"], ["s"]),
      node("RNN", ["s", "v", "q"], ["y"], { hidden_size: 4, direction: "reverse" }),
    ],
    ops: ["GRU", "Squeeze", "RNN"],
  },
  {
    name: "TopK 10",
    opset: 10,
    shape: [2, 7],
    initializers: { k: int64s([3]) },
    nodes: [node("TopK", ["x", "k"], ["y", "i"], { axis: 1 })],
    outputs: [
      ["y", "float32"],
      ["i", "int64"],
    ],
    ops: ["TopK"],
  },
  {
    name: "ArgMax 7, Tile 6 and OneHot 9",
    opset: 10,
    shape: [3, 5],
    initializers: {
      r: int64s([2]),
      d: int64s([5]),
      v: float32([2], [-1, 2]),
    },
    nodes: [
      node("ArgMax", ["x"], ["a"], { axis: 1, keepdims: 0 }),
      node("Tile", ["a", "r"], ["t"]),
      node("OneHot", ["t", "d", "v"], ["y"]),
    ],
    ops: ["ArgMax", "Tile", "OneHot"],
  },
  {
    name: "CumSum 11, NonZero 9 and Gather 1",
    opset: 11,
    shape: [3, 4],
    initializers: { a: tensor("int32", [], [1]), m: int64s([0, 2, 1]) },
    nodes: [
      node("CumSum", ["x", "a"], ["c"], { exclusive: 1 }),
      node("NonZero", ["m"], ["n"]),
      node("Gather", ["c", "n"], ["y"]),
    ],
    ops: ["CumSum", "NonZero", "Gather"],
  },
  {
    name: "Compress 9, ScatterND 11 and Einsum 12",
    opset: 12,
    shape: [3, 4],
    initializers: {
      c: tensor("bool", [3], [1, 0, 1]),
      i: tensor("int64", [1, 1], [1]),
      u: float32([1, 4], noise(4)),
    },
    nodes: [
      node("Compress", ["x", "c"], ["s"], { axis: 0 }),
      node("ScatterND", ["s", "i", "u"], ["t"]),
      node("Einsum", ["t", "x"], ["y"], { equation: "ij,kj->ik" }),
    ],
    ops: ["Compress", "ScatterND", "Einsum"],
  },
  {
    name: "Reshape, Where and Equal",
    opset: 9,
    shape: [2, 6],
    initializers: { s: int64s([3, -1]), z: float32([], [0]) },
    nodes: [
      node("Reshape", ["x", "s"], ["a"]),
      node("Greater", ["a", "z"], ["c"]),
      node("Where", ["c", "a", "z"], ["y"]),
    ],
    ops: ["Reshape", "Greater", "Where"],
  },
];
