/** Normalisations. */

import { fail } from "../graph/error.ts";
import { sizeOf } from "../graph/tensor.ts";
import { defineOp, float, int, type Value } from "./define.ts";
import type { Emit } from "./emit.ts";

/** A vector over channels, shaped so that it broadcasts over [N, C, ...]. */
const perChannel = (g: Emit, v: Value, rank: number): Value =>
  g.reshaped(v, [v.shape[0]!, ...Array.from({ length: rank - 2 }, () => 1)]);

const allButChannel = (x: Value): number[] => x.shape.flatMap((_, i) => (i === 1 ? [] : [i]));

/** Mean and variance of a batch for each channel, [C] each, as E[x] and E[x²] - E[x]²: two passes over X. */
function statistics(g: Emit, X: Value): { mean: Value; variance: Value } {
  const axes = g.ints(allButChannel(X));
  const mean = g.ReduceMean(X, axes, { keepdims: 0 });
  const square = g.ReduceMean(g.Mul(X, X), axes, { keepdims: 0 });
  // Rounding may leave a constant channel a variance just below 0.
  return { mean, variance: g.Relu(g.Sub(square, g.Mul(mean, mean))) };
}

/**
 * https://onnx.ai/onnx/operators/onnx__BatchNormalization.html — Y = scale · (X - mean) / √(var + epsilon) + B.
 * In training mode mean and variance are the batch's, and the running ones leave as further outputs.
 */
export const BatchNormalization = defineOp({
  name: "BatchNormalization",
  since: 15,
  inputs: ["X", "scale", "B", "input_mean", "input_var"],
  outputs: ["Y", "running_mean", "running_var"],
  attributes: { epsilon: float(1e-5), momentum: float(0.9), training_mode: int(0) },
  shape({ X, scale }) {
    const channels = X.shape[1] ?? 1;
    if (scale.shape[0] !== channels)
      fail("bad-model", `scale [${scale.shape.join(", ")}] does not fit ${channels} channels`);
    return [X.shape, scale.shape, scale.shape];
  },
  gradient(g, dy, { X, scale, input_mean, input_var }, { epsilon, training_mode }) {
    const rank = X.shape.length;
    const { mean, variance } = training_mode ? statistics(g, X) : { mean: input_mean, variance: input_var };
    const inverse = g.Reciprocal(g.Sqrt(g.Add(variance, g.scalar(epsilon, X))));
    const sum = () => g.summed(dy, allButChannel(X));
    // Σ dY (X - mean), from sums that are needed anyway
    const centred = () => g.Sub(g.summed(g.Mul(dy, X), allButChannel(X)), g.Mul(mean, sum()));
    const factor = g.Mul(scale, inverse);
    const result = {
      scale: () => g.Mul(centred(), inverse),
      B: sum,
    };
    if (!training_mode)
      return {
        ...result,
        X: () => g.Mul(dy, perChannel(g, factor, rank)),
        input_mean: () => g.Neg(g.Mul(sum(), factor)),
        // ∂/∂var = -½ scale (var + ε)^-3/2 Σ dY (X - mean)
        input_var: () => g.Mul(g.Mul(centred(), g.Mul(factor, g.Mul(inverse, inverse))), g.scalar(-0.5, X)),
      };
    return {
      ...result,
      // dX = a dY + b X + c with a = scale/σ, b = -a/(σ² n) Σ dY (X - mean), c = -a/n Σ dY - b mean
      X: () => {
        const perElement = g.scalar(X.shape[1]! / sizeOf(X.shape), X);
        const b = g.Neg(g.Mul(g.Mul(factor, g.Mul(inverse, inverse)), g.Mul(centred(), perElement)));
        const c = g.Neg(g.Add(g.Mul(factor, g.Mul(sum(), perElement)), g.Mul(b, mean)));
        return g.Add(g.Mul(dy, perChannel(g, factor, rank)), affine(g, X, b, c));
      },
    };
  },
  channels(c, { X, scale, B, input_mean, input_var }, outputs, { training_mode }) {
    c.same(
      c.axis(X, 1),
      c.axis(outputs[0]!, 1),
      ...[scale, B, input_mean, input_var, ...outputs.slice(1)].map((v) => c.axis(v, 0)),
    );
    // A batch's statistics count what they average.
    if (!training_mode) X.shape.forEach((_, i) => i !== 1 && c.same(c.axis(X, i), c.axis(outputs[0]!, i)));
  },
  decompose(g, { X, scale, B, input_mean, input_var }, { epsilon, momentum, training_mode }, outputs) {
    if (!training_mode) return undefined;
    const { mean, variance } = statistics(g, X);
    const Y = g.BatchNormalization(X, scale, B, mean, variance, { epsilon });
    const running = (old: Value, now: Value) =>
      g.Add(g.Mul(old, g.scalar(momentum, old)), g.Mul(now, g.scalar(1 - momentum, old)));
    return [Y, running(input_mean, mean), running(input_var, variance)].slice(0, outputs);
  },
  training: { attributes: { training_mode: 1 }, states: { 1: 3, 2: 4 } },
  samples: [
    { inputs: [[2, 3, 4, 4], [3], [3], [3], [3]], range: [0.5, 1.5] },
    { inputs: [[4, 3], [3], [3], [3], [3]], attributes: { epsilon: 0.1 }, range: [0.5, 1.5] },
    {
      inputs: [[4, 3, 2, 3], [3], [3], [3], [3]],
      attributes: { training_mode: 1, epsilon: 0.01 },
      outputs: 3,
      // Means away from 1, which would be their own squares.
      range: [0.2, 1.2],
    },
  ],
});

/** X · b + c for each channel, in one pass by the kernel that is made for it. */
function affine(g: Emit, X: Value, b: Value, c: Value): Value {
  const zero = g.filled(0, b.shape);
  const one = g.filled(1, b.shape);
  return g.BatchNormalization(X, b, c, zero, one, { epsilon: 0 });
}
