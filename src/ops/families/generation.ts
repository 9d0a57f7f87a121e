/** Operators whose outputs are computed from sizes and positions, or have as many elements as their data say. */

import { fail } from "../../graph/error.ts";
import { sizeOf, tensor, toNumbers, int64s, type NumericDType, type Tensor } from "../../graph/tensor.ts";
import { defineOp, int, type Value } from "../core/define.ts";
import { cartesian } from "../gradients/geometry.ts";
import { checkSameType, numbers, positive, scatterBack } from "../core/indexing.ts";
import { elementType } from "./cast.ts";

const only = (value: Value): number => numbers(value)[0]!;
const int64 = (value: number): Tensor => tensor("int64", [], [value]);

/** https://onnx.ai/onnx/operators/onnx__Range.html */
export const Range = defineOp({
  name: "Range",
  since: 11,
  inputs: ["start", "limit", "delta"],
  outputs: ["output"],
  shape({ start, limit, delta }) {
    checkSameType(start, limit, delta);
    return [Math.max(0, Math.ceil((only(limit) - only(start)) / only(delta)))];
  },
  gradient: "stop",
  fold: ({ start, delta }, _attributes, [y]) => [
    tensor(
      y!.dtype as NumericDType,
      y!.shape,
      Array.from({ length: y!.shape[0]! }, (_, i) => only(start) + i * only(delta)),
    ),
  ],
  samples: [
    { inputs: [int64(2), int64(9), int64(3)] },
    { inputs: [int64(5), int64(-2), int64(-2)] },
    { inputs: [int64(5), int64(2), int64(1)] },
  ],
});

/** https://onnx.ai/onnx/operators/onnx__EyeLike.html */
export const EyeLike = defineOp({
  name: "EyeLike",
  since: 22,
  inputs: ["input"],
  outputs: ["output"],
  attributes: { dtype: int(), k: int(0) },
  shape: ({ input }) => input.shape,
  dtype: ({ input }, { dtype }) => (dtype === undefined ? input.dtype : elementType(dtype)),
  gradient: "stop",
  samples: [{ inputs: [[3, 4]] }, { inputs: [[3, 3]], attributes: { dtype: 7, k: 1 } }],
});

/** https://onnx.ai/onnx/operators/onnx__Size.html — whoever asks for sizes would notice if they changed, so none may */
export const Size = defineOp({
  name: "Size",
  since: 21,
  inputs: ["data"],
  outputs: ["size"],
  shape: () => [],
  dtype: () => "int64",
  gradient: "stop",
  fold: ({ data }) => [int64(sizeOf(data.shape))],
  samples: [{ inputs: [[2, 3, 4]] }],
});

/** Beyond this many elements a list of places is no size that something is computed with. */
const mostListed = 2 ** 20;

/** The indices of the elements of a constant that are not zero, one row for each axis. */
function found(x: Value): Tensor {
  if (x.constant === undefined) fail("unsupported", `how many elements of "${x.name}" are not zero depends on data`);
  if (sizeOf(x.shape) > mostListed)
    fail("unsupported", `"${x.name}" has ${sizeOf(x.shape)} elements; at most ${mostListed} are listed one by one`);
  const values = toNumbers(x.constant);
  const places = cartesian(x.shape).filter((_, i) => values[i] !== 0);
  return tensor(
    "int64",
    [x.shape.length, places.length],
    x.shape.flatMap((_, axis) => places.map((at) => at[axis]!)),
  );
}

/** https://onnx.ai/onnx/operators/onnx__NonZero.html — of constants only */
export const NonZero = defineOp({
  name: "NonZero",
  since: 13,
  inputs: ["X"],
  shape: ({ X }) => found(X).shape,
  dtype: () => "int64",
  gradient: "stop",
  fold: ({ X }) => [found(X)],
  samples: [
    { inputs: [int64s([0, 3, -1, 0])] },
    { inputs: [tensor("int64", [2, 3], [1, 0, 2, 0, 3, 0])] },
    { inputs: [tensor("bool", [2, 2], [0, 1, 1, 1])] },
  ],
});

/** The positions that a condition holds at; it may be shorter than what it selects of. */
const selected = (condition: Value): number[] => numbers(condition).flatMap((one, i) => (one ? [i] : []));

/** https://onnx.ai/onnx/operators/onnx__Compress.html — of a constant condition; no axis: of all elements */
export const Compress = defineOp({
  name: "Compress",
  since: 11,
  inputs: ["input", "condition"],
  outputs: ["output"],
  attributes: { axis: int() },
  shape({ input, condition }, { axis }) {
    const count = selected(condition).length;
    return axis === undefined ? [count] : input.shape.with(positive(axis, input.shape.length), count);
  },
  gradient: (g, dy, { input, condition }, { axis }) => ({
    input: () => {
      const indices = g.ints(selected(condition));
      if (axis === undefined) return g.reshaped(scatterBack(g, dy, indices, [sizeOf(input.shape)], 0), input.shape);
      return scatterBack(g, dy, indices, input.shape, positive(axis, input.shape.length));
    },
  }),
  channels(c, { input, condition }, [y], { axis }) {
    if (axis === undefined) return;
    const at = positive(axis, input.shape.length);
    input.shape.forEach((_, i) => i !== at && c.same(c.axis(input, i), c.axis(y!, i)));
    if (condition.shape[0] !== input.shape[at]) return;
    c.same(c.axis(input, at), c.axis(condition, 0));
    c.same(c.axis(input, at).pick(selected(condition)), c.axis(y!, at));
  },
  zero: "any",
  samples: [
    { inputs: [[2, 3], tensor("bool", [5], [0, 1, 1, 0, 1])] },
    { inputs: [[5, 3], tensor("bool", [5], [1, 0, 1, 0, 1])], attributes: { axis: 0 } },
    { inputs: [[2, 3, 4], tensor("bool", [2], [0, 1])], attributes: { axis: -2 } },
  ],
});
