/** Operators that look for the largest or smallest elements along an axis. That axis stays whole. */

import { defineOp, int, type Op, type Value } from "../core/define.ts";
import { coupleOthers, integers, positive } from "../core/indexing.ts";
import type { Channels } from "../core/channels.ts";

/** The axes that are not searched. */
function coupleKept(c: Channels, data: Value, y: Value, axis: number, keepdims: number): void {
  data.shape.forEach((_, i) => {
    if (i !== axis) c.same(c.axis(data, i), c.axis(y, i > axis && !keepdims ? i - 1 : i));
  });
}

/** Of equal elements the first is found, and zeros are equal: its index is 0. */
function argument(name: string): Op {
  return defineOp({
    name,
    since: 13,
    inputs: ["data"],
    outputs: ["reduced"],
    attributes: { axis: int(0), keepdims: int(1), select_last_index: int(0) },
    shape({ data }, { axis, keepdims }) {
      const at = positive(axis, data.shape.length);
      return keepdims ? data.shape.with(at, 1) : data.shape.toSpliced(at, 1);
    },
    dtype: () => "int64",
    gradient: "stop",
    channels: (c, { data }, [reduced], { axis, keepdims }) =>
      coupleKept(c, data, reduced!, positive(axis, data.shape.length), keepdims),
    zero: (_inputs, { select_last_index }) => (select_last_index ? undefined : "any"),
    samples: [
      { inputs: [[3, 4]] },
      { inputs: [[2, 3, 4]], attributes: { axis: 1, keepdims: 0 } },
      { inputs: [[2, 3, 4]], attributes: { axis: -1, select_last_index: 1 } },
    ],
  });
}

/** https://onnx.ai/onnx/operators/onnx__ArgMax.html */
export const ArgMax = argument("ArgMax");
/** https://onnx.ai/onnx/operators/onnx__ArgMin.html */
export const ArgMin = argument("ArgMin");

/** https://onnx.ai/onnx/operators/onnx__TopK.html — what is found learns, by dX[Indices] = dValues */
export const TopK = defineOp({
  name: "TopK",
  since: 11,
  inputs: ["X", "K"],
  outputs: ["Values", "Indices"],
  attributes: { axis: int(-1), largest: int(1), sorted: int(1) },
  shape({ X, K }, { axis }) {
    const found = X.shape.with(positive(axis, X.shape.length), integers(K)[0]!);
    return [found, found];
  },
  dtype: ({ X }) => [X.dtype, "int64"],
  gradient: (g, dy, { X }, { axis }, _y, { output }) => ({
    X: () => g.ScatterElements(g.zeros(X.shape, output(1)), output(1), dy, { axis }),
  }),
  channels(c, { X }, outputs, { axis }) {
    for (const y of outputs) coupleOthers(c, X, y, [positive(axis, X.shape.length)]);
  },
  samples: [
    { inputs: [[3, 5], { dtype: "int64", shape: [1], data: BigInt64Array.of(2n) }], outputs: 2 },
    {
      inputs: [[4, 2, 3], { dtype: "int64", shape: [1], data: BigInt64Array.of(3n) }],
      attributes: { axis: 0, largest: 0, sorted: 0 },
      outputs: 2,
    },
  ],
});
