/** Pools. */

import { sizeOf, tensor } from "../../graph/tensor.ts";
import { defineOp, int, ints, string, type Value } from "../core/define.ts";
import type { Channels } from "../core/channels.ts";
import { extent, slide, windowOf, type Window, type WindowAttributes } from "../gradients/geometry.ts";
import type { Emit } from "../core/emit.ts";
import { integers } from "../core/indexing.ts";
import { convInputGradient } from "../gradients/spatial.ts";

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

/** The input that as many windows have at least. */
const unpooled = (out: readonly number[], { kernel, strides, before, after }: Window) =>
  out.map((size, i) => (size - 1) * strides[i]! - before[i]! - after[i]! + kernel[i]!);

/** Whether windows stand beside each other and fill the input to its end. */
function tiles(spatial: readonly number[], out: readonly number[], window: Window): boolean {
  const { kernel, dilations, strides } = window;
  const filled = unpooled(out, window);
  return spatial.every((size, i) => filled[i] === size && extent(kernel[i]!, dilations[i]!) <= strides[i]!);
}

/**
 * https://onnx.ai/onnx/operators/onnx__MaxPool.html — dX: dY where the maxima stood, by the second output's flat
 * indices; added where windows overlap
 */
export const MaxPool = defineOp({
  name: "MaxPool",
  since: 22,
  inputs: ["X"],
  outputs: ["Y", "Indices"],
  attributes: { ...attributes, storage_order: int(0) },
  shape: ({ X }, attrs) => [poolShape(X, attrs), poolShape(X, attrs)],
  dtype: ({ X }) => [X.dtype, "int64"],
  gradient: (g, dy, { X }, attrs, _y, pullback) => ({
    X: () => {
      const window = poolWindow(X, attrs);
      const indices = pullback.output(1);
      if (tiles(X.shape.slice(2), dy.shape.slice(2), window)) {
        const { kernel, strides, before, after } = window;
        return g.MaxUnpool(dy, indices, { kernel_shape: kernel, strides, pads: [...before, ...after] });
      }
      const flat = g.reshaped(indices, [sizeOf(dy.shape)]);
      const scattered = g.ScatterElements(g.zeros([sizeOf(X.shape)], flat), flat, g.reshaped(dy, [sizeOf(dy.shape)]), {
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
  homogeneous: true,
  samples: [
    { inputs: [[2, 3, 6, 6]], attributes: { kernel_shape: [2, 2], strides: [2, 2] } },
    { inputs: [[2, 3, 7, 6]], attributes: { kernel_shape: [2, 2], strides: [3, 2], pads: [1, 0, 0, 0] } },
    { inputs: [[2, 3, 7, 6]], attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] } },
    { inputs: [[2, 3, 7, 8]], attributes: { kernel_shape: [2, 3], strides: [2, 2], ceil_mode: 1 } },
    { inputs: [[2, 3, 7, 8]], attributes: { kernel_shape: [2, 2], strides: [3, 2], pads: [1, 0, 0, 1] } },
    { inputs: [[2, 3, 9, 8]], attributes: { kernel_shape: [2, 2], strides: [2, 3], ceil_mode: 1 } },
    // Enough for zeros that a run makes.
    { inputs: [[2, 3, 30, 30]], attributes: { kernel_shape: [3, 3], strides: [2, 2] } },
    { inputs: [[2, 3, 5, 5]], attributes: { kernel_shape: [3, 3], auto_pad: "SAME_UPPER" } },
    { inputs: [[2, 3, 9]], attributes: { kernel_shape: [3], strides: [2] } },
    { inputs: [[2, 3, 6, 6]], attributes: { kernel_shape: [2, 2], strides: [2, 2] }, outputs: 2 },
  ],
});

/**
 * https://onnx.ai/onnx/operators/onnx__MaxUnpool.html — Y[I] = X, zero elsewhere; dX = dY[I]. No channels:
 * indices count elements of the whole output
 */
export const MaxUnpool = defineOp({
  name: "MaxUnpool",
  since: 22,
  inputs: ["X", "I", "output_shape?"],
  attributes: { kernel_shape: ints(), pads: ints(), strides: ints() },
  shape({ X, output_shape }, attrs) {
    if (output_shape) return integers(output_shape);
    const spatial = X.shape.slice(2);
    const window = windowOf(spatial, attrs.kernel_shape ?? [], { ...attrs, auto_pad: "NOTSET" });
    return [...X.shape.slice(0, 2), ...unpooled(spatial, window)];
  },
  gradient: (g, dy, { X, I }) => ({
    X: () => {
      const flat = (value: Value) => g.reshaped(value, [sizeOf(value.shape)]);
      return g.reshaped(g.GatherElements(flat(dy), flat(I), { axis: 0 }), X.shape);
    },
  }),
  samples: [
    {
      inputs: [[1, 2, 2, 2], tensor("int64", [1, 2, 2, 2], [0, 3, 9, 10, 21, 18, 28, 27])],
      attributes: { kernel_shape: [2, 2], strides: [2, 2] },
    },
    {
      inputs: [[2, 1, 3], tensor("int64", [2, 1, 3], [1, 2, 5, 7, 10, 12]), tensor("int64", [3], [2, 1, 7])],
      attributes: { kernel_shape: [2], strides: [2] },
    },
  ],
});

/**
 * https://onnx.ai/onnx/operators/onnx__AveragePool.html — a depthwise Conv with a kernel of ones over the number of
 * elements in the window; dX is that Conv's.
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
  homogeneous: true,
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
    { inputs: [[2, 3, 5, 5]], attributes: { kernel_shape: [3, 3], auto_pad: "SAME_LOWER", strides: [2, 2] } },
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
  homogeneous: true,
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
  homogeneous: true,
  samples: [{ inputs: [[2, 3, 4, 5]] }, { inputs: [[2, 3, 4]] }],
});
