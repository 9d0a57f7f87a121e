/** Normalisations over axes of their own choice, and over neighbouring channels. */

import { fail } from "../../graph/error.ts";
import { sizeOf, type NumericDType, type Shape } from "../../graph/tensor.ts";
import type { Channels } from "../core/channels.ts";
import { defineOp, float, given, int, ints, type Value } from "../core/define.ts";
import { coupleAll, coupleBroadcast } from "../core/elementwise.ts";
import type { Emit } from "../core/emit.ts";
import { positive } from "../core/indexing.ts";
import { meanOver, standardise, standardiseGradient } from "../gradients/standardise.ts";

/** All axes from `axis` on. */
const from = (X: Value, axis: number): number[] => {
  const first = positive(axis, X.shape.length);
  return X.shape.flatMap((_, i) => (i < first ? [] : [i]));
};

/** Axes that a statistic is over can be cut, but the statistic counts what is zero and not what is gone. */
const counts = (c: Channels, X: Value, axes: readonly number[], what: string): void =>
  axes.forEach((axis) => c.inexact(c.axis(X, axis), `${what} over this axis counts zeros too`));

/** Refuses a scale or bias that does not broadcast to the input. */
function checkBroadcast(X: Value, ...vectors: readonly (Value | undefined)[]): void {
  for (const vector of vectors) {
    const fits = (dim: number, i: number): boolean =>
      dim === 1 || dim === X.shape[i + X.shape.length - vector!.shape.length];
    if (vector && (vector.shape.length > X.shape.length || !vector.shape.every(fits)))
      fail("bad-model", `"${vector.name}" [${vector.shape.join(", ")}] does not fit an input [${X.shape.join(", ")}]`);
  }
}

/**
 * The scale of a normalisation over the axes from `axis` on, where what its kernels on other devices than the CPU are
 * given is not of the shape that they normalise. The kernel of cuda then gives wrong numbers without a word, and that
 * of webgpu refuses it (onnxruntime 1.30). `undefined` where all are.
 */
function plainScale(g: Emit, X: Value, axis: number, ...vectors: readonly (Value | undefined)[]): Value | undefined {
  const shape = X.shape.slice(positive(axis, X.shape.length));
  const fits = (vector: Value | undefined): boolean =>
    vector === undefined || (vector.shape.length === shape.length && vector.shape.every((dim, i) => dim === shape[i]));
  return vectors.every(fits) ? undefined : g.filled(1, shape, X.dtype as NumericDType);
}

/**
 * https://onnx.ai/onnx/operators/onnx__LayerNormalization.html — Y = Scale · X̂ + B, where X̂ = (X -
 * Mean) · InvStdDev is X standardised over all axes from `axis` on. Over D elements, ∂Mean/∂x = 1/D
 * and ∂InvStdDev/∂x = -InvStdDev² X̂ / D.
 */
export const LayerNormalization = defineOp({
  name: "LayerNormalization",
  since: 17,
  inputs: ["X", "Scale", "B?"],
  outputs: ["Y", "Mean", "InvStdDev"],
  attributes: { axis: int(-1), epsilon: float(1e-5), stash_type: int(1) },
  shape({ X, Scale, B }, { axis, stash_type }) {
    if (stash_type !== 1) fail("unsupported", `its stash_type ${stash_type} is not known, only 1 (float32)`);
    checkBroadcast(X, Scale, B);
    const gone = from(X, axis);
    const statistics = X.shape.map((dim, i) => (gone.includes(i) ? 1 : dim));
    return [X.shape, statistics, statistics];
  },
  dtype: ({ X }) => [X.dtype, "float32", "float32"],
  gradient(g, _dy, { X, Scale, B }, { axis }, _y, pullback) {
    const axes = from(X, axis);
    const share = g.scalar(1 / sizeOf(axes.map((i) => X.shape[i]!)), X);
    const inverse = pullback.output(2);
    const unit = g.Mul(g.Sub(X, pullback.output(1)), inverse);
    const [dY, dMean, dInverse] = pullback.dys;
    return {
      X: () => {
        const terms: Value[] = [];
        if (dY) terms.push(standardiseGradient(g, g.Mul(dY, Scale), { unit, inverse }, axes));
        if (dMean) terms.push(g.Mul(dMean, share));
        if (dInverse) terms.push(g.Neg(g.Mul(unit, g.Mul(g.Mul(dInverse, share), g.Mul(inverse, inverse)))));
        return terms.reduce((sum, term) => g.Add(sum, term));
      },
      Scale: dY && (() => g.Mul(dY, unit)),
      B: B && dY && (() => dY),
    };
  },
  channels(c, { X, Scale, B }, [Y, ...statistics], { axis }) {
    coupleBroadcast(c, [X, Scale, B], Y!);
    const gone = from(X, axis);
    for (const value of statistics)
      X.shape.forEach((_, i) => !gone.includes(i) && c.same(c.axis(X, i), c.axis(value, i)));
    counts(c, X, gone, "its mean and variance");
  },
  zero: "all",
  deviceFallback(g, { X, Scale, B }, { axis, ...rest }, _device, outputs) {
    const ones = plainScale(g, X, axis, Scale, B);
    if (!ones) return undefined;
    const [unit, ...statistics] = g.many("LayerNormalization", [X, ones], { axis, ...rest }, outputs);
    const scaled = g.Mul(unit!, Scale);
    return [B ? g.Add(scaled, B) : scaled, ...statistics];
  },
  samples: [
    { inputs: [[2, 3, 5], [5], [5]] },
    { inputs: [[2, 3, 4], [3, 4], null], attributes: { axis: 1, epsilon: 0.1 } },
    { inputs: [[3, 4, 5], [5], [4, 1]], attributes: { axis: -2 } },
    { inputs: [[2, 3, 4], [4], [4]], attributes: { axis: 2, epsilon: 0.01 }, outputs: 3 },
  ],
});

/**
 * https://onnx.ai/onnx/operators/onnx__RMSNormalization.html — Y = scale · X̂, X̂ = X · r, r = 1/√(mean(X²) + epsilon)
 * over all axes from `axis` on; dX = r · (d - X̂ · mean(d · X̂)) with d = dY · scale.
 */
export const RMSNormalization = defineOp({
  name: "RMSNormalization",
  since: 23,
  inputs: ["X", "scale"],
  attributes: { axis: int(-1), epsilon: float(1e-5), stash_type: int(1) },
  shape({ X, scale }) {
    checkBroadcast(X, scale);
    return X.shape;
  },
  gradient(g, dy, { X, scale }, { axis, epsilon }) {
    const axes = from(X, axis);
    const r = g.Reciprocal(g.Sqrt(g.Add(meanOver(g, g.Mul(X, X), axes), g.scalar(epsilon, X))));
    const unit = g.Mul(X, r);
    return {
      X: () => {
        const d = g.Mul(dy, scale);
        return g.Mul(r, g.Sub(d, g.Mul(unit, meanOver(g, g.Mul(d, unit), axes))));
      },
      scale: () => g.Mul(dy, unit),
    };
  },
  channels(c, { X, scale }, [Y], { axis }) {
    coupleBroadcast(c, [X, scale], Y!);
    counts(c, X, from(X, axis), "its mean of squares");
  },
  zero: "any",
  deviceFallback(g, { X, scale }, { axis, ...rest }) {
    const ones = plainScale(g, X, axis, scale);
    return ones && [g.Mul(g.RMSNormalization(X, ones, { axis, ...rest }), scale)];
  },
  samples: [
    { inputs: [[2, 3, 5], [5]] },
    { inputs: given([2, 3, 4], [3, 4]), attributes: { axis: 1, epsilon: 0.1 } },
    { inputs: given([3, 4, 5], [4, 1]), attributes: { axis: -2 } },
  ],
});

/**
 * https://onnx.ai/onnx/operators/onnx__LpNormalization.html — Y = X / n, n = √ΣX² or Σ|X| along an axis, and 0 where n
 * is; dX = (dY - u · Σ dY Y) / n with u = Y for p = 2, sign(X) for p = 1. A sum counts no zeros: cutting is zeroing.
 */
export const LpNormalization = defineOp({
  name: "LpNormalization",
  since: 22,
  inputs: ["input"],
  outputs: ["output"],
  attributes: { axis: int(-1), p: int(2) },
  shape: ({ input }) => input.shape,
  gradient: (g, dy, { input }, { axis, p }, y) => ({
    input: () => {
      const at = [positive(axis, input.shape.length)];
      const n = p === 1 ? g.summed(g.Abs(input), at, true) : g.Sqrt(g.summed(g.Mul(input, input), at, true));
      const zero = g.scalar(0, input);
      const inverse = g.Where(g.Greater(n, zero), g.Reciprocal(n), zero);
      const along = g.Mul(p === 1 ? g.Sign(input) : y, g.summed(g.Mul(dy, y), at, true));
      return g.Mul(g.Sub(dy, along), inverse);
    },
  }),
  channels: (c, { input }, [output]) => coupleAll(c, input, output!),
  zero: "any",
  samples: [
    { inputs: [[2, 3, 4]] },
    { inputs: [[2, 4, 3]], attributes: { axis: 1, p: 1 } },
    { inputs: [[4, 3]], attributes: { axis: -2, p: 2 } },
  ],
});

const overBatchAndSpace: Shape = [0, 2, 3];

/** https://onnx.ai/onnx/operators/onnx__MeanVarianceNormalization.html — Y = (X - mean) / √variance over `axes` */
export const MeanVarianceNormalization = defineOp({
  name: "MeanVarianceNormalization",
  since: 13,
  inputs: ["X"],
  attributes: { axes: ints() },
  shape: ({ X }) => X.shape,
  gradient(g, dy, { X }, { axes = overBatchAndSpace }) {
    const over = axes.map((axis) => positive(axis, X.shape.length));
    // The specification's guard against a variance of 0.
    return { X: () => standardiseGradient(g, dy, standardise(g, X, over, 1e-9), over) };
  },
  channels(c, { X }, [Y], { axes = overBatchAndSpace }) {
    coupleAll(c, X, Y!);
    counts(c, X, axes, "its mean and variance");
  },
  samples: [
    { inputs: [[2, 3, 4, 2]] },
    { inputs: [[3, 4, 5]], attributes: { axes: [1, -1] } },
    { inputs: [[4, 5]], attributes: { axes: [0] } },
  ],
});

/** Σ over the window of channels around each channel. */
function windowSum(g: Emit, x: Value, size: number): Value {
  const [n, c, ...space] = x.shape as [number, number, ...number[]];
  const reach = (size - 1) / 2;
  const summed = g.Conv(g.reshaped(x, [n, 1, c, sizeOf(space)]), g.filled(1, [1, 1, size, 1]), {
    kernel_shape: [size, 1],
    pads: [reach, 0, reach, 0],
  });
  return g.reshaped(summed, x.shape);
}

/**
 * https://onnx.ai/onnx/operators/onnx__LRN.html — Y = X · s^-beta, s = bias + alpha/size · W(X²), where W sums over a
 * window of `size` neighbouring channels; dX = dY · s^-beta - 2 · alpha · beta / size · X · W(dY · Y / s).
 */
export const LRN = defineOp({
  name: "LRN",
  since: 13,
  inputs: ["X"],
  attributes: { alpha: float(1e-4), beta: float(0.75), bias: float(1), size: int(1) },
  shape({ X }, { size }) {
    if (X.shape.length !== 4) fail("unsupported", `an input of rank ${X.shape.length} is not known, only images`);
    if (size % 2 === 0) fail("unsupported", `its size ${size} is even, so that its window has no middle`);
    return X.shape;
  },
  gradient: (g, dy, { X }, { alpha, beta, bias, size }, y) => ({
    X: () => {
      const s = g.Add(g.scalar(bias, X), g.Mul(g.scalar(alpha / size, X), windowSum(g, g.Mul(X, X), size)));
      const mixed = windowSum(g, g.Div(g.Mul(dy, y), s), size);
      return g.Sub(
        g.Mul(dy, g.Pow(s, g.scalar(-beta, X))),
        g.Mul(g.scalar((2 * alpha * beta) / size, X), g.Mul(X, mixed)),
      );
    },
  }),
  channels(c, { X }, [Y], { size }) {
    coupleAll(c, X, Y!);
    // Exact where a window holds nothing but its middle, or every channel: a sum of squares counts no zeros.
    if (size > 1 && (size - 1) / 2 < X.shape[1]! - 1)
      c.inexact(c.axis(X, 1), "channels move together, so that windows hold other neighbours");
  },
  zero: "any",
  samples: [
    { inputs: [[2, 5, 2, 3]], attributes: { size: 3, alpha: 2, bias: 0.5 } },
    { inputs: [[2, 3, 2, 2]], attributes: { size: 5, alpha: 3, beta: 0.5, bias: 2 } },
    { inputs: [[1, 4, 2, 2]], attributes: { size: 1, alpha: 1 } },
    { inputs: [[1, 4, 2, 2]], attributes: { size: 5, alpha: 1 } },
  ],
});
