/** Operators that join tensors or take parts of them: what they take and give lies in one piece. */

import {
  sizeOf,
  take,
  tensor,
  toNumbers,
  int64s,
  type NumericDType,
  type Shape,
  type Tensor,
} from "../graph/tensor.ts";
import { fail } from "../graph/error.ts";
import { defineOp, int, string, type Value } from "./define.ts";
import { checkSameType, coupleOthers, integers, positive } from "./indexing.ts";
import { insertZeros } from "./spatial.ts";

/** https://onnx.ai/onnx/operators/onnx__Concat.html */
export const Concat = defineOp({
  name: "Concat",
  since: 13,
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
  emptied: "rest",
  fold({ inputs }, { axis }, [y]) {
    const parts = inputs.map((x) => x.constant);
    if (axis !== 0 || parts.some((part) => part === undefined)) return undefined;
    return [
      tensor(
        y!.dtype as NumericDType,
        y!.shape,
        parts.flatMap((part) => toNumbers(part!)),
      ),
    ];
  },
  samples: [
    {
      inputs: [
        [2, 3, 4],
        [2, 5, 4],
      ],
      attributes: { axis: 1 },
    },
    {
      inputs: [
        [2, 3],
        [2, 1],
        [2, 2],
      ],
      attributes: { axis: -1 },
    },
    { inputs: [[2, 3]], attributes: { axis: 0 } },
  ],
});

interface Range {
  readonly axis: number;
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

/** Beyond the end of every axis, and an integer exactly. */
const farthest = 2 ** 31 - 1;

/** What a Slice takes along each axis it names, its bounds clamped as the specification says. */
function rangesOf(data: Value, starts: Value, ends: Value, axes: Value | undefined, steps: Value | undefined): Range[] {
  const from = integers(starts);
  const to = integers(ends);
  const along = axes ? integers(axes) : from.map((_, i) => i);
  const by = steps ? integers(steps) : from.map(() => 1);
  if (to.length !== from.length || along.length !== from.length || by.length !== from.length || by.includes(0))
    fail("bad-model", "its starts, ends, axes and steps must be equally many, and no step 0");
  return along.map((name, i) => {
    const axis = positive(name, data.shape.length);
    const dim = data.shape[axis]!;
    const step = by[i]!;
    const [low, high] = step > 0 ? [0, dim] : [-1, dim - 1];
    const clamp = (n: number) => Math.min(Math.max(n < 0 ? n + dim : n, low), high);
    const start = step > 0 ? clamp(from[i]!) : Math.max(0, clamp(from[i]!));
    return { axis, start, step, count: Math.max(0, Math.ceil((clamp(to[i]!) - start) / step)) };
  });
}

/** https://onnx.ai/onnx/operators/onnx__Slice.html */
export const Slice = defineOp({
  name: "Slice",
  since: 13,
  inputs: ["data", "starts", "ends", "axes?", "steps?"],
  shape: ({ data, starts, ends, axes, steps }) =>
    rangesOf(data, starts, ends, axes, steps).reduce<Shape>(
      (shape, { axis, count }) => shape.with(axis, count),
      data.shape,
    ),
  gradient: (g, dy, { data, starts, ends, axes, steps }) => ({
    // The transpose of taking a part is putting it back among zeros: reverse, spread and pad.
    data: () => {
      let d = dy;
      const before = data.shape.map(() => 0);
      const after = data.shape.map(() => 0);
      for (const { axis, start, step, count } of rangesOf(data, starts, ends, axes, steps)) {
        if (step < 0 && count > 1) d = g.sliced(d, [axis], [-1], [Number.MIN_SAFE_INTEGER], [-1]);
        const stride = Math.abs(step);
        const first = step > 0 ? start : start + (count - 1) * step;
        if (stride > 1 && count > 1) {
          const [n, ...lead] = axis > 0 ? d.shape.slice(0, axis) : [1];
          const image = [n!, sizeOf(lead), count, sizeOf(d.shape.slice(axis + 1))];
          d = g.reshaped(insertZeros(g, g.reshaped(d, image), [stride, 1]), d.shape.with(axis, count * stride));
        }
        before[axis] = first;
        after[axis] = data.shape[axis]! - first - d.shape[axis]!;
      }
      return g.padded(d, before, after);
    },
  }),
  channels(c, { data, starts, ends, axes, steps }, [y]) {
    const ranges = rangesOf(data, starts, ends, axes, steps);
    coupleOthers(
      c,
      data,
      y!,
      ranges.map(({ axis }) => axis),
    );
    for (const { axis, start, step, count } of ranges)
      if (step === 1) c.same(c.axis(data, axis).slice(start, count), c.axis(y!, axis));
  },
  zero: "any",
  resize(kept, { data, starts, ends, axes, steps }, [y]) {
    // "To the end" is often the largest int64, which no number holds.
    const [from, to] = [starts, ends].map((bound) =>
      integers(bound).map((n) => Math.min(Math.max(n, -farthest), farthest)),
    );
    rangesOf(data, starts, ends, axes, steps).forEach(({ axis, start }, i) => {
      const left = kept.axis(data, axis);
      if (left.length === data.shape[axis]) return;
      from![i] = left.filter((at) => at < start).length;
      to![i] = from![i]! + kept.axis(y!, axis).length;
    });
    return { inputs: { starts: int64s(from!), ends: int64s(to!) } };
  },
  fold({ data, starts, ends, axes, steps }) {
    if (data.constant === undefined) return undefined;
    return [
      rangesOf(data, starts, ends, axes, steps).reduce<Tensor>(
        (part, { axis, start, step, count }) =>
          take(
            part,
            axis,
            Array.from({ length: count }, (_, i) => start + i * step),
          ),
        data.constant,
      ),
    ];
  },
  samples: [
    { inputs: [[4, 6, 5], int64s([1, 0]), int64s([3, 4]), int64s([1, 2])] },
    { inputs: [[4, 6, 5], int64s([1]), int64s([1000]), int64s([-2]), int64s([2])] },
    { inputs: [[4, 6], int64s([-1, 5]), int64s([-1000, 0]), int64s([0, 1]), int64s([-1, -2])] },
    { inputs: [[4, 6], int64s([1, 2]), int64s([3, -1])] },
    { inputs: [[5], int64s([1000]), int64s([-1000]), int64s([0]), int64s([-2])] },
    {
      inputs: [
        [4, 6],
        int64s([1, 1]),
        { dtype: "int64", shape: [2], data: BigInt64Array.of(2n ** 63n - 1n, 5n) },
        int64s([0, 1]),
        int64s([2, 1]),
      ],
    },
  ],
});

/** Sizes of the parts of a Split. */
function partsOf(
  input: Value,
  split: Value | undefined,
  { axis, num_outputs }: { readonly axis: number; readonly num_outputs?: number | undefined },
  outputs: number,
): number[] {
  const dim = input.shape[positive(axis, input.shape.length)]!;
  const part = Math.ceil(dim / outputs);
  const stated = split ? integers(split) : undefined;
  if ((stated?.length ?? num_outputs ?? outputs) !== outputs)
    fail("bad-model", `it states ${stated?.length ?? num_outputs} parts and has ${outputs} outputs`);
  const parts = stated ?? Array.from({ length: outputs }, (_, i) => Math.min(part, dim - i * part));
  if (parts.reduce((sum, size) => sum + size, 0) !== dim || parts.some((size) => size < 0))
    fail("bad-model", `parts of [${parts.join(", ")}] are not an axis of ${dim}`);
  return parts;
}

/** https://onnx.ai/onnx/operators/onnx__Split.html */
export const Split = defineOp({
  name: "Split",
  since: 18,
  inputs: ["input", "split?"],
  outputs: ["outputs..."],
  attributes: { axis: int(0), num_outputs: int() },
  shape: ({ input, split }, attrs, outputs) =>
    partsOf(input, split, attrs, outputs).map((part) =>
      input.shape.with(positive(attrs.axis, input.shape.length), part),
    ),
  gradient: (g, _dy, { input }, { axis }, _y, { outputs, dys }) => ({
    input: () => {
      const parts = outputs.map((y, i) => dys[i] ?? g.filled(0, y!.shape));
      return parts.length === 1 ? parts[0]! : g.Concat(...parts, { axis: positive(axis, input.shape.length) });
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
  emptied: "rest",
  resize: (kept, { input }, outputs, { axis }) => ({
    attributes: { num_outputs: undefined },
    inputs: {
      split: int64s(outputs.map((y) => kept.axis(y, positive(axis, input.shape.length)).length)),
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
  resize(kept, { data, pads, axes }, [y]) {
    const { before, after } = padsOf(data, pads, axes);
    const amounts = integers(pads);
    const along = axes ? integers(axes).map((axis) => positive(axis, data.shape.length)) : data.shape.map((_, i) => i);
    along.forEach((axis, i) => {
      const left = kept.axis(y!, axis);
      if (left.length === y!.shape[axis]) return;
      amounts[i] = left.filter((at) => at < before[axis]!).length;
      amounts[i + along.length] = left.filter((at) => at >= y!.shape[axis]! - after[axis]!).length;
    });
    return { inputs: { pads: int64s(amounts) } };
  },
  samples: [
    { inputs: [[2, 3, 4], int64s([0, 1, 2, 0, 2, 0])] },
    {
      inputs: [[2, 3, 4], int64s([1, 3]), { dtype: "float32", shape: [], data: Float32Array.of(0.5) }, int64s([1])],
    },
    { inputs: [[3, 5], int64s([0, -1, 1, -2])] },
    { inputs: [[2, 3], int64s([1, 0, 0, 1])] },
  ],
});
