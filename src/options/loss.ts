/** Losses as options: what is minimised, on which outputs, and how much each counts. */

import { z } from "zod";
import type { Model } from "../graph/graph.ts";
import { auto, having, positive, share, words } from "./kinds.ts";

/** What each loss can be told; a loss of that name stands in `objective/losses`. */
const axis = z.int().describe("the axis of the classes, from 0 on, or from the end below 0");
const ignore = z.int().describe("a class id that does not count");

const settingsOf = {
  "cross-entropy": { axis, ignore, classWeights: z.array(z.number().min(0)).readonly() },
  bce: { positiveWeight: positive },
  mse: {},
  l1: {},
  huber: { delta: positive },
  kl: { axis },
  cosine: { axis },
  dice: { axis, smooth: positive },
  focal: { gamma: z.number().min(0), alpha: share },
  ctc: { blank: z.int().min(0) },
  "info-nce": { temperature: positive, with: z.string().describe("the output that holds the other half of a pair") },
  "next-token": {
    tokens: z.string().describe("the input, or the target, that holds the tokens"),
    mask: z.string().describe("the input that is 1 at tokens that count"),
    ignore,
  },
} as const;

export type LossName = keyof typeof settingsOf;
const lossNames = Object.keys(settingsOf) as readonly LossName[];

const placed = {
  /** The output that it is put on; default the first. */
  output: z.string().optional(),
  /** What it is multiplied by; default 1. */
  weight: positive.optional(),
  /** The name of its target in the data; default that of the output, or the only one there is. */
  target: z.string().optional(),
};

type Optional<S> = { readonly [K in keyof S]: S[K] extends z.ZodType ? z.ZodOptional<S[K]> : never };
const optional = <S extends Readonly<Record<string, z.ZodType>>>(shape: S): Optional<S> =>
  Object.fromEntries(Object.entries(shape).map(([name, kind]) => [name, kind.optional()])) as Optional<S>;

const kindOf = <N extends LossName>(name: N) =>
  z.strictObject({ kind: z.literal(name), ...placed, ...optional(settingsOf[name]) });

/** A loss of your own: a graph that computes it, read from a file, or as a model. */
const fileLoss = z.strictObject({
  kind: z.literal("file"),
  file: z.string().optional(),
  model: having<Model>("a model, as load gives it").optional(),
  weight: positive.optional(),
});
export type FileLoss = z.input<typeof fileLoss>;

const settings = z
  .discriminatedUnion("kind", [
    kindOf("cross-entropy"),
    kindOf("bce"),
    kindOf("mse"),
    kindOf("l1"),
    kindOf("huber"),
    kindOf("kl"),
    kindOf("cosine"),
    kindOf("dice"),
    kindOf("focal"),
    kindOf("ctc"),
    kindOf("info-nce"),
    kindOf("next-token"),
    fileLoss,
  ])
  .register(words, { takes: 'a loss with its settings, as { kind: "huber", delta: 0.5 }' });

/** A loss with its settings. */
export type LossSettings = z.input<typeof settings>;
/** The settings of the loss of a name. */
export type SettingsOf<N extends LossName> = Omit<Extract<LossSettings, { kind: N }>, "kind" | keyof typeof placed>;

const one = z.union([z.enum(lossNames as [LossName, ...LossName[]]), settings]);

type ByOutput = Readonly<Record<string, z.input<typeof one>>>;

/**
 * What is minimised: a loss on the first output; by the names of outputs one for each; or a list, whose items say by
 * `output` where they are put. What no loss names is left alone.
 */
export const lossOption = z.union([
  one,
  z.array(settings).min(1).readonly(),
  z.record(z.string(), one) as z.ZodType<ByOutput, ByOutput>,
]);
export type Loss = z.input<typeof lossOption>;

export const loss = z
  .union([auto, lossOption])
  .register(words, {
    takes:
      `auto, ${lossNames.join(", ")}, one with its settings, as { kind: "huber", delta: 0.5 }, ` +
      'or losses by output, as { scores: "bce" }',
  })
  .default("auto")
  .describe("what is minimised; auto: cross-entropy of labels, and of the original what fits each output");
