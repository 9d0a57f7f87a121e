/** Activations. */

import type { Node } from "../../graph/graph.ts";
import type { DType, Shape } from "../../graph/tensor.ts";
import { defineOp, float, given, int, type Value } from "../core/define.ts";
import type { Channels } from "../core/channels.ts";
import { coupleAll, coupleBroadcast, elementsOf, foldElements, unary } from "../core/elementwise.ts";
import type { Names } from "../core/random-inputs.ts";

/** Steep enough to lift any positive float32 that is not subnormal to 1. */
const steep = 3e38;

/**
 * https://onnx.ai/onnx/operators/onnx__Relu.html — dX = dY · [Y > 0] = dY · [X > 0]. A steep
 * HardSigmoid is that bracket; it runs two to five times as fast as Sign and many times as fast as
 * Where. Only one of X and Y need be kept for it.
 */
export const Relu = unary(
  "Relu",
  14,
  (g, dy, x, y, { asked }) => g.Mul(dy, g.HardSigmoid(asked(x) ? x : y, { alpha: steep, beta: 0 })),
  { zero: "any", homogeneous: true, fold: (x) => Math.max(0, x) },
);

/** https://onnx.ai/onnx/operators/onnx__Sigmoid.html — dX = dY · Y (1 - Y) */
export const Sigmoid = unary("Sigmoid", 13, (g, dy, _x, y) => g.Mul(dy, g.Mul(y, g.Sub(g.scalar(1, y), y))), {
  fold: (x) => 1 / (1 + Math.exp(-x)),
});

/** https://onnx.ai/onnx/operators/onnx__Tanh.html — dX = dY · (1 - Y²) */
export const Tanh = unary("Tanh", 13, (g, dy, _x, y) => g.Mul(dy, g.Sub(g.scalar(1, y), g.Mul(y, y))), {
  zero: "any",
  fold: Math.tanh,
});

/** https://onnx.ai/onnx/operators/onnx__Softplus.html — dX = dY · sigmoid(X) */
export const Softplus = unary("Softplus", 22, (g, dy, x) => g.Mul(dy, g.Sigmoid(x)), {
  fold: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
});

/** https://onnx.ai/onnx/operators/onnx__HardSigmoid.html — Y = clip(alpha X + beta, 0, 1) */
export const HardSigmoid = defineOp({
  name: "HardSigmoid",
  since: 22,
  inputs: ["X"],
  attributes: { alpha: float(0.2), beta: float(0.5) },
  shape: ({ X }) => X.shape,
  gradient: (g, dy, _inputs, { alpha }, y) => ({
    X: () => {
      // Y (1 - Y) is positive exactly where the slope is not zero.
      const inside = g.Sign(g.Mul(y, g.Sub(g.scalar(1, y), y)));
      return g.Mul(dy, g.Mul(inside, g.scalar(alpha, dy)));
    },
  }),
  channels: (c, { X }, [Y]) => coupleAll(c, X, Y!),
  fold: ({ X }, { alpha, beta }) => foldElements([X], X.dtype, (x) => Math.min(1, Math.max(0, alpha * x! + beta))),
  samples: [
    { inputs: [[2, 3, 4]], range: [-4, 4.1] },
    { inputs: [[6]], attributes: { alpha: 0.5, beta: 0.3 } },
  ],
});

/** https://onnx.ai/onnx/operators/onnx__HardSwish.html — Y = X clip(X/6 + 1/2, 0, 1) */
export const HardSwish = unary(
  "HardSwish",
  22,
  (g, dy, x) => {
    const slope = { alpha: 1 / 6, beta: 0.5 };
    const gate = g.HardSigmoid(x, slope);
    const inside = g.Sign(g.Mul(gate, g.Sub(g.scalar(1, gate), gate)));
    return g.Mul(dy, g.Add(gate, g.Mul(x, g.Mul(inside, g.scalar(1 / 6, x)))));
  },
  { range: [-4, 4], zero: "any", fold: (x) => x * Math.min(1, Math.max(0, x / 6 + 0.5)) },
);

/** https://onnx.ai/onnx/operators/onnx__Elu.html — dX = dY where X > 0, dY · (Y + alpha) elsewhere */
export const Elu = defineOp({
  name: "Elu",
  since: 22,
  inputs: ["X"],
  attributes: { alpha: float(1) },
  shape: ({ X }) => X.shape,
  gradient: (g, dy, { X }, { alpha }, y) => ({
    X: () => g.Where(g.Greater(X, g.scalar(0, X)), dy, g.Mul(dy, g.Add(y, g.scalar(alpha, y)))),
  }),
  channels: (c, { X }, [Y]) => coupleAll(c, X, Y!),
  zero: "any",
  fold: ({ X }, { alpha }) => foldElements([X], X.dtype, (x) => (x! > 0 ? x! : alpha * Math.expm1(x!))),
  samples: [{ inputs: [[2, 3, 4]] }, { inputs: [[6]], attributes: { alpha: 0.5 } }],
});

/** https://onnx.ai/onnx/operators/onnx__LeakyRelu.html */
export const LeakyRelu = defineOp({
  name: "LeakyRelu",
  since: 16,
  inputs: ["X"],
  attributes: { alpha: float(0.01) },
  shape: ({ X }) => X.shape,
  gradient: (g, dy, { X }, { alpha }) => ({
    X: () => g.Where(g.Greater(X, g.scalar(0, X)), dy, g.Mul(dy, g.scalar(alpha, dy))),
  }),
  channels: (c, { X }, [Y]) => coupleAll(c, X, Y!),
  zero: "any",
  homogeneous: true,
  fold: ({ X }, { alpha }) => foldElements([X], X.dtype, (x) => (x! > 0 ? x! : alpha * x!)),
  samples: [{ inputs: [[2, 3, 4]] }, { inputs: [[5]], attributes: { alpha: 0.3 } }],
});

/** https://onnx.ai/onnx/operators/onnx__PRelu.html — the slope broadcasts to X */
export const PRelu = defineOp({
  name: "PRelu",
  since: 16,
  inputs: ["X", "slope"],
  shape: ({ X }) => X.shape,
  gradient(g, dy, { X, slope }) {
    const positive = g.Greater(X, g.scalar(0, X));
    return {
      X: () => g.Where(positive, dy, g.Mul(dy, slope)),
      slope: () => g.Where(positive, g.scalar(0, dy), g.Mul(dy, X)),
    };
  },
  channels: (c, { X, slope }, [Y]) => coupleBroadcast(c, [X, slope], Y!),
  zero: "any",
  homogeneous: true,
  samples: [
    { inputs: given([2, 3, 4, 2], [3, 1, 1]) },
    { inputs: [[2, 3], [1]] },
    { inputs: given([2, 3, 4], [2, 3, 4]) },
  ],
});

/** https://onnx.ai/onnx/operators/onnx__Clip.html — the bounds are constants in all that learns */
export const Clip = defineOp({
  name: "Clip",
  since: 13,
  inputs: ["input", "min?", "max?"],
  shape: ({ input }) => input.shape,
  gradient: (g, dy, { input, min, max }) => ({
    input: () => {
      let inside = dy;
      if (min) inside = g.Where(g.Greater(input, min), inside, g.scalar(0, dy));
      if (max) inside = g.Where(g.Less(input, max), inside, g.scalar(0, dy));
      return inside;
    },
  }),
  channels: (c, { input }, [Y]) => coupleAll(c, input, Y!),
  fold({ input, min, max }) {
    const bounds = [min, max].map((bound, i) => (bound ? elementsOf(bound)?.[0] : (2 * i - 1) * Infinity));
    if (bounds.includes(undefined)) return undefined;
    const [low, high] = bounds as [number, number];
    return foldElements([input], input.dtype, (x) => Math.min(Math.max(x!, low), high));
  },
  zero({ min, max }) {
    const bound = (value: Value | undefined, open: number) =>
      value === undefined ? open : value.constant ? Number(value.constant.data[0]) : Number.NaN;
    return bound(min, -1) <= 0 && bound(max, 1) >= 0 ? "any" : undefined;
  },
  samples: [
    {
      inputs: [
        [2, 3, 4],
        { dtype: "float32", shape: [], data: Float32Array.of(-0.4) },
        { dtype: "float32", shape: [], data: Float32Array.of(0.6) },
      ],
    },
    { inputs: [[2, 3, 4], null, { dtype: "float32", shape: [], data: Float32Array.of(0.1) }] },
    { inputs: [[7], { dtype: "float32", shape: [], data: Float32Array.of(-0.1) }] },
  ],
});

function coupleNormalised(c: Channels, x: Value, y: Value, axis: number): void {
  coupleAll(c, x, y);
  c.inexact(c.axis(x, axis), "it divides by a sum in which a zero counts as e⁰");
}

const axisSamples = [
  { inputs: [[3, 5] as Shape] },
  { inputs: [[2, 4, 3] as Shape], attributes: { axis: 1 } },
  { inputs: [[4, 3] as Shape], attributes: { axis: -2 } },
];

/** https://onnx.ai/onnx/operators/onnx__Softmax.html — dX = Y · (dY - Σ dY Y) */
export const Softmax = defineOp({
  name: "Softmax",
  since: 13,
  inputs: ["input"],
  attributes: { axis: int(-1) },
  shape: ({ input }) => input.shape,
  gradient: (g, dy, _inputs, { axis }, y) => ({
    input: () => g.Mul(y, g.Sub(dy, g.summed(g.Mul(dy, y), [axis], true))),
  }),
  channels: (c, { input }, [Y], { axis }) => coupleNormalised(c, input, Y!, axis),
  samples: axisSamples,
});

/** https://onnx.ai/onnx/operators/onnx__LogSoftmax.html — dX = dY - exp(Y) Σ dY */
export const LogSoftmax = defineOp({
  name: "LogSoftmax",
  since: 13,
  inputs: ["input"],
  attributes: { axis: int(-1) },
  shape: ({ input }) => input.shape,
  gradient: (g, dy, _inputs, { axis }, y) => ({
    input: () => g.Sub(dy, g.Mul(g.Exp(y), g.summed(dy, [axis], true))),
  }),
  channels: (c, { input }, [Y], { axis }) => coupleNormalised(c, input, Y!, axis),
  samples: axisSamples,
});

/**
 * https://onnx.ai/onnx/operators/onnx__Dropout.html — the identity unless `training_mode` is
 * true; then dX = dY · mask / (1 - ratio).
 */
export const Dropout = defineOp({
  name: "Dropout",
  since: 22,
  inputs: ["data", "ratio?", "training_mode?"],
  outputs: ["output", "mask"],
  attributes: { seed: int() },
  shape: ({ data }) => [data.shape, data.shape],
  dtype: ({ data }) => [data.dtype, "bool"],
  gradient: (g, dy, { data, ratio, training_mode }, _attributes, _y, pullback) => ({
    data: () => {
      if (training_mode === undefined || training_mode.constant?.data[0] === 0) return dy;
      const mask = g.Cast(pullback.output(1), { to: dtypeCode(data) });
      const kept = g.Sub(g.scalar(1, data), ratio ?? g.scalar(0.5, data));
      return g.Div(g.Mul(dy, mask), kept);
    },
  }),
  channels(c, { data }, [output, mask]) {
    coupleAll(c, data, output!);
    if (mask) coupleAll(c, data, mask);
  },
  zero: "any",
  fold: ({ data, training_mode }) => (training_mode || data.constant === undefined ? undefined : [data.constant]),
  random: true,
  training: {
    inputs: { 2: { dtype: "bool", shape: [], data: Uint8Array.of(1) } },
    noise: { like: 0, nodes: keepByNoise },
  },
  samples: [
    { inputs: [[2, 3, 4]] },
    { inputs: [[6], { dtype: "float32", shape: [], data: Float32Array.of(0.3) }], outputs: 2 },
  ],
});

/** output = data · (noise >= ratio) / (1 - ratio), and the mask. */
function keepByNoise(node: Node, noise: string, dtype: DType, names: Names): Node[] {
  const [data, given] = node.inputs;
  const [output, mask] = node.outputs;
  const made: Node[] = [];
  const emit = (op: string, inputs: readonly string[], to?: string, attributes: Node["attributes"] = {}): string => {
    const result = to || names.fresh(`${output}_${op}`);
    made.push({ op, domain: "", name: `${node.name || output}/${result}`, inputs, outputs: [result], attributes });
    return result;
  };
  const cast = (value: string, to: DType): string =>
    emit("Cast", [value], undefined, { to: { type: "int", value: dtypeCode({ dtype: to }) } });
  const scalar = (value: number): string =>
    names.constant(`${output}_${value}`, { dtype: "float32", shape: [], data: Float32Array.of(value) });
  const ratio = given ? cast(given, "float32") : scalar(0.5);
  const kept = cast(emit("GreaterOrEqual", [noise, ratio], mask), "float32");
  const scale = emit("Div", [kept, emit("Sub", [scalar(1), ratio])]);
  emit("Mul", [data!, cast(scale, dtype)], output);
  return made;
}

/** The number by which Cast names a float element type. */
const dtypeCode = ({ dtype }: { readonly dtype: DType }): number =>
  ({ float32: 1, float16: 10, float64: 11, bfloat16: 16 })[dtype as "float32"];
