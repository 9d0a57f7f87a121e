/** Options that say how a model learns. */

import { z } from "zod";
import type { RecomputedStep } from "../train/activation-checkpointing.ts";
import { losses, targetSources } from "../objective/losses.ts";
import { metricNames, type Metric } from "../evaluate/metrics.ts";
import {
  defaultAdamw,
  defaultSgd,
  type AdamwOptions,
  type OptimiserOptions,
  type SgdOptions,
} from "../train/optimisers.ts";
import { rateSchedules } from "../train/schedules.ts";
import { augment, dataset } from "./data.ts";
import { auto, callback, countOrNone, having, notNegative, positive, share, type KindsOf } from "./kinds.ts";
import { batchSize, memory, seed, workers } from "./machine.ts";

export const loss = z.enum(losses).default("cross-entropy").describe("what is minimised");

export const metric = z
  .union([z.enum(metricNames), having<Metric>("a metric: { name, better, start() }", "start")])
  .describe("what counts: top1 (default), top5, agreement, loss, or f1.mjs");

/** What the loss compares with where importance is measured. */
export const targetSource = z.enum(targetSources).default("labels").describe("what the loss compares with");

export const targets = z
  .enum([...targetSources, "teacher"])
  .default("labels")
  .describe("what is learned from");

export const epochs = (passes: number) =>
  countOrNone.max(1_000_000).default(passes).describe("passes over the training data");

/** A learning rate, or what a trial finds. */
export const learningRate = z
  .union([auto, positive])
  .default("auto")
  .describe("highest learning rate; auto: found by a short trial");

export const pruneLearningRate = learningRate.describe("learning rate while pruning; auto: found by a short trial");

export const rateSchedule = z.enum(rateSchedules).default("cosine").describe("how the learning rate falls");
export const minRate = notNegative.default(0).describe("what the learning rate falls to");
export const milestones = z
  .array(z.number().gt(0).lt(1))
  .describe("shares of the run after which the rate is a tenth (default: 0.5,0.75)");
export const warmUp = countOrNone
  .max(1_000_000)
  .default(0)
  .describe("steps over which the learning rate rises at first");

export const optimiserName = z.enum(["sgd", "adamw"]).default("sgd").describe("what makes steps of gradients");
export const momentum = share.default(defaultSgd.momentum).describe("momentum of sgd (Nesterov's)");
export const weightDecay = notNegative.describe(
  `decay of weights (default: ${defaultSgd.weightDecay}, of adamw ${defaultAdamw.weightDecay})`,
);

const decay = z.number().min(0).lt(1);

const optimiser: z.ZodType<OptimiserOptions, OptimiserOptions> = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("sgd"),
    momentum: momentum.unwrap().optional(),
    weightDecay: weightDecay.optional(),
    nesterov: z.boolean().optional(),
  } satisfies KindsOf<SgdOptions & { kind: "sgd" }>),
  z.strictObject({
    kind: z.literal("adamw"),
    betas: z.tuple([decay, decay]).readonly().optional(),
    eps: positive.optional(),
    weightDecay: weightDecay.optional(),
  } satisfies KindsOf<AdamwOptions & { kind: "adamw" }>),
]);

export const clip = positive.describe("largest norm of the gradients of a step");
export const labelSmoothing = share.default(0).describe("share of a label that is spread over all classes");
export const mixup = positive.describe("learn from mixtures of two samples by shares from Beta(alpha, alpha)");
export const ema = decay.describe("learn a moving average of the weights by this decay, as 0.999");
export const distil = share.default(0).describe("share of the original's outputs in the loss");
export const temperature = positive.default(4).describe("what logits are divided by to distil");

/** What every function takes that makes a model learn. */
export const learning = {
  loss,
  batchSize: batchSize(128),
  seed,
  augment: augment.optional(),
  optimiser: optimiser.optional(),
  clip: clip.optional(),
  labelSmoothing,
  mixup: mixup.optional(),
  workers,
  memory: memory.optional(),
  onRecompute: callback<(recomputed: RecomputedStep) => void>().optional(),
  ema: ema.optional(),
  rateSchedule,
  minRate,
  milestones: milestones.optional(),
  gamma: positive.optional(),
  warmUp,
  learningRate,
  validation: dataset.optional(),
  metric: metric.optional(),
};
