/** BatchNormalization: as it infers, as it learns, and as devices and single threads compute it. */

import { fail } from "../../graph/error.ts";
import { sizeOf } from "../../graph/tensor.ts";
import { defineOp, float, int, type Value } from "../core/define.ts";
import { computed, elementsOf } from "../core/elementwise.ts";
import type { Emit } from "../core/emit.ts";
import { allButChannel, perChannel } from "../gradients/standardise.ts";

/** The sum for each sample and channel, [N, C]. */
const overSpace = (g: Emit, x: Value): Value =>
  g.summed(
    x,
    x.shape.slice(2).map((_, i) => i + 2),
  );

/** 1 / √(variance + epsilon) */
const inverseOf = (g: Emit, variance: Value, epsilon: number): Value =>
  g.Reciprocal(g.Sqrt(g.Add(variance, g.scalar(epsilon, variance))));

interface Moments {
  readonly mean: Value;
  readonly variance: Value;
}

/**
 * Mean and variance of a batch for each channel, [C] each, by other operators. Over images as E[x] and
 * E[x²] - E[x]², two passes over X; over vectors, whose few samples may lie close together far from 0, as
 * E[(x - E[x])²], which does not cancel.
 */
function momentsOf(g: Emit, X: Value): Moments {
  const axes = g.ints(allButChannel(X));
  const mean = g.ReduceMean(X, axes, { keepdims: 0 });
  if (X.shape.length === 2) {
    const centred = g.Sub(X, mean);
    return { mean, variance: g.ReduceMean(g.Mul(centred, centred), axes, { keepdims: 0 }) };
  }
  const square = g.ReduceMean(g.Mul(X, X), axes, { keepdims: 0 });
  // Rounding may leave a constant channel a variance just below 0.
  return { mean, variance: g.Relu(g.Sub(square, g.Mul(mean, mean))) };
}

type NormalisationInputs = Readonly<Record<"X" | "scale" | "B" | "input_mean" | "input_var", Value>>;

/**
 * Y, mean and variance of a batch, from a node that keeps none of the past. onnxruntime writes statistics
 * over those that it was given, whoever else reads them: here it is given numbers of X, so that two nodes
 * which share them would write the same.
 */
function ofBatch(g: Emit, X: Value, scale: Value, B: Value, epsilon: number): [Value, Value, Value] {
  const axes = allButChannel(X);
  const [first, one] = [axes.map(() => 0), axes.map(() => 1)];
  const mean = g.reshaped(g.sliced(X, axes, first, one), scale.shape);
  const attributes = { epsilon, training_mode: 1, momentum: 0 };
  return g.many("BatchNormalization", [X, scale, B, mean, g.Neg(mean)], attributes, 3) as [Value, Value, Value];
}

/** What a normalisation standardises by: the batch's statistics while training, else the running ones. */
function statistics(
  g: Emit,
  inputs: NormalisationInputs,
  { epsilon, training_mode }: { readonly epsilon: number; readonly training_mode: number },
): Moments {
  if (!training_mode) return { mean: inputs.input_mean, variance: inputs.input_var };
  const [, mean, variance] = ofBatch(g, inputs.X, inputs.scale, inputs.B, epsilon);
  return { mean, variance };
}

/** Running statistics after those of a batch. */
const running = (g: Emit, old: Value, now: Value, momentum: number): Value =>
  momentum === 0 ? now : g.Add(g.Mul(old, g.scalar(momentum, old)), g.Mul(now, g.scalar(1 - momentum, old)));

/** What was normalised in training mode, with the running statistics after those of the batch. */
const withRunning = (
  g: Emit,
  Y: Value,
  { input_mean, input_var }: NormalisationInputs,
  { mean, variance }: Moments,
  momentum: number,
): readonly Value[] => [Y, running(g, input_mean, mean, momentum), running(g, input_var, variance, momentum)];

/** What gradients are made of, for each channel: scale/σ, 1/σ, Σ dY and Σ dY (X - mean). */
function channelSums(g: Emit, dy: Value, { X, scale }: NormalisationInputs, at: Moments, epsilon: number) {
  const inverse = inverseOf(g, at.variance, epsilon);
  const factor = g.Mul(scale, inverse);
  const sum = () => g.summed(overSpace(g, dy), [0]);
  // From sums that are needed anyway.
  const centred = () => g.Sub(g.summed(overSpace(g, g.Mul(dy, X)), [0]), g.Mul(at.mean, sum()));
  return { factor, inverse, sum, centred };
}

/**
 * Gradients in training mode, where the statistics follow from X.
 * dX = a dY + b X̂ + c with a = scale/σ, b = -a/(σ n) Σ dY (X - mean) + 2σ/n dVar, c = -a/n Σ dY + 1/n dMean
 */
function throughBatch(
  g: Emit,
  { X, scale }: NormalisationInputs,
  { epsilon, momentum }: { readonly epsilon: number; readonly momentum: number },
  { mean, variance }: Moments,
  { factor, inverse, sum, centred }: ReturnType<typeof channelSums>,
  [dY, dMean, dVariance]: readonly (Value | undefined)[],
) {
  const share = 1 / (sizeOf(X.shape) / X.shape[1]!);
  const added = (a: Value | undefined, b: Value | undefined): Value =>
    a && b ? g.Add(a, b) : (a ?? b ?? g.filled(0, scale.shape));
  const times = (value: Value, by: number): Value => g.Mul(value, g.scalar(by, value));
  // Running statistics take the rest of their momentum from the batch's.
  const now = (value: Value | undefined, by: number): Value | undefined =>
    value && momentum !== 1 ? times(value, by * (1 - momentum) * share) : undefined;
  return {
    X: () => {
      const less = dY && times(factor, -share);
      const spread = now(dVariance, 2);
      const b = added(less && g.Mul(less, g.Mul(centred(), inverse)), spread && g.Div(spread, inverse));
      const c = added(less && g.Mul(less, sum()), now(dMean, 1));
      const rest = g.BatchNormalization(X, b, c, mean, variance, { epsilon });
      return dY ? g.Add(g.Mul(dY, perChannel(g, factor, X.shape.length)), rest) : rest;
    },
    input_mean: dMean && (() => times(dMean, momentum)),
    input_var: dVariance && (() => times(dVariance, momentum)),
  };
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
  gradient(g, dy, inputs, attributes, _y, { dys }) {
    const at = statistics(g, inputs, attributes);
    const back = channelSums(g, dy, inputs, at, attributes.epsilon);
    const { factor, inverse, sum, centred } = back;
    const parameters = dys[0] && { scale: () => g.Mul(centred(), inverse), B: sum };
    if (attributes.training_mode) return { ...parameters, ...throughBatch(g, inputs, attributes, at, back, dys) };
    return {
      ...parameters,
      X: () => g.Mul(dy, perChannel(g, factor, inputs.X.shape.length)),
      input_mean: () => g.Neg(g.Mul(sum(), factor)),
      // ∂/∂var = -½ scale (var + ε)^-3/2 Σ dY (X - mean)
      input_var: () => g.Mul(g.Mul(centred(), g.Mul(factor, g.Mul(inverse, inverse))), g.scalar(-0.5, inputs.X)),
    };
  },
  // Σ Y dY = scale/σ (Σ dY X - mean Σ dY) + B Σ dY
  gate(g, dy, inputs, attributes) {
    const { X, scale, B } = inputs;
    const { mean, variance } = statistics(g, inputs, attributes);
    const sum = overSpace(g, dy);
    const centred = g.Sub(overSpace(g, g.Mul(dy, X)), g.Mul(mean, sum));
    return g.Add(g.Mul(centred, g.Mul(scale, inverseOf(g, variance, attributes.epsilon))), g.Mul(B, sum));
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
  wholeGroupRemoval(g, { X, scale, B, input_mean, input_var }, { shape }, { epsilon, training_mode }, isZero) {
    if (!isZero(X)) return undefined;
    const deviation = g.Sqrt(g.Add(input_var, g.scalar(epsilon, scale)));
    const shift = training_mode ? B : g.Sub(B, g.Div(g.Mul(input_mean, scale), deviation));
    return shape.length === 1 ? shift : g.reshaped(shift, [1, ...B.shape, ...shape.slice(2).map(() => 1)]);
  },
  fold({ X, scale, B, input_mean, input_var }, { epsilon, training_mode }, [Y]) {
    const given = [X, scale, B, input_mean, input_var].map(elementsOf);
    if (training_mode || given.includes(undefined)) return undefined;
    const [x, factor, shift, mean, variance] = given as number[][];
    const inner = sizeOf(X.shape.slice(2));
    const values = x!.map((value, i) => {
      const channel = Math.floor(i / inner) % factor!.length;
      const unit = (value - mean![channel]!) / Math.sqrt(variance![channel]! + epsilon);
      return factor![channel]! * unit + shift![channel]!;
    });
    return computed(Y!.dtype, Y!.shape, values);
  },
  decompose(g, inputs, { epsilon, momentum, training_mode }, outputs) {
    if (!training_mode) return undefined;
    const { X, scale, B } = inputs;
    const { mean, variance } = momentsOf(g, X);
    const Y = g.BatchNormalization(X, scale, B, mean, variance, { epsilon });
    return withRunning(g, Y, inputs, { mean, variance }, momentum).slice(0, outputs);
  },
  singleThreaded(g, inputs, { epsilon, momentum, training_mode }, outputs) {
    if (!training_mode) return undefined;
    const { X, scale, B } = inputs;
    const [Y, mean, variance] = ofBatch(g, X, scale, B, epsilon);
    return withRunning(g, Y, inputs, { mean, variance }, momentum).slice(0, outputs);
  },
  deviceFallback(g, inputs, { epsilon, momentum, training_mode }, device, outputs) {
    const { X, scale, B } = inputs;
    // Of [N, C] the kernel of webgpu for channels first takes the channels for pixels (onnxruntime 1.30).
    const flat = X.shape.length === 2 && device === "webgpu";
    // In training mode there is no kernel on webgpu, nor on cuda.
    if (!training_mode && !flat) return undefined;
    const { mean, variance } = training_mode
      ? momentsOf(g, X)
      : { mean: inputs.input_mean, variance: inputs.input_var };
    const pixel = g.ints([2]);
    const fitting = flat ? g.Unsqueeze(X, pixel) : X;
    const standard = g.BatchNormalization(fitting, scale, B, mean, variance, { epsilon });
    const Y = flat ? g.Squeeze(standard, pixel) : standard;
    if (outputs === 1) return [Y];
    return withRunning(g, Y, inputs, { mean, variance }, momentum).slice(0, outputs);
  },
  training: {
    attributes: { training_mode: 1 },
    states: { 1: 3, 2: 4 },
    batchStatisticsOnly: { momentum: 0 },
    affine: { scale: 1, shift: 2 },
  },
  samples: [
    { inputs: [[2, 3, 4, 4], [3], [3], [3], [3]], range: [0.5, 1.5] },
    { inputs: [[4, 3], [3], [3], [3], [3]], attributes: { epsilon: 0.1 }, range: [0.5, 1.5] },
    {
      inputs: [[5, 3], [3], [3], [3], [3]],
      attributes: { training_mode: 1, epsilon: 0.02 },
      outputs: 3,
      range: [0.2, 1.2],
    },
    {
      inputs: [[4, 3, 2, 3], [3], [3], [3], [3]],
      attributes: { training_mode: 1, epsilon: 0.01 },
      outputs: 3,
      // Means away from 1, which would be their own squares.
      range: [0.2, 1.2],
    },
  ],
});
