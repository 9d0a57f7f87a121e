/** Losses as graphs: from the model's output and a target to one number for each sample, and their mean. */

import type { GraphBuilder } from "../graph/builder.ts";
import { fail } from "../graph/error.ts";
import { sizeOf } from "../graph/tensor.ts";
import type { Value } from "../ops/define.ts";
import type { Emit } from "../ops/emit.ts";
import { alias, createEmitter, valueIn } from "../ops/emitter.ts";
import { logitsOf } from "../passes/strip-softmax.ts";

export const losses = ["cross-entropy", "mse"] as const;
export type Loss = (typeof losses)[number];

export interface LossValues {
  /** [N] */
  readonly perSample: Value;
  /** The mean over the batch, a scalar named `loss`. */
  readonly mean: Value;
  readonly target: Value;
  /** The number of classes that the target may name; 0 for a loss without classes. */
  readonly classes: number;
}

/** Learning from another model's outputs besides the labels (Hinton et al. 2015). */
export interface Distillation {
  /** The share of the teacher in the loss, 0 to 1. */
  readonly weight: number;
  /** What logits are divided by before they become probabilities. */
  readonly temperature: number;
}

/**
 * Appends a loss on the first output of the graph, and its target as an input: class ids, int64 [N] (or [N, d...] for an output
 * [N, C, d...]) for cross-entropy; the shape of the output for mse. With distillation the teacher's logits are an input `teacher`.
 */
export function appendLoss(builder: GraphBuilder, output: string, loss: Loss, distillation?: Distillation): LossValues {
  const g = createEmitter(builder);
  if (distillation && loss !== "cross-entropy") fail("bad-option", "a teacher's logits go with cross-entropy only");
  const { perSample, target, classes } =
    loss === "mse" ? meanSquaredError(builder, g, output) : crossEntropy(builder, g, output, distillation);
  const mean = g.ReduceMean(perSample, g.ints([0]), { keepdims: 0 });
  alias(builder, mean.name, builder.claim("loss"));
  return { perSample, target, classes, mean: valueIn(builder, "loss") };
}

/** E_n = -log softmax(logits)[target], averaged over further axes. */
function crossEntropy(builder: GraphBuilder, g: Emit, output: string, distillation: Distillation | undefined) {
  const raw = valueIn(builder, logitsOf(builder.finish([]), output));
  if (raw.shape.length < 2)
    fail(
      "unsupported",
      `cross-entropy needs an output of [N, classes]; "${output}" is [${raw.shape.join(", ")}]. Use mse instead`,
    );
  // [N, C, 1, 1], as nets without a dense head give it, is [N, C].
  const [n, classes, ...rest] = raw.shape as [number, number, ...number[]];
  const more = rest.filter((dim) => dim !== 1);
  const logits = g.reshaped(raw, [n, classes, ...more]);
  const target = valueIn(builder, builder.input("target", { dtype: "int64", shape: [n, ...more] }, true));
  const logProbability = g.LogSoftmax(logits, { axis: 1 });
  const depth = g.ints([classes]);
  const chosen = g.OneHot(target, depth, g.constant({ dtype: "float32", shape: [2], data: Float32Array.of(0, 1) }), {
    axis: 1,
  });
  const picked = g.Mul(logProbability, chosen);
  const axes = logits.shape.map((_, i) => i).slice(1);
  const hard = g.Mul(g.summed(picked, axes), g.scalar(-1 / sizeOf(more)));
  if (distillation === undefined) return { perSample: hard, target, classes };
  const teacher = valueIn(builder, builder.input("teacher", { dtype: "float32", shape: raw.shape }, true));
  const soft = g.Mul(
    divergence(g, g.reshaped(teacher, logits.shape), logits, axes, distillation.temperature),
    g.scalar(1 / sizeOf(more)),
  );
  const { weight } = distillation;
  return { perSample: g.Add(g.Mul(hard, g.scalar(1 - weight)), g.Mul(soft, g.scalar(weight))), target, classes };
}

/** T² KL(softmax(teacher / T) || softmax(logits / T)); T² keeps its gradient as large as that of the labels. */
function divergence(g: Emit, teacher: Value, logits: Value, axes: readonly number[], temperature: number): Value {
  const cool = (x: Value) => g.LogSoftmax(g.Mul(x, g.scalar(1 / temperature)), { axis: 1 });
  const [p, q] = [cool(teacher), cool(logits)];
  return g.Mul(g.summed(g.Mul(g.Exp(p), g.Sub(p, q)), axes), g.scalar(temperature ** 2));
}

/** E_n = mean over elements of (output - target)². */
function meanSquaredError(builder: GraphBuilder, g: Emit, output: string) {
  const y = valueIn(builder, output);
  if (y.shape.length < 1) fail("unsupported", `mse needs an output with a batch axis; "${output}" is a scalar`);
  const target = valueIn(builder, builder.input("target", { dtype: "float32", shape: y.shape }, true));
  const error = g.Sub(y, target);
  const axes = y.shape.map((_, i) => i).slice(1);
  const perSample =
    axes.length === 0 ? g.Mul(error, error) : g.ReduceMean(g.Mul(error, error), g.ints(axes), { keepdims: 0 });
  return { perSample, target, classes: 0 };
}
