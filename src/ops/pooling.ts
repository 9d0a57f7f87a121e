/** Pools. */

import { sizeOf } from "../graph/tensor.ts";
import { defineOp, int, ints, string, type Value } from "./define.ts";
import type { Channels } from "./channels.ts";
import { slide, windowOf, type WindowAttributes } from "./geometry.ts";
import type { Emit } from "./emit.ts";
import { convInputGradient } from "./spatial.ts";

const attributes = {
  auto_pad: string("NOTSET"),
  ceil_mode: int(0),
  dilations: ints(),
  kernel_shape: ints(),
  pads: ints(),
  strides: ints(),
};

interface PoolAttributes extends WindowAttributes {
  readonly ceil_mode: number;
  readonly kernel_shape?: readonly number[] | undefined;
}

const poolWindow = (X: Value, attrs: PoolAttributes) => windowOf(X.shape.slice(2), attrs.kernel_shape ?? [], attrs);

const poolShape = (X: Value, attrs: PoolAttributes) => [
  ...X.shape.slice(0, 2),
  ...slide(X.shape.slice(2), poolWindow(X, attrs), attrs.ceil_mode === 1),
];

function coupleFirstTwo(c: Channels, x: Value, outputs: readonly Value[]): void {
  for (const y of outputs) for (const axis of [0, 1]) c.same(c.axis(x, axis), c.axis(y, axis));
}

/** https://onnx.ai/onnx/operators/onnx__MaxPool.html — dX: dY is added where the maxima stood, by the second output's flat indices */
export const MaxPool = defineOp({
  name: "MaxPool",
  since: 22,
  inputs: ["X"],
  outputs: ["Y", "Indices"],
  attributes: { ...attributes, storage_order: int(0) },
  shape: ({ X }, attrs) => [poolShape(X, attrs), poolShape(X, attrs)],
  dtype: ({ X }) => [X.dtype, "int64"],
  gradient: (g, dy, { X }, _attributes, _y, pullback) => ({
    X: () => {
      const flat = g.filled(0, [sizeOf(X.shape)]);
      const indices = g.reshaped(pullback.output(1), [sizeOf(dy.shape)]);
      const scattered = g.ScatterElements(flat, indices, g.reshaped(dy, [sizeOf(dy.shape)]), {
        axis: 0,
        reduction: "add",
      });
      return g.reshaped(scattered, X.shape);
    },
  }),
  channels(c, { X }, [Y, Indices]) {
    // The second output counts elements of the whole input: it would change its meaning.
    if (Indices === undefined) coupleFirstTwo(c, X, [Y!]);
  },
  zero: "any",
  samples: [
    { inputs: [[2, 3, 6, 6]], attributes: { kernel_shape: [2, 2], strides: [2, 2] } },
    {
      inputs: [[2, 3, 7, 6]],
      attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
    },
    { inputs: [[2, 3, 7, 8]], attributes: { kernel_shape: [2, 3], strides: [2, 2], ceil_mode: 1 } },
    { inputs: [[2, 3, 5, 5]], attributes: { kernel_shape: [3, 3], auto_pad: "SAME_UPPER" } },
    { inputs: [[2, 3, 9]], attributes: { kernel_shape: [3], strides: [2] } },
    { inputs: [[2, 3, 6, 6]], attributes: { kernel_shape: [2, 2], strides: [2, 2] }, outputs: 2 },
  ],
});

/**
 * https://onnx.ai/onnx/operators/onnx__AveragePool.html — a depthwise Conv with a kernel of ones over the number of elements in
 * the window; dX is that Conv's.
 */
export const AveragePool = defineOp({
  name: "AveragePool",
  since: 22,
  inputs: ["X"],
  attributes: { ...attributes, count_include_pad: int(0) },
  shape: ({ X }, attrs) => poolShape(X, attrs),
  gradient: (g, dy, { X }, attrs) => ({
    X: () => {
      const window = poolWindow(X, attrs);
      const spatial = X.shape.slice(2);
      const out = dy.shape.slice(2);
      const counts = spatial.map((size, i) =>
        Array.from({ length: out[i]! }, (_, o) => {
          const start = o * window.strides[i]! - window.before[i]!;
          let inside = 0;
          for (let k = 0; k < window.kernel[i]!; k++) {
            const at = start + k * window.dilations[i]!;
            const [low, high] = attrs.count_include_pad ? [-window.before[i]!, size + window.after[i]!] : [0, size];
            if (at >= low && at < high) inside++;
          }
          return inside;
        }),
      );
      const share = divideByCounts(g, dy, counts);
      const channels = X.shape[1]!;
      const kernel = g.filled(1, [channels, 1, ...window.kernel]);
      return convInputGradient(g, share, kernel, spatial, window, channels);
    },
  }),
  channels: (c, { X }, [Y]) => coupleFirstTwo(c, X, [Y!]),
  zero: "any",
  samples: [
    { inputs: [[2, 3, 6, 6]], attributes: { kernel_shape: [2, 2], strides: [2, 2] } },
    { inputs: [[2, 3, 6, 5]], attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1] } },
    {
      inputs: [[2, 3, 6, 5]],
      attributes: {
        kernel_shape: [3, 3],
        pads: [1, 1, 1, 1],
        count_include_pad: 1,
        strides: [2, 2],
      },
    },
    { inputs: [[2, 3, 7, 7]], attributes: { kernel_shape: [3, 2], strides: [2, 2], ceil_mode: 1 } },
    {
      inputs: [[2, 3, 5, 5]],
      attributes: { kernel_shape: [3, 3], auto_pad: "SAME_LOWER", strides: [2, 2] },
    },
    { inputs: [[2, 3, 8]], attributes: { kernel_shape: [3], strides: [3] } },
  ],
});

/** dY over the number of elements that each window averaged. */
function divideByCounts(g: Emit, dy: Value, counts: readonly (readonly number[])[]): Value {
  const uniform = counts.every((list) => list.every((n) => n === list[0]));
  if (uniform) return g.Mul(dy, g.scalar(1 / counts.reduce((n, list) => n * list[0]!, 1), dy));
  const map = counts.reduce<number[]>((all, list) => all.flatMap((n) => list.map((m) => n * m)), [1]);
  const shape = counts.map((list) => list.length);
  return g.Mul(dy, g.constant({ dtype: "float32", shape, data: Float32Array.from(map, (n) => 1 / n) }));
}

/** https://onnx.ai/onnx/operators/onnx__GlobalAveragePool.html */
export const GlobalAveragePool = defineOp({
  name: "GlobalAveragePool",
  since: 22,
  inputs: ["X"],
  shape: ({ X }) => [...X.shape.slice(0, 2), ...X.shape.slice(2).map(() => 1)],
  gradient: (g, dy, { X }) => ({
    X: () => g.Mul(dy, g.scalar(1 / sizeOf(X.shape.slice(2)), dy)),
  }),
  channels: (c, { X }, [Y]) => coupleFirstTwo(c, X, [Y!]),
  zero: "any",
  samples: [{ inputs: [[2, 3, 4, 5]] }, { inputs: [[2, 3, 4]] }],
});

/** https://onnx.ai/onnx/operators/onnx__GlobalMaxPool.html — dX goes to the maxima; equal ones share it */
export const GlobalMaxPool = defineOp({
  name: "GlobalMaxPool",
  since: 22,
  inputs: ["X"],
  shape: ({ X }) => [...X.shape.slice(0, 2), ...X.shape.slice(2).map(() => 1)],
  gradient: (g, dy, { X }, _attributes, y) => ({
    X: () => {
      const at = g.Cast(g.Equal(X, y), { to: 1 });
      const axes = X.shape.slice(2).map((_, i) => i + 2);
      return g.Mul(g.Div(dy, g.summed(at, axes, true)), at);
    },
  }),
  channels: (c, { X }, [Y]) => coupleFirstTwo(c, X, [Y!]),
  zero: "any",
  samples: [{ inputs: [[2, 3, 4, 5]] }, { inputs: [[2, 3, 4]] }],
});
