/** The steps back of the operators on images. */

import type { Node } from "../graph/graph.ts";
import { float32, int64s, take, toNumbers, type Tensor } from "../graph/tensor.ts";
import { constantAt, downgradeFrom, numbersAt, type Downgrade, type Downgrading } from "./downgrade-step.ts";
import { baseOf, beside, edit, int, intOf, ints, string, stringOf, withInputs } from "./upgrade-step.ts";

const modeOf = (node: Node): string => string(node, "mode") ?? "nearest";
const mapping = (node: Node): string => string(node, "coordinate_transformation_mode") ?? "half_pixel";
const nearest = (node: Node): string => string(node, "nearest_mode") ?? "round_prefer_floor";

/** A list for some axes as one for all. */
function spreadOver(
  node: Node,
  index: number,
  axes: readonly number[],
  whole: readonly number[],
  make: (values: number[]) => Tensor,
  context: Downgrading,
): Node {
  const given = numbersAt(node, index, context);
  if (given === undefined) return node;
  const values = [...whole];
  axes.forEach((axis, i) => (values[axis] = given[i]!));
  const name = context.constant(make(values), `${baseOf(node)}_${index === 2 ? "scales" : "sizes"}`);
  return { ...node, inputs: node.inputs.with(index, name) };
}

/** Resize that names axes, as one of all axes. */
function overAllAxes(node: Node, context: Downgrading): readonly Node[] {
  const given = ints(node, "axes");
  if (given === undefined) return [node];
  const [data = "", roi = ""] = node.inputs;
  const rank = context.shape(data)?.length ?? context.rank(data) ?? context.needs();
  const shape = context.shape(data) ?? Array.from({ length: rank }, () => undefined);
  if (roi !== "" && context.initializer(roi)?.shape.includes(0) !== true) context.needs();
  const axes = given.map((axis) => (axis < 0 ? axis + rank : axis));
  const ones = shape.map(() => 1);
  const scaled = spreadOver(node, 2, axes, ones, (values) => float32([values.length], values), context);
  if ((node.inputs[3] ?? "") === "") return [edit(scaled, ["axes"])];
  const isKnown = shape.every((size, axis) => axes.includes(axis) || typeof size === "number");
  if (!isKnown) return withAskedSizes(edit(scaled, ["axes"]), axes, rank, context);
  return [edit(spreadOver(scaled, 3, axes, shape.map(Number), int64s, context), ["axes"])];
}

/** Resize whose sizes are given for some axes, with those of the others asked of its input while it runs. */
function withAskedSizes(node: Node, axes: readonly number[], rank: number, context: Downgrading): readonly Node[] {
  const given = numbersAt(node, 3, context)!;
  const base = baseOf(node);
  const list = (values: readonly number[], what: string): string => context.constant(int64s(values), `${base}_${what}`);
  const shape = context.fresh(`${base}_shape`);
  const nodes = [beside("Shape", node.inputs.slice(0, 1), [shape])];
  const each = Array.from({ length: rank }, (_, axis) => {
    const at = axes.indexOf(axis);
    if (at >= 0) return list([given[at]!], "size");
    const size = context.fresh(`${base}_size`);
    nodes.push(beside("Slice", [shape, list([axis], "start"), list([axis + 1], "end")], [size]));
    return size;
  });
  const sizes = context.fresh(`${base}_sizes`);
  nodes.push(beside("Concat", each, [sizes], { axis: intOf(0) }));
  return [...nodes, { ...node, inputs: node.inputs.with(3, sizes) }];
}

const resize = [
  downgradeFrom(19, (node, context) => (mapping(node) === "half_pixel_symmetric" ? context.needs() : node)),
  // Until 18 there were no `axes`, and nothing against aliasing.
  downgradeFrom(18, (node, context) => {
    if (int(node, "antialias") === 1) context.needs();
    if ((string(node, "keep_aspect_ratio_policy") ?? "stretch") !== "stretch") context.needs();
    const nodes = overAllAxes(node, context);
    return [...nodes.slice(0, -1), edit(nodes.at(-1)!, ["antialias", "keep_aspect_ratio_policy"])];
  }),
  // Until 13 `roi` and `scales` could not be left out.
  downgradeFrom(13, (node, context) => {
    const none = (what: string): string => context.constant(float32([0], []), `${baseOf(node)}_${what}`);
    const [data = "", roi = "", scales = "", ...sizes] = node.inputs;
    return { ...node, inputs: [data, roi || none("roi"), scales || none("scales"), ...sizes] };
  }),
  // Until 11 positions were mapped in one way, the floor where an axis grows and the ceiling where it shrinks.
  downgradeFrom(11, (node, context) => {
    const [data = "", , scales = "", sizes = ""] = node.inputs;
    const mode = modeOf(node);
    if (sizes !== "" || mapping(node) !== "asymmetric" || mode === "cubic") context.needs();
    const known = constantAt(node, 2, context);
    if (mode === "nearest") {
      const factors = known && toNumbers(known);
      const rounding = nearest(node);
      const grows = factors ? factors.every((factor) => factor >= 1) : context.from < 10;
      const shrinks = factors?.every((factor) => factor <= 1) === true;
      if (!(rounding === "floor" && grows) && !(rounding === "ceil" && shrinks)) context.needs();
    }
    const later = ["coordinate_transformation_mode", "nearest_mode", "cubic_coeff_a", "exclude_outside"];
    return edit({ ...node, inputs: [data, scales] }, [...later, "extrapolation_value"]);
  }),
  // Until 10 it was called Upsample and did not shrink.
  downgradeFrom(10, (node, context) => {
    const known = constantAt(node, 1, context);
    const grows = known ? toNumbers(known).every((factor) => factor >= 1) : context.from < 10;
    return grows ? { ...node, op: "Upsample" } : context.needs();
  }),
];

const upsample = [
  // Until 9 `scales` was an attribute.
  downgradeFrom(9, (node, context) => {
    const scales = numbersAt(node, 1, context) ?? context.needs();
    return edit(withInputs(node, node.inputs.slice(0, 1)), [], { scales: { type: "floats", value: scales } });
  }),
];

const gridSample = [
  // Until 20 modes had other names, and images two axes.
  downgradeFrom(20, (node, context) => {
    const [data = ""] = node.inputs;
    const rank = context.rank(data) ?? (context.from < 20 ? 4 : context.needs());
    if (rank !== 4) context.needs();
    const mode = string(node, "mode") ?? "linear";
    const value = mode === "linear" ? "bilinear" : mode === "cubic" ? "bicubic" : mode;
    return edit(node, ["mode"], { mode: stringOf(value) });
  }),
];

const roiAlign = [
  // Until 16 positions were not shifted.
  downgradeFrom(16, (node, context) =>
    mapping(node) === "output_half_pixel" ? edit(node, ["coordinate_transformation_mode"]) : context.needs(),
  ),
];

const groupNormalization = [
  // Until 21 there was a scale and a bias for every group.
  downgradeFrom(21, (node, context) => {
    const [data = "", ...names] = node.inputs;
    const groups = int(node, "num_groups") ?? context.needs();
    if (!((int(node, "stash_type") ?? 1) === 1)) context.needs();
    const inputs = names.map((name) => {
      const value = context.initializer(name) ?? context.needs();
      const elements = Array.from(value.data as ArrayLike<number>);
      const each = elements.length / groups;
      if (!elements.every((one, i) => one === elements[Math.floor(i / each) * each])) context.needs();
      const firsts = Array.from({ length: groups }, (_, i) => i * each);
      return context.constant(take(value, 0, firsts), `${name}_groups`);
    });
    return edit({ ...node, inputs: [data, ...inputs] }, ["stash_type"]);
  }),
];

/** For every operator on images the steps in which it changed, newest first. */
export const downgradesOfImages: Readonly<Record<string, readonly Downgrade[] | undefined>> = {
  GridSample: gridSample,
  GroupNormalization: groupNormalization,
  Resize: resize,
  RoiAlign: roiAlign,
  Upsample: upsample,
};
