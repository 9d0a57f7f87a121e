/** Options that say how a model learns. */

import { z } from "zod";
import { dataset } from "./data.ts";
import { auto, count, countOrNone, notNegative, positive, share, type OptionsOf } from "./kinds.ts";
import { loss } from "./loss.ts";
import { averageEvery, machines, memory, seed, workers } from "./machine.ts";
import { metric } from "./metric.ts";

/**
 * What the loss compares outputs with: the targets of the data, or targets drawn from the model's own prediction. Drawn
 * ones need no labels. With them squared gradients are the Fisher information itself instead of its empirical form
 * (Kunstner et al. 2019, "Limitations of the empirical Fisher approximation", eq. 3).
 */
const sources = ["labels", "sampled"] as const;
export type Targets = (typeof sources)[number];
/** Where importance is measured. */
export const targetSource = z
  .enum(sources)
  .default("labels")
  .describe("what outputs are compared with; sampled needs no labels");
/** Where a model learns. */
export const targets = z
  .enum([...sources, "teacher"])
  .default("labels")
  .describe("what is learned from; without labels from the original");

/** Where a model learns from its original. */
export const features = z
  .array(z.string())
  .min(1)
  .readonly()
  .describe("values inside that are to be as in the original, as 'layer3.*'; may be repeated");

/** Passes over the training data. */
export const epochs = (passes: number) =>
  countOrNone.max(1_000_000).default(passes).describe("passes over the training data");

const rate = z.union([auto, positive]).default("auto");
export const pruneLearningRate = rate.describe("learning rate while pruning; auto: found by a short trial");

export const rateSchedules = ["cosine", "linear", "step", "constant"] as const;
export type RateScheduleName = (typeof rateSchedules)[number];

const decay = z.number().min(0).lt(1);

export const optimiserName = z
  .enum(["sgd", "adamw"])
  .describe("the optimiser (default: sgd; without labels what fits the inputs)");
export const momentum = share.describe("momentum of sgd, Nesterov's (default: 0.9)");

const sgd = z.strictObject({
  kind: z.literal("sgd"),
  momentum: momentum.optional(),
  /** Decay of weights of more than one axis; biases and normalisations are not decayed. */
  weightDecay: notNegative.optional(),
  nesterov: z.boolean().optional(),
});
export type SgdOptions = Required<Omit<z.input<typeof sgd>, "kind">>;
export const defaultSgd: SgdOptions = { momentum: 0.9, weightDecay: 5e-4, nesterov: true };

const adamw = z.strictObject({
  kind: z.literal("adamw"),
  /** The shares of the old in the averages of gradients and of their squares. */
  betas: z.tuple([decay, decay]).readonly().optional(),
  /** Keeps the divisor from being 0. */
  eps: positive.optional(),
  /** Decay of weights of more than one axis, apart from the gradient. */
  weightDecay: notNegative.optional(),
  /**
   * Whether steps are in units of each weight's own size, its root mean square (Shazeer and Stern 2018, "Adafactor",
   * section 8): then no weight is too small for a rate that the others need. Default not.
   */
  relative: z.boolean().optional(),
});
export type AdamwOptions = Required<Omit<z.input<typeof adamw>, "kind">>;
/** PyTorch's. */
export const defaultAdamw: AdamwOptions = { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 1e-2, relative: false };

const optimiser = z.discriminatedUnion("kind", [sgd, adamw]);
/** What turns gradients into steps; what is left out has its default. */
export type OptimiserOptions = z.input<typeof optimiser>;
export const weightDecay = notNegative.describe(
  `decay of weights (default: ${defaultSgd.weightDecay}, of adamw ${defaultAdamw.weightDecay})`,
);

const augment = z.strictObject({
  /** Pixels of black put round an image before a random part of the first size is cut out. */
  crop: countOrNone.describe("random crops of images, padded by so many pixels").optional(),
  /** Mirrors left and right, every second time on average. */
  flip: z.boolean().describe("random horizontal flips of images").optional(),
});
export const { crop, flip } = augment.shape;

/** What every function takes that makes a model learn. */
export const learning = {
  /** What to learn from. */
  data: dataset,
  /** What to measure by at the start, now and then, and at the end; nothing is chosen by it. */
  validation: dataset.optional(),
  /**
   * What is measured besides: a measure by its name, or a metric of your own. Default top-1, without labels agreement.
   */
  metric: metric.optional(),
  /**
   * What is minimised: a loss, one for each of some outputs, or graphs of your own. Default "auto": of labels
   * cross-entropy on the first output, or bce where that ends in a Sigmoid; of the original, what fits each output.
   */
  loss,
  /** Samples of a minibatch; default 128, and fewer where the data has fewer than 2,048 samples. */
  batchSize: count.describe("samples of a minibatch (default: 128, fewer of small data)").optional(),
  /** The same number gives the same bytes; default 0. */
  seed,
  /** Random changes to training images, new ones in every epoch; default none. */
  augment: augment.optional(),
  /**
   * Default: SGD with Nesterov's momentum. Where all is learned from the original and inputs are far larger than 1, as
   * pixels of 0 to 255, AdamW with relative steps: weights that read them are so small that SGD's rate would suit no
   * others.
   */
  optimiser: optimiser.optional(),
  /** The norm that all gradients together are scaled down to where theirs is larger; default none. */
  clip: positive.describe("largest norm of the gradients of a step").optional(),
  /** The share of a label that is spread over all classes (Szegedy et al. 2016); default 0. */
  labelSmoothing: share.default(0).describe("share of a label that is spread over all classes"),
  /** Learns from mixtures of samples by shares from Beta(mixup, mixup); default none. */
  mixup: positive.describe("learn from mixtures of two samples, with shares from Beta(alpha, alpha)").optional(),
  /**
   * Parts that a minibatch is split into, each learned from in a thread of its own; BatchNormalization takes the
   * statistics of a part. Default "auto": as many as there are threads, where that pays, of at least 16 samples each
   * where there are such statistics.
   */
  workers,
  /**
   * Machines that learn side by side, each from a slice of the minibatches, and average what they have learned before
   * each removal, and after some minibatches of fine-tuning. They are workers of this process, unless `learners` are
   * others. Rates of SGD that a trial finds are taken times the square root of their number. Default 1.
   */
  machines,
  /** Minibatches of each machine between two averagings while training or fine-tuning; default 10. */
  averageEvery,
  /** How far the weights go towards the mean of all machines; default 1: they become it. */
  outerRate: positive.default(1).describe("how far weights go towards the mean of all machines"),
  /** Nesterov's momentum of these steps; default 0. DiLoCo takes 0.9, and a rate of 0.7. */
  outerMomentum: decay.default(0).describe("Nesterov's momentum of the steps towards the mean"),
  /**
   * Bytes that the process is to stay below while it learns, by estimate: activations that would take more are computed
   * a second time instead of kept, which gives the same results. Default: all are kept.
   */
  memory: memory.optional(),
  /**
   * The decay by which weights and statistics are averaged over the steps; the averages are the result. Default none.
   */
  ema: decay.describe("keep a moving average of the weights with this decay, as 0.999").optional(),
  /** How the rate falls after the warm-up; default along a cosine. */
  rateSchedule: z.enum(rateSchedules).default("cosine").describe("how the learning rate falls"),
  /** What the rate falls to, and not below; default 0. */
  minRate: notNegative.default(0).describe("what the learning rate falls to"),
  /** Of "step": shares of the run after each of which the rate is multiplied by `gamma`; default a half and 3/4. */
  milestones: z
    .array(z.number().gt(0).lt(1))
    .readonly()
    .describe("shares of the run after which the rate falls to a tenth (default: 0.5,0.75)")
    .optional(),
  /** Of "step"; default 0.1. */
  gamma: positive.optional(),
  /** Steps over which the rate rises linearly from 0; default 0. */
  warmUp: countOrNone.max(1_000_000).default(0).describe("steps over which the learning rate rises at first"),
  /** The highest learning rate; default "auto": found by a short trial on a copy of the model. */
  learningRate: rate.describe("highest learning rate; auto: found by a short trial"),
};

export interface LearningOptions extends OptionsOf<typeof learning> {}
