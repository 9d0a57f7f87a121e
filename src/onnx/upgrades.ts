/** What changed in the operators of the ONNX standard from opset 8 to 23, as far as a node must change with it. */

import type { Node } from "../graph/graph.ts";
import { float32, int64s, sizeOf, take, toNumbers, type Shape } from "../graph/tensor.ts";
import { experiments } from "./upgrades-experimental.ts";
import {
  baseOf,
  beside,
  edit,
  float,
  floatsToInputs,
  int,
  int64List,
  intOf,
  ints,
  intsToInput,
  string,
  stringOf,
  upgradeTo,
  withInputs,
  withoutTraining,
  type Upgrade,
  type Upgrading,
} from "./upgrade-step.ts";

/** Every position by the numbers of its own, written by operators that broadcast over the batch. */
function normaliseEachPosition(node: Node, context: Upgrading): readonly Node[] {
  const [x = "", scale = "", B = "", mean = "", variance = ""] = node.inputs;
  if (context.dtype(x) !== "float32" || node.outputs.slice(1).some((name) => context.isUsed(name)))
    return context.refuse(node, "normalises every position by itself");
  const base = baseOf(node);
  const fresh = (what: string): string => context.fresh(`${base}_${what}`);
  const [centred, shifted, deviation] = [fresh("centred"), fresh("shifted"), fresh("deviation")];
  const [normed, scaled] = [fresh("normed"), fresh("scaled")];
  const epsilon = context.constant(float32([], [float(node, "epsilon") ?? 1e-5]), `${base}_epsilon`);
  return [
    beside("Sub", [x, mean], [centred]),
    beside("Add", [variance, epsilon], [shifted]),
    beside("Sqrt", [shifted], [deviation]),
    beside("Div", [centred, deviation], [normed]),
    beside("Mul", [normed, scale], [scaled]),
    { ...beside("Add", [scaled, B], node.outputs.slice(0, 1)), name: node.name },
  ];
}

const batchNormalization = [
  // 9 drops `spatial`: 0 had a mean for every position, which is one for every channel where there are no positions.
  upgradeTo(9, (node, context) => {
    if (int(node, "spatial") !== 0) return edit(node, ["spatial"]);
    const [data = "", scale = ""] = node.inputs;
    const rank = (context.initializer(scale)?.shape ?? context.shape(scale))?.length;
    if (rank === 1 || context.shape(data)?.length === 2) return edit(node, ["spatial"]);
    return rank === undefined
      ? context.refuse(node, "normalises every position by itself")
      : normaliseEachPosition(node, context);
  }),
  // 14 has `training_mode`, until then told by the number of outputs, and other outputs.
  upgradeTo(14, (node, context) => withoutTraining(node, 1, context)),
];

const dropout = [
  // 12 turns `ratio` into an input; 10 made the mask, which was of the type of the data, one of bool.
  upgradeTo(12, (node, context) => {
    const ratio = context.constant(float32([], [float(node, "ratio") ?? 0.5]), `${baseOf(node)}_ratio`);
    const [data = ""] = node.inputs;
    if (node.outputs.slice(1).some((name) => context.isUsed(name))) context.refuse(node, "has a mask that is read");
    return edit({ ...node, inputs: [data, ratio], outputs: node.outputs.slice(0, 1) }, ["ratio"]);
  }),
];

/** What Resize did before it could say how positions are mapped. */
const asymmetric = (nearest: "floor" | "ceil") => ({
  coordinate_transformation_mode: stringOf("asymmetric"),
  nearest_mode: stringOf(nearest),
});

const upsample = [
  // 9 turns `scales` into an input.
  upgradeTo(9, (node, context) => {
    const found = node.attributes["scales"];
    if (found?.type !== "floats") return context.refuse(node, "has no scales");
    const scales = context.constant(float32([found.value.length], found.value), `${baseOf(node)}_scales`);
    return edit({ ...node, inputs: [node.inputs[0] ?? "", scales] }, ["scales"]);
  }),
  // 10 replaces it by Resize, which says since 11 how positions are mapped. Upsample never shrinks.
  upgradeTo(11, (node) => ({
    ...edit(node, [], asymmetric("floor")),
    op: "Resize",
    inputs: [node.inputs[0] ?? "", "", node.inputs[1] ?? ""],
  })),
];

const resize = [
  // 11 has `roi` as the second input and says how positions are mapped: until then asymmetric, and for nearest
  // the runtime takes the floor where an axis grows and the ceiling where it shrinks.
  upgradeTo(11, (node, context) => {
    const [data = "", scales = ""] = node.inputs;
    const known = context.initializer(scales);
    const sizes = known && toNumbers(known);
    const shrinks = sizes?.some((scale) => scale < 1) ?? false;
    if ((string(node, "mode") ?? "nearest") === "nearest") {
      if (!sizes) return context.refuse(node, "takes the nearest element with scales that are computed");
      if (shrinks && sizes.some((scale) => scale > 1))
        context.refuse(node, "takes the nearest element, grows one axis and shrinks another");
    }
    return edit({ ...node, inputs: [data, "", scales] }, [], asymmetric(shrinks ? "ceil" : "floor"));
  }),
  // 13 drops a coordinate mode and lets `roi` and `scales` be left out, which were empty tensors until then.
  upgradeTo(13, (node, context) => {
    if (string(node, "coordinate_transformation_mode") === "tf_half_pixel_for_nn")
      context.refuse(node, 'has the coordinate_transformation_mode "tf_half_pixel_for_nn"');
    const isEmpty = (name: string, i: number): boolean =>
      (i === 1 || i === 2) && context.initializer(name)?.shape.includes(0) === true;
    return withInputs(
      node,
      node.inputs.map((name, i) => (isEmpty(name, i) ? "" : name)),
    );
  }),
];

const slice = [
  // 10 turns `starts`, `ends` and `axes` into inputs.
  upgradeTo(10, (node, context) => {
    const inputs = ["starts", "ends", "axes"].map((attribute) => {
      const values = ints(node, attribute);
      return values ? context.constant(int64List(values, node), `${baseOf(node)}_${attribute}`) : "";
    });
    return withInputs(edit(node, ["starts", "ends", "axes"]), [node.inputs[0] ?? "", ...inputs]);
  }),
];

const clip = [
  // 11 turns `min` and `max` into inputs.
  upgradeTo(11, (node, context) => floatsToInputs(node, { min: 1, max: 2 }, context)),
];

const pad = [
  // 11 turns `pads` and `value` into inputs.
  upgradeTo(11, (node, context) => {
    const padded = intsToInput("pads", 1)(node, context) as Node;
    return float(node, "value") === 0 ? edit(padded, ["value"]) : floatsToInputs(padded, { value: 2 }, context);
  }),
];

const split = [
  // 13 turns `split` into an input.
  upgradeTo(13, intsToInput("split", 1)),
  // 18 wants `num_outputs` where the sizes are not given.
  upgradeTo(18, (node) =>
    node.inputs[1]
      ? node
      : {
          ...edit(node, [], { num_outputs: intOf(node.outputs.length) }),
          inputs: node.inputs.slice(0, 1),
        },
  ),
];

// 13 turns `axes` into an input; for the other reductions it is 18.
const axes13 = [upgradeTo(13, intsToInput("axes", 1))];
const axes18 = [upgradeTo(18, intsToInput("axes", 1))];

/** The one axis that an operator over all axes from `axis` on works along; -1 where the shape does not tell. */
function soleAxis(shape: Shape | readonly (number | string)[] | undefined, axis: number): number {
  if (!shape || shape.length === 0) return -1;
  const from = axis < 0 ? axis + shape.length : axis;
  const wide = shape.map((_, i) => i).filter((i) => i >= from && shape[i] !== 1);
  if (from >= shape.length || wide.length > 1) return -1;
  return wide[0] ?? shape.length - 1;
}

const softmax = [
  // 13 works along one axis; until then along all from `axis` on, as if they were one.
  upgradeTo(13, (node, context) => {
    const axis = int(node, "axis") ?? 1;
    const [data = ""] = node.inputs;
    const sole = soleAxis(context.shape(data) ?? context.shape(node.outputs[0] ?? ""), axis);
    if (sole >= 0) return edit(node, ["axis"], { axis: intOf(sole) });
    const fresh = (what: string): string => context.fresh(`${baseOf(node)}_${what}`);
    const [flat, done, shape] = [fresh("flat"), fresh("flat_out"), fresh("shape")];
    return [
      beside("Flatten", [data], [flat], { axis: intOf(axis) }),
      edit({ ...node, inputs: [flat], outputs: [done] }, ["axis"], { axis: intOf(1) }),
      beside("Shape", [data], [shape]),
      // Reshape has `allowzero` since 14 only, but the model becomes one of the
      // internal opset; no axis is copied then.
      beside("Reshape", [done, shape], node.outputs, { allowzero: intOf(1) }),
    ];
  }),
];

const topK = [
  // 10 turns `k` into an input.
  upgradeTo(10, (node, context) => {
    const k = int(node, "k") ?? context.refuse(node, "has no k");
    const inputs = [node.inputs[0] ?? "", context.constant(int64s([k]), `${baseOf(node)}_k`)];
    return edit({ ...node, inputs }, ["k"]);
  }),
];

// 11 renames Scatter.
const scatter = [upgradeTo(11, (node) => ({ ...node, op: "ScatterElements" }))];

const scan = [
  // 9 takes the batch axis away.
  upgradeTo(9, (node, context) => context.refuse(node, "scans batches, which later opsets do not")),
];

const roiAlign = [
  // 16 shifts positions by half a pixel unless it is told not to.
  upgradeTo(16, (node) => edit(node, [], { coordinate_transformation_mode: stringOf("output_half_pixel") })),
];

const gridSample = [
  // 20 renames the modes.
  upgradeTo(20, (node) => {
    const mode = string(node, "mode") ?? "bilinear";
    const value = mode === "bilinear" ? "linear" : mode === "bicubic" ? "cubic" : mode;
    return edit(node, ["mode"], { mode: stringOf(value) });
  }),
];

const dft = [
  // 20 turns `axis` into an input with another default.
  upgradeTo(20, (node, context) => {
    const axis = context.constant(
      { dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(int(node, "axis") ?? 1)) },
      `${baseOf(node)}_axis`,
    );
    return edit({ ...node, inputs: [node.inputs[0] ?? "", node.inputs[1] ?? "", axis] }, ["axis"]);
  }),
];

const groupNormalization = [
  // 21 has a scale and a bias for every channel; until then for every group.
  upgradeTo(21, (node, context) => {
    const [data = "", ...names] = node.inputs;
    const channels = context.shape(data)?.[1] ?? context.shape(node.outputs[0] ?? "")?.[1];
    if (typeof channels !== "number")
      return context.refuse(node, "has a number of channels that the model does not declare");
    const inputs = names.map((name) => {
      const value = context.initializer(name) ?? context.refuse(node, `computes its scale or bias "${name}"`);
      const groups = sizeOf(value.shape);
      if (groups === 0 || value.shape.length !== 1 || channels % groups !== 0)
        context.refuse(node, `has ${channels} channels in ${groups} groups`);
      const each = Array.from({ length: channels }, (_, i) => Math.floor((i * groups) / channels));
      return context.constant(take(value, 0, each), `${name}_channels`);
    });
    return { ...node, inputs: [data, ...inputs] };
  }),
];

/** For every operator its changes, oldest first. What is not here means in opset 23 what it meant in 7. */
export const upgrades: Readonly<Record<string, readonly Upgrade[] | undefined>> = {
  ...experiments,
  BatchNormalization: batchNormalization,
  Clip: clip,
  DFT: dft,
  Dropout: dropout,
  GridSample: gridSample,
  GroupNormalization: groupNormalization,
  Hardmax: softmax,
  LogSoftmax: softmax,
  Pad: pad,
  ReduceL1: axes18,
  ReduceL2: axes18,
  ReduceLogSum: axes18,
  ReduceLogSumExp: axes18,
  ReduceMax: axes18,
  ReduceMean: axes18,
  ReduceMin: axes18,
  ReduceProd: axes18,
  ReduceSum: axes13,
  ReduceSumSquare: axes18,
  Resize: resize,
  RoiAlign: roiAlign,
  Scan: scan,
  Scatter: scatter,
  Slice: slice,
  Softmax: softmax,
  Split: split,
  Squeeze: axes13,
  TopK: topK,
  Unsqueeze: axes13,
  Upsample: upsample,
};
