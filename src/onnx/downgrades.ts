/**
 * What a node must change from opset 23 back to 7, for each operator of the ONNX standard: the mirror of the upgrades.
 */

import type { Node } from "../graph/graph.ts";
import { float32 } from "../graph/tensor.ts";
import {
  downgradeFrom,
  fromFront,
  inputToFloat,
  isFloat,
  numbersAt,
  withoutInput,
  type Downgrade,
  type Downgrading,
} from "./downgrade-step.ts";
import { downgradesOfImages } from "./downgrades-images.ts";
import { downgradesOfLayouts } from "./downgrades-layouts.ts";
import { codeOf } from "./proto.ts";
import { baseOf, beside, edit, int, intOf, ints, intsOf, string, withInputs } from "./upgrade-step.ts";

const dropout = [
  // Until 12 `ratio` was an attribute, and nothing was dropped.
  downgradeFrom(12, (node, context) => {
    if ((node.inputs[2] ?? "") !== "") {
      const [training] = numbersAt(node, 2, context) ?? [];
      if (training !== 0) context.needs();
    }
    if (node.outputs.slice(1).some((name) => context.isUsed(name))) context.needs();
    return edit(inputToFloat(withoutInput(node, 2), 1, "ratio", context), ["seed"]);
  }),
];

const clip = [
  // Until 11 `min` and `max` were attributes, and elements were floats.
  downgradeFrom(11, (node, context) => {
    if (!isFloat(node, context)) context.needs();
    return inputToFloat(inputToFloat(node, 2, "max", context), 1, "min", context);
  }),
];

const reduction = (since: number) => [
  // Until then `axes` was an attribute, and no axes always meant all.
  downgradeFrom(since, (node, context) => {
    const axes = numbersAt(node, 1, context) ?? [];
    const none = axes.length === 0;
    if (none && int(node, "noop_with_empty_axes") === 1)
      return { ...withInputs(node, node.inputs.slice(0, 1)), op: "Identity", attributes: {} };
    const bare = edit(withoutInput(node, 1), ["axes", "noop_with_empty_axes"]);
    return none ? bare : edit(bare, [], { axes: intsOf(axes) });
  }),
];

const softmax = [
  // Until 13 it worked along all axes from `axis` on, as if they were one.
  downgradeFrom(13, (node, context) => {
    const axis = int(node, "axis") ?? -1;
    const [data = ""] = node.inputs;
    const output = node.outputs[0] ?? "";
    const rank = context.rank(data) ?? context.rank(output);
    if (rank === undefined) {
      // The last axis alone is the last axis however they are counted; from the back since 11.
      if (axis !== -1 || context.to < 11) context.needs();
      return edit(node, ["axis"], { axis: intOf(-1) });
    }
    const at = fromFront(axis, rank)!;
    const shape = context.shape(data) ?? context.shape(output);
    const isLast = at === rank - 1 || shape?.slice(at + 1).every((size) => size === 1) === true;
    if (isLast) return edit(node, ["axis"], { axis: intOf(at) });
    const axes = Array.from({ length: rank }, (_, i) => i);
    const perm = axes.with(at, rank - 1).with(rank - 1, at);
    const base = baseOf(node);
    const [turned, done] = [context.fresh(`${base}_turned`), context.fresh(`${base}_turned_out`)];
    return [
      beside("Transpose", [data], [turned], { perm: intsOf(perm) }),
      edit({ ...node, inputs: [turned], outputs: [done] }, ["axis"], { axis: intOf(rank - 1) }),
      beside("Transpose", [done], node.outputs, { perm: intsOf(perm) }),
    ];
  }),
];

const castLike = [
  // Until 15 the type had to be named.
  downgradeFrom(15, (node, context) => {
    const dtype = context.dtype(node.inputs[1] ?? "") ?? context.needs();
    return edit({ ...withInputs(node, node.inputs.slice(0, 1)), op: "Cast" }, [], { to: intOf(codeOf(dtype)) });
  }),
];

const gemm = [
  // Until 11 C had to be there.
  downgradeFrom(11, (node, context) => {
    if ((node.inputs[2] ?? "") !== "") return node;
    if (context.dtype(node.inputs[0] ?? "") !== "float32") return context.needs();
    const zero = context.constant(float32([1], [0]), `${baseOf(node)}_C`);
    return { ...node, inputs: [...node.inputs.slice(0, 2), zero] };
  }),
];

/** Until 12 the exponent was of the type of the base, and both were floats. */
const pow = [
  downgradeFrom(12, (node, context) => {
    const [base, exponent] = node.inputs.map((name) => context.dtype(name));
    if (context.from < 12 || (base !== undefined && base === exponent)) return node;
    if (base === undefined || !isFloat(node, context)) return context.needs();
    const cast = context.fresh(`${baseOf(node)}_exponent`);
    const to = { to: intOf(codeOf(base)) };
    return [beside("Cast", node.inputs.slice(1), [cast], to), { ...node, inputs: [node.inputs[0] ?? "", cast] }];
  }),
];

/** Until 8 the inputs had to be of one shape. */
const broadcasts = [
  downgradeFrom(8, (node, context) => {
    const shapes = node.inputs.map((name) => context.shape(name)?.join());
    return context.from < 8 || (shapes[0] !== undefined && shapes.every((one) => one === shapes[0]))
      ? node
      : context.needs();
  }),
];

/** Until 13 a tensor had one scale. */
const quantize = [
  downgradeFrom(13, (node, context) => {
    const [, scale = ""] = node.inputs;
    const sizes = context.initializer(scale)?.shape ?? context.shape(scale) ?? context.needs();
    return sizes.length === 0 ? edit(node, ["axis"]) : context.needs();
  }),
];

/** Until 11 it was called Scatter. */
const scatterElements = [
  downgradeFrom(18, (node, context) =>
    ["max", "min"].includes(string(node, "reduction") ?? "none") ? context.needs() : node,
  ),
  downgradeFrom(11, (node) => ({ ...node, op: "Scatter" })),
];

const dft = [
  // Until 20 `axis` was an attribute with another default.
  downgradeFrom(20, (node, context) => {
    const [axis = -2] = numbersAt(node, 2, context) ?? [];
    const at = fromFront(axis, context.rank(node.inputs[0] ?? "")) ?? context.needs();
    return edit(withoutInput(node, 2), [], { axis: intOf(at) });
  }),
];

const constant = [
  // Until 12 it held a tensor.
  downgradeFrom(12, (node, context) => {
    const value = context.initializer(node.outputs[0] ?? "");
    return value ? { ...node, attributes: { value: { type: "tensor", value } } } : context.needs();
  }),
];

/** 24 has a mask that is shorter than what it masks, which 23 would repeat along that axis. */
const attention = [
  downgradeFrom(24, (node, context) => (context.shape(node.inputs[3] ?? "")?.at(-1) === 1 ? context.needs() : node)),
];

/** For every operator its changes, newest first. Attributes and inputs that were only added are in history.ts. */
export const downgrades: Readonly<Record<string, readonly Downgrade[] | undefined>> = {
  ...downgradesOfImages,
  ...downgradesOfLayouts,
  Attention: attention,
  CastLike: castLike,
  Clip: clip,
  Constant: constant,
  DFT: dft,
  DequantizeLinear: quantize,
  Dropout: dropout,
  Gemm: gemm,
  Hardmax: softmax,
  LogSoftmax: softmax,
  Max: broadcasts,
  Mean: broadcasts,
  Min: broadcasts,
  Pow: pow,
  QuantizeLinear: quantize,
  ReduceL1: reduction(18),
  ReduceL2: reduction(18),
  ReduceLogSum: reduction(18),
  ReduceLogSumExp: reduction(18),
  ReduceMax: reduction(18),
  ReduceMean: reduction(18),
  ReduceMin: reduction(18),
  ReduceProd: reduction(18),
  ReduceSum: reduction(13),
  ReduceSumSquare: reduction(18),
  ScatterElements: scatterElements,
  ScatterND: scatterElements.slice(0, 1),
  Softmax: softmax,
  Sum: broadcasts,
};

/** Operators whose attributes may count axes from the back since opset 11 only, as the standard has it. */
export const fromTheBack: readonly string[] = (
  "ArgMax ArgMin Compress Concat Flatten Gather Hardmax LogSoftmax OneHot ReduceL1 ReduceL2 ReduceLogSum " +
  "ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Softmax Split Squeeze TopK " +
  "Unsqueeze"
).split(" ");

/** A node with its axes counted from the front. */
export function countFromFront(node: Node, context: Downgrading): Node {
  const [axis, axes] = [int(node, "axis"), ints(node, "axes")];
  if (!(axis !== undefined && axis < 0) && !axes?.some((one) => one < 0)) return node;
  // Unsqueeze counts the axes of its output.
  const [data = ""] = node.inputs;
  const rank = node.op === "Unsqueeze" ? (context.rank(data) ?? context.needs()) + axes!.length : context.rank(data);
  const front = (one: number): number => fromFront(one, rank) ?? context.needs();
  return edit(node, [], {
    ...(axis !== undefined && { axis: intOf(front(axis)) }),
    ...(axes && { axes: intsOf(axes.map(front)) }),
  });
}
