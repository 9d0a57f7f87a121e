/** The steps back of the operators that pick, join and turn elements. */

import type { Attribute } from "../graph/graph.ts";
import { int64s, toNumbers } from "../graph/tensor.ts";
import {
  constantAt,
  downgradeFrom,
  fromFront,
  inputToFloat,
  inputToInts,
  isFloat,
  numbersAt,
  withoutInput,
  type Downgrade,
} from "./downgrade-step.ts";
import { baseOf, beside, edit, int, intOf, intsOf, withInputs } from "./upgrade-step.ts";

const pad = [
  // Until 18 there were no `axes`.
  downgradeFrom(18, (node, context) => {
    const axes = numbersAt(node, 3, context);
    if (axes === undefined) return node;
    const rank = context.rank(node.inputs[0] ?? "") ?? context.needs();
    const given = numbersAt(node, 1, context) ?? context.needs();
    const pads = Array<number>(2 * rank).fill(0);
    axes.forEach((axis, i) => {
      const at = axis < 0 ? axis + rank : axis;
      pads[at] = given[i]!;
      pads[at + rank] = given[i + axes.length]!;
    });
    const name = context.constant(int64s(pads), `${baseOf(node)}_pads`);
    return withoutInput({ ...node, inputs: node.inputs.with(1, name) }, 3);
  }),
  // Until 11 `pads` and `value` were attributes, and elements were floats.
  downgradeFrom(11, (node, context) => {
    if (!isFloat(node, context)) context.needs();
    const padded = inputToFloat(node, 2, "value", context);
    return inputToInts("pads", 1)(padded, context);
  }),
];

const slice = [
  // Until 10 `starts`, `ends` and `axes` were attributes, and there were no steps.
  downgradeFrom(10, (node, context) => {
    const steps = numbersAt(node, 4, context);
    if (steps?.some((step) => step !== 1)) context.needs();
    const names = ["starts", "ends", "axes"];
    const lists = names.map((_, i) => numbersAt(node, i + 1, context));
    const found = names.flatMap((name, i): [string, Attribute][] => (lists[i] ? [[name, intsOf(lists[i])]] : []));
    return edit(withInputs(node, node.inputs.slice(0, 1)), names, Object.fromEntries(found));
  }),
];

const split = [
  // Until 18 parts that are not given were equal.
  downgradeFrom(18, (node, context) => {
    const bare = edit(node, ["num_outputs"]);
    if ((node.inputs[1] ?? "") !== "" || context.from < 18) return bare;
    const [data = ""] = node.inputs;
    const axis = fromFront(int(node, "axis") ?? 0, context.rank(data)) ?? context.needs();
    const size = context.shape(data)?.[axis];
    if (typeof size !== "number") return context.needs();
    const count = node.outputs.length;
    if (size % count === 0) return bare;
    const each = Math.ceil(size / count);
    const sizes = node.outputs.map((_, i) => Math.max(0, Math.min(each, size - i * each)));
    return { ...bare, inputs: [data, context.constant(int64s(sizes), `${baseOf(node)}_split`)] };
  }),
  // Until 13 `split` was an attribute.
  downgradeFrom(13, inputToInts("split", 1)),
];

const shape = [
  // Until 15 it gave all sizes.
  downgradeFrom(15, (node, context) => {
    const [start, end] = [int(node, "start") ?? 0, int(node, "end")];
    const bare = edit(node, ["start", "end"]);
    if (start === 0 && end === undefined) return bare;
    const base = baseOf(node);
    const [padded, from, to] = [
      context.fresh(`${base}_whole`),
      context.constant(int64s([start]), `${base}_starts`),
      context.constant(int64s([end ?? Number.MAX_SAFE_INTEGER]), `${base}_ends`),
    ];
    return [{ ...bare, outputs: [padded] }, beside("Slice", [padded, from, to], node.outputs)];
  }),
];

const reshape = [
  // Until 14 a 0 was always the size of the input.
  downgradeFrom(14, (node, context) => {
    const bare = edit(node, ["allowzero"]);
    if (int(node, "allowzero") !== 1 || context.from < 14) return bare;
    const target = constantAt(node, 1, context);
    return target && !toNumbers(target).includes(0) ? bare : context.needs();
  }),
];

const axes13 = [downgradeFrom(13, inputToInts("axes", 1))];

const topK = [
  // Until 10 `k` was an attribute.
  downgradeFrom(10, (node, context) => {
    const [k] = numbersAt(node, 1, context) ?? [];
    return edit(withoutInput(node, 1), [], { k: intOf(k ?? context.needs()) });
  }),
];

/** For every such operator the steps in which it changed, newest first. */
export const downgradesOfLayouts: Readonly<Record<string, readonly Downgrade[] | undefined>> = {
  Pad: pad,
  Reshape: reshape,
  Shape: shape,
  Slice: slice,
  Split: split,
  Squeeze: axes13,
  TopK: topK,
  Unsqueeze: axes13,
};
