/** Operators that join tensors or take parts of them: what they take and give lies in one piece. */

import { tensor, toNumbers, int64s, type NumericDType } from "../../graph/tensor.ts";
import { fail } from "../../graph/error.ts";
import { defineOp, given, int, string, type Value } from "../core/define.ts";
import { checkSameType, coupleOthers, integers, positive } from "../core/indexing.ts";

/** https://onnx.ai/onnx/operators/onnx__Concat.html */
export const Concat = defineOp({
  name: "Concat",
  since: 13,
  carries: true,
  inputs: ["inputs..."],
  attributes: { axis: int(0) },
  shape({ inputs }, { axis }) {
    checkSameType(...(inputs as [Value, ...Value[]]));
    const first = inputs[0]!.shape;
    const at = positive(axis, first.length);
    for (const { shape } of inputs)
      if (shape.length !== first.length || shape.some((dim, i) => i !== at && dim !== first[i]))
        fail("bad-model", `[${shape.join(", ")}] does not join [${first.join(", ")}] along axis ${axis}`);
    return first.with(
      at,
      inputs.reduce((n, x) => n + x.shape[at]!, 0),
    );
  },
  gradient(g, dy, { inputs }, { axis }) {
    const at = positive(axis, dy.shape.length);
    let end = 0;
    return {
      inputs: inputs.map((x) => {
        const start = end;
        end += x.shape[at]!;
        const stop = end;
        return () => g.sliced(dy, [at], [start], [stop]);
      }),
    };
  },
  channels(c, { inputs }, [y], { axis }) {
    const at = positive(axis, y!.shape.length);
    let from = 0;
    for (const x of inputs) {
      c.same(c.axis(x, at), c.axis(y!, at).slice(from, x.shape[at]!));
      coupleOthers(c, x, y!, [at]);
      from += x.shape[at]!;
    }
  },
  zero: "any",
  wholeGroupRemoval: "rest",
  fold({ inputs }, { axis }, [y]) {
    const constants = inputs.map((x) => x.constant);
    if (axis !== 0 || constants.includes(undefined)) return undefined;
    return [
      tensor(
        y!.dtype as NumericDType,
        y!.shape,
        constants.flatMap((constant) => toNumbers(constant!)),
      ),
    ];
  },
  samples: [
    { inputs: given([2, 3, 4], [2, 5, 4]), attributes: { axis: 1 } },
    { inputs: given([2, 3], [2, 1], [2, 2]), attributes: { axis: -1 } },
    { inputs: [[2, 3]], attributes: { axis: 0 } },
  ],
});

/** Sizes of the parts of a Split. */
function sizesOf(
  input: Value,
  split: Value | undefined,
  { axis, num_outputs }: { readonly axis: number; readonly num_outputs?: number | undefined },
  outputs: number,
): number[] {
  const dim = input.shape[positive(axis, input.shape.length)]!;
  const most = Math.ceil(dim / outputs);
  const stated = split ? integers(split) : undefined;
  if ((stated?.length ?? num_outputs ?? outputs) !== outputs)
    fail("bad-model", `it states ${stated?.length ?? num_outputs} parts and has ${outputs} outputs`);
  const sizes = stated ?? Array.from({ length: outputs }, (_, i) => Math.min(most, dim - i * most));
  if (sizes.reduce((sum, size) => sum + size, 0) !== dim || sizes.some((size) => size < 0))
    fail("bad-model", `parts of [${sizes.join(", ")}] are not an axis of ${dim}`);
  return sizes;
}

/** https://onnx.ai/onnx/operators/onnx__Split.html */
export const Split = defineOp({
  name: "Split",
  since: 18,
  carries: true,
  inputs: ["input", "split?"],
  outputs: ["outputs..."],
  attributes: { axis: int(0), num_outputs: int() },
  shape: ({ input, split }, attrs, outputs) =>
    sizesOf(input, split, attrs, outputs).map((part) =>
      input.shape.with(positive(attrs.axis, input.shape.length), part),
    ),
  gradient: (g, _dy, { input }, { axis }, _y, { outputs, dys }) => ({
    input: () => {
      const gradients = outputs.map((y, i) => dys[i] ?? g.filled(0, y!.shape));
      return g.joined(gradients, positive(axis, input.shape.length));
    },
  }),
  channels(c, { input }, outputs, { axis }) {
    const at = positive(axis, input.shape.length);
    let from = 0;
    for (const y of outputs) {
      c.same(c.axis(input, at).slice(from, y.shape[at]!), c.axis(y, at));
      coupleOthers(c, input, y, [at]);
      from += y.shape[at]!;
    }
  },
  zero: "any",
  wholeGroupRemoval: "rest",
  resize: (remaining, { input }, outputs, { axis }) => ({
    attributes: { num_outputs: undefined },
    inputs: {
      split: int64s(outputs.map((y) => remaining.axis(y, positive(axis, input.shape.length)).length)),
    },
  }),
  samples: [
    { inputs: [[2, 6, 3], int64s([1, 3, 2])], attributes: { axis: 1 }, outputs: 3 },
    { inputs: [[2, 7], null], attributes: { axis: -1, num_outputs: 3 }, outputs: 3 },
    { inputs: [[4, 3], int64s([4])], outputs: 1 },
  ],
});

/** The amounts of a Pad before and after each axis. */
function padsOf(data: Value, pads: Value, axes: Value | undefined): { before: number[]; after: number[] } {
  const amounts = integers(pads);
  const along = axes ? integers(axes).map((axis) => positive(axis, data.shape.length)) : data.shape.map((_, i) => i);
  if (amounts.length !== 2 * along.length)
    fail("bad-model", `it has ${amounts.length} pads for ${along.length} axes, not twice as many`);
  const before = data.shape.map(() => 0);
  const after = data.shape.map(() => 0);
  along.forEach((axis, i) => {
    before[axis] = amounts[i]!;
    after[axis] = amounts[i + along.length]!;
  });
  return { before, after };
}

/** https://onnx.ai/onnx/operators/onnx__Pad.html — negative amounts crop */
export const Pad = defineOp({
  name: "Pad",
  since: 21,
  carries: true,
  inputs: ["data", "pads", "constant_value?", "axes?"],
  attributes: { mode: string("constant") },
  shape({ data, pads, axes }) {
    const { before, after } = padsOf(data, pads, axes);
    return data.shape.map((dim, i) => dim + before[i]! + after[i]!);
  },
  gradient: (g, dy, { data, pads, axes }, { mode }) => ({
    data: () => {
      if (mode !== "constant") fail("unsupported", `the gradient of mode "${mode}" is not known`);
      const { before, after } = padsOf(data, pads, axes);
      return g.padded(
        dy,
        before.map((n) => -n),
        after.map((n) => -n),
      );
    },
  }),
  channels(c, { data, pads, axes }, [y], { mode }) {
    const { before, after } = padsOf(data, pads, axes);
    data.shape.forEach((dim, i) => {
      if (before[i] === 0 && after[i] === 0) c.same(c.axis(data, i), c.axis(y!, i));
      else if (mode === "constant" && before[i]! >= 0 && after[i]! >= 0)
        c.same(c.axis(data, i), c.axis(y!, i).slice(before[i]!, dim));
    });
  },
  zero: ({ constant_value }, { mode }) =>
    mode !== "constant" || (constant_value && Number(constant_value.constant?.data[0] ?? 1) !== 0) ? undefined : "any",
  resize(remaining, { data, pads, axes }, [y]) {
    const { before, after } = padsOf(data, pads, axes);
    const amounts = integers(pads);
    const along = axes ? integers(axes).map((axis) => positive(axis, data.shape.length)) : data.shape.map((_, i) => i);
    along.forEach((axis, i) => {
      const left = remaining.axis(y!, axis);
      if (left.length === y!.shape[axis]) return;
      amounts[i] = left.filter((at) => at < before[axis]!).length;
      amounts[i + along.length] = left.filter((at) => at >= y!.shape[axis]! - after[axis]!).length;
    });
    return { inputs: { pads: int64s(amounts) } };
  },
  samples: [
    { inputs: [[2, 3, 4], int64s([0, 1, 2, 0, 2, 0])] },
    { inputs: [[2, 3, 4], int64s([1, 3]), { dtype: "float32", shape: [], data: Float32Array.of(0.5) }, int64s([1])] },
    { inputs: [[3, 5], int64s([0, -1, 1, -2])] },
    { inputs: [[2, 3], int64s([1, 0, 0, 1])] },
  ],
});
