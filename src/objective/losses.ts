/** Losses as graphs: from the model's output and a target to one number for each sample, and their mean. */

import type { LearningOptions, Loss, Targets } from "../options/learning.ts";
import type { GraphBuilder } from "../graph/builder.ts";
import { fail } from "../graph/error.ts";
import type { Type } from "../graph/graph.ts";
import { sizeOf } from "../graph/tensor.ts";
import type { Value } from "../ops/core/define.ts";
import type { Emit } from "../ops/core/emit.ts";
import { alias, createEmitter, valueIn } from "../ops/emitter.ts";
import { logitsOf } from "../passes/strip-softmax.ts";
import { mixed, type Mixture } from "./mixup.ts";

export interface LossValues {
  /** [N] */
  readonly perSample: Value;
  /** The mean over the batch, a scalar named `loss`. */
  readonly mean: Value;
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

/** What a loss is made of. */
export interface LossOptions extends Pick<LearningOptions, "labelSmoothing"> {
  readonly loss: Loss;
  readonly distillation?: Distillation | undefined;
  readonly targets?: Targets | undefined;
  /** How the batch was mixed, where it was: targets are mixed alike. */
  readonly mixture?: Mixture | undefined;
}

/**
 * Appends a loss on the first output of the graph, and its target as an input. For cross-entropy these are class ids,
 * int64 [N], or [N, d...] for an output [N, C, d...]. For mse it has the shape of the output. With distillation the
 * teacher's logits are an input `teacher`; if all comes from the teacher there is no target. With sampled targets there
 * is an input `noise` of the shape of the logits instead of `target`. The classes drawn are the largest of the logits
 * plus noise, for independent draws from Gumbel's distribution (Gumbel 1954; Maddison et al. 2014, "A* Sampling",
 * section 2).
 */
export function appendLoss(builder: GraphBuilder, output: string, options: LossOptions): LossValues {
  const { loss, distillation, targets = "labels", labelSmoothing = 0 } = options;
  const g = createEmitter(builder);
  if (distillation && loss !== "cross-entropy") fail("bad-option", "a teacher's logits go with cross-entropy only");
  if (targets === "sampled" && loss !== "cross-entropy")
    fail("bad-option", "targets are sampled from the probabilities of classes, so with cross-entropy only");
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1))
    fail("bad-option", `label smoothing is a share from 0 to 1, not ${labelSmoothing}`);
  if (labelSmoothing > 0 && loss !== "cross-entropy")
    fail("bad-option", "labels are smoothed over classes, so with cross-entropy only");
  const { perSample, classes } =
    loss === "mse"
      ? meanSquaredError(builder, g, output, options.mixture)
      : crossEntropy(builder, g, output, { ...options, labelSmoothing });
  const mean = g.ReduceMean(perSample, g.ints([0]), { keepdims: 0 });
  alias(builder, mean.name, builder.claim("loss"));
  return { perSample, classes, mean: valueIn(builder, "loss") };
}

/**
 * E_n = -Σ_c q_c log softmax(logits)_c, averaged over further axes; q is 1 at the target, or with label smoothing
 * ε (Szegedy et al. 2016, "Rethinking the Inception Architecture", section 7) 1 - ε there and ε / C more
 * everywhere. Of a mixture q is the mixture.
 */
function crossEntropy(
  builder: GraphBuilder,
  g: Emit,
  output: string,
  { distillation, targets, labelSmoothing, mixture }: LossOptions & { readonly labelSmoothing: number },
) {
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
  const axes = logits.shape.map((_, i) => i).slice(1);
  const input = (name: string, type: Type): Value => valueIn(builder, builder.input(name, type, true));
  const teach = ({ temperature }: Distillation): Value => {
    const teacher = g.reshaped(input("teacher", { dtype: "float32", shape: raw.shape }), logits.shape);
    return g.Mul(divergence(g, teacher, logits, axes, temperature), g.scalar(1 / sizeOf(more)));
  };
  const soft = distillation && teach(distillation);
  if (distillation?.weight === 1) return { perSample: soft!, classes: 0 };
  const target =
    targets === "sampled"
      ? g.ArgMax(g.Add(logits, input("noise", { dtype: "float32", shape: logits.shape })), { axis: 1, keepdims: 0 })
      : input("target", { dtype: "int64", shape: [n, ...more] });
  const logProbability = g.LogSoftmax(logits, { axis: 1 });
  const elsewhere = labelSmoothing / classes;
  const values = Float32Array.of(elsewhere, 1 - labelSmoothing + elsewhere);
  const own = g.OneHot(target, g.ints([classes]), g.constant({ dtype: "float32", shape: [2], data: values }), {
    axis: 1,
  });
  const picked = g.Mul(logProbability, mixture ? mixed(g, own, mixture) : own);
  const hard = g.Mul(g.summed(picked, axes), g.scalar(-1 / sizeOf(more)));
  if (distillation === undefined) return { perSample: hard, classes };
  const { weight } = distillation;
  return { perSample: g.Add(g.Mul(hard, g.scalar(1 - weight)), g.Mul(soft!, g.scalar(weight))), classes };
}

/** T² KL(softmax(teacher / T) || softmax(logits / T)); T² keeps its gradient as large as that of the labels. */
function divergence(g: Emit, teacher: Value, logits: Value, axes: readonly number[], temperature: number): Value {
  const cool = (x: Value) => g.LogSoftmax(g.Mul(x, g.scalar(1 / temperature)), { axis: 1 });
  const [p, q] = [cool(teacher), cool(logits)];
  return g.Mul(g.summed(g.Mul(g.Exp(p), g.Sub(p, q)), axes), g.scalar(temperature ** 2));
}

/** E_n = mean over elements of (output - target)²; of a mixture the target is the mixture. */
function meanSquaredError(builder: GraphBuilder, g: Emit, output: string, mixture: Mixture | undefined) {
  const y = valueIn(builder, output);
  if (y.shape.length < 1) fail("unsupported", `mse needs an output with a batch axis; "${output}" is a scalar`);
  const target = valueIn(builder, builder.input("target", { dtype: "float32", shape: y.shape }, true));
  const error = g.Sub(y, mixture ? mixed(g, target, mixture) : target);
  const axes = y.shape.map((_, i) => i).slice(1);
  const perSample =
    axes.length === 0 ? g.Mul(error, error) : g.ReduceMean(g.Mul(error, error), g.ints(axes), { keepdims: 0 });
  return { perSample, classes: 0 };
}
