/** Operators that repeat, accumulate, reverse or clear elements by their positions along an axis. */

import { fail } from "../../graph/error.ts";
import { sizeOf, take, tensor, toNumbers, int64s, type NumericDType, type Tensor } from "../../graph/tensor.ts";
import { defineOp, int } from "../core/define.ts";
import { coupleOthers, integers, positive } from "../core/indexing.ts";

/** https://onnx.ai/onnx/operators/onnx__Tile.html — dX is the sum over all copies */
export const Tile = defineOp({
  name: "Tile",
  since: 13,
  carries: true,
  inputs: ["input", "repeats"],
  outputs: ["output"],
  shape({ input, repeats }) {
    const times = integers(repeats);
    if (times.length !== input.shape.length)
      fail("bad-model", `it has ${times.length} repeats for the axes of [${input.shape.join(", ")}]`);
    return input.shape.map((dim, i) => dim * times[i]!);
  },
  gradient: (g, dy, { input }) => ({
    input: () => {
      // Repeats that follow from an open batch are no constant of the graph; the sizes are known.
      const times = input.shape.map((dim, i) => dy.shape[i]! / dim);
      const apart = g.reshaped(
        dy,
        input.shape.flatMap((dim, i) => [times[i]!, dim]),
      );
      return g.summed(
        apart,
        input.shape.map((_, i) => 2 * i),
      );
    },
  }),
  // A unit is in every copy. What is repeated from one element has units of its own, as many as there are copies.
  channels(c, { input }, [y]) {
    input.shape.forEach((dim, i) => {
      const copies = c.axis(y!, i);
      if (dim > 1 || y!.shape[i] === 1) c.same(c.axis(input, i), copies.digit(dim, 1));
    });
  },
  zero: "any",
  resize(remaining, { input, repeats }, [y]) {
    const old = integers(repeats);
    const times = old.map((n, i) => (input.shape[i] === 1 ? remaining.axis(y!, i).length : n));
    // Repeats that stay may depend on an open batch.
    return times.every((n, i) => n === old[i]) ? {} : { inputs: { repeats: int64s(times) } };
  },
  fold({ input, repeats }) {
    if (input.constant === undefined || repeats.constant === undefined) return undefined;
    return [
      integers(repeats).reduce<Tensor>((part, times, axis) => {
        const dim = input.shape[axis]!;
        return take(
          part,
          axis,
          Array.from({ length: times * dim }, (_, i) => i % dim),
        );
      }, input.constant),
    ];
  },
  samples: [
    { inputs: [[2, 3], int64s([2, 1])] },
    { inputs: [[3, 2, 2], int64s([1, 3, 2])] },
    { inputs: [[2, 1, 3], int64s([1, 4, 1])] },
  ],
});

/** https://onnx.ai/onnx/operators/onnx__Trilu.html — the two axes of a triangle stay whole */
export const Trilu = defineOp({
  name: "Trilu",
  since: 14,
  inputs: ["input", "k?"],
  outputs: ["output"],
  attributes: { upper: int(1) },
  shape: ({ input }) => input.shape,
  gradient: (g, dy, { k }, { upper }) => ({ input: () => g.Trilu(dy, k, { upper }) }),
  channels: (c, { input }, [y]) => coupleOthers(c, input, y!, [input.shape.length - 2, input.shape.length - 1]),
  zero: "any",
  samples: [
    { inputs: [[2, 3, 4]] },
    { inputs: [[3, 4, 4], { dtype: "int64", shape: [], data: BigInt64Array.of(-1n) }], attributes: { upper: 0 } },
  ],
});

const along = (axis: number) => ({ dtype: "int64" as const, shape: [], data: BigInt64Array.of(BigInt(axis)) });

/** https://onnx.ai/onnx/operators/onnx__CumSum.html — dX is the sum of dY from the other end */
export const CumSum = defineOp({
  name: "CumSum",
  since: 14,
  inputs: ["x", "axis"],
  outputs: ["y"],
  attributes: { exclusive: int(0), reverse: int(0) },
  shape({ x, axis }) {
    positive(integers(axis)[0]!, x.shape.length);
    return x.shape;
  },
  gradient: (g, dy, { axis }, { exclusive, reverse }) => ({
    x: () => g.CumSum(dy, axis, { exclusive, reverse: 1 - reverse }),
  }),
  channels: (c, { x, axis }, [y]) => coupleOthers(c, x, y!, [positive(integers(axis)[0]!, x.shape.length)]),
  zero: "any",
  fold({ x, axis }, { exclusive, reverse }) {
    if (x.constant === undefined || axis.constant === undefined) return undefined;
    const at = positive(integers(axis)[0]!, x.shape.length);
    const [dim, inner] = [x.shape[at]!, sizeOf(x.shape.slice(at + 1))];
    const values = toNumbers(x.constant);
    const sums = values.map((value, flat) => {
      const position = Math.floor(flat / inner) % dim;
      const [from, to] = reverse ? [position + 1, dim] : [0, position];
      let sum = exclusive ? 0 : value;
      for (let other = from; other < to; other++) sum += values[flat + (other - position) * inner]!;
      return sum;
    });
    return [tensor(x.dtype as NumericDType, x.shape, sums)];
  },
  samples: [
    { inputs: [[3, 4], along(0)] },
    { inputs: [[2, 3, 4], along(-2)], attributes: { exclusive: 1 } },
    { inputs: [[2, 3, 4], along(1)], attributes: { reverse: 1 } },
    { inputs: [[3, 4], along(1)], attributes: { reverse: 1, exclusive: 1 } },
  ],
});

/** https://onnx.ai/onnx/operators/onnx__ReverseSequence.html — its own transpose */
export const ReverseSequence = defineOp({
  name: "ReverseSequence",
  since: 10,
  inputs: ["input", "sequence_lens"],
  attributes: { batch_axis: int(1), time_axis: int(0) },
  shape: ({ input }) => input.shape,
  gradient: (g, dy, { sequence_lens }, { batch_axis, time_axis }) => ({
    input: () => g.ReverseSequence(dy, sequence_lens, { batch_axis, time_axis }),
  }),
  channels(c, { input, sequence_lens }, [y], { batch_axis, time_axis }) {
    c.same(c.axis(sequence_lens, 0), c.axis(y!, batch_axis));
    coupleOthers(c, input, y!, [time_axis]);
  },
  zero: "any",
  samples: [
    { inputs: [[4, 3, 2], int64s([2, 4, 1])] },
    { inputs: [[3, 4, 2], int64s([3, 4, 2])], attributes: { batch_axis: 0, time_axis: 1 } },
  ],
});
