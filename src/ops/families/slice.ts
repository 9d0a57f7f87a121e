/** Slice: every so many elements of an axis. */

import { fail } from "../../graph/error.ts";
import { int64s, sizeOf, take, type Shape, type Tensor } from "../../graph/tensor.ts";
import { defineOp, type Value } from "../core/define.ts";
import { coupleOthers, integers, positive } from "../core/indexing.ts";
import { insertZeros } from "../gradients/spatial.ts";

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

/** The indices of an axis that share a multiple of the step with one that is taken. */
function periodOf(at: number, step: number, dim: number): { readonly from: number; readonly size: number } {
  const stride = Math.abs(step);
  const from = Math.floor(at / stride) * stride;
  return { from, size: Math.min(stride, dim - from) };
}

/** https://onnx.ai/onnx/operators/onnx__Slice.html */
export const Slice = defineOp({
  name: "Slice",
  since: 13,
  carries: true,
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
    for (const { axis, start, step, count } of ranges) {
      const source = c.axis(data, axis);
      const taken = c.axis(y!, axis);
      if (step === 1) {
        c.same(source.slice(start, count), taken);
        continue;
      }
      // What lies between two elements that are taken goes with one of them, so that the rest still lies a step apart.
      for (let i = 0; i < count; i++) {
        const { from, size } = periodOf(start + i * step, step, data.shape[axis]!);
        c.same(source.slice(from, size).blocks(size), taken.slice(i, 1));
      }
    }
  },
  zero: "any",
  resize(remaining, { data, starts, ends, axes, steps }, [y]) {
    // "To the end" is often the largest int64, which no number holds.
    const [from, to] = [starts, ends].map((bound) =>
      integers(bound).map((n) => Math.min(Math.max(n, -farthest), farthest)),
    );
    rangesOf(data, starts, ends, axes, steps).forEach(({ axis, start, step }, i) => {
      const left = remaining.axis(data, axis);
      if (left.length === data.shape[axis]) return;
      const taken = remaining.axis(y!, axis);
      from![i] = left.filter((at) => at < start + (taken[0] ?? 0) * step).length;
      const end = from![i]! + taken.length * step;
      to![i] = end < 0 ? -farthest : end;
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
    { inputs: [[2, 7], int64s([2]), int64s([6]), int64s([1]), int64s([2])] },
    { inputs: [[2, 8], int64s([7]), int64s([-1000]), int64s([1]), int64s([-3])] },
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
