/** Losses as options: what is minimised, on which outputs, and how much each counts. */

import { z } from "zod";
import type { Model } from "../graph/graph.ts";
import { auto, bare, expected, having, optional, positive, share, shown, words } from "./kinds.ts";
import { nearest } from "./suggest.ts";

const axis = z
  .int()
  .describe("the axis of the classes; -1 is the last; by default that of a Softmax at the end of the file, else 1");
const ignore = z.int().describe("a class id whose places do not count");

/** What each loss can be told; a loss of that name stands in `objective/losses`. */
export const settingsOf = {
  "cross-entropy": {
    axis,
    ignore,
    classWeights: z.array(z.number().min(0)).readonly().describe("the weight of each class; by default 1"),
  },
  bce: { positiveWeight: positive.describe("the weight of yes; by default 1") },
  mse: {},
  l1: {},
  huber: { delta: positive.describe("the size up to which an error counts by its square; by default 1") },
  kl: { axis },
  cosine: { axis: z.int().describe("the axis of the vectors; -1 is the last; by default 1") },
  dice: {
    axis,
    smooth: positive.describe(
      "what is added above and below the line, so that two empty areas overlap wholly; by default 1",
    ),
  },
  focal: {
    gamma: z.number().min(0).describe("how much less a number counts that the model is sure of; by default 2"),
    alpha: share.describe("the weight of yes, of which 1 - alpha is that of no; by default 0.25"),
  },
  ctc: {
    blank: z.int().min(0).describe("the class that stands for no label; by default 0"),
    length: z.int().min(1).describe("the most labels of a sample; by default as many as there are steps"),
    time: z.int().min(0).max(1).describe("the axis of the steps: 1, or 0 for an output [T, N, C]; by default 1"),
  },
  "info-nce": {
    temperature: positive.describe("what cosines are divided by; by default 0.07"),
    with: z.string().describe("the output that holds the other half of each pair, in place of a target"),
  },
  "next-token": {
    tokens: z.string().describe("the input, or the target, that holds the tokens; by default input_ids"),
    mask: z
      .string()
      .describe("the input that is 1 at tokens that count; by default attention_mask, where there is one"),
    ignore: z.int().describe("a token that does not count"),
  },
} as const;

export type LossName = keyof typeof settingsOf;
export const lossNames = Object.keys(settingsOf) as readonly LossName[];

const placed = {
  /** The output that it is put on; default the first. */
  output: z.string().optional(),
  /** What it is multiplied by; default 1. */
  weight: positive.optional(),
  /** The name of its target in the data; default that of the output, or the only one there is. */
  target: z.string().optional(),
};

const kindOf = <N extends LossName>(name: N) =>
  z.strictObject({ kind: z.literal(name), ...placed, ...optional(settingsOf[name]) });

/** A loss of your own: a graph that computes it, read from a file, or as a model. */
const fileLoss = z.strictObject({
  kind: z.literal("file"),
  /** Its path, in Node. */
  file: z.string().optional(),
  model: having<Model>("a model, as load gives it").optional(),
  weight: positive.optional(),
  /** Whether a sample's loss is the same whatever samples stand beside it; default: found by trying it on the data. */
  isApart: z.boolean().optional(),
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

/** The losses of an option one by one, with the names of outputs where it says them. */
export function lossesOf(given: Loss): readonly LossSettings[] {
  if (typeof given === "string") return [{ kind: given } as LossSettings];
  if (Array.isArray(given)) return given as readonly LossSettings[];
  if (typeof (given as LossSettings).kind === "string") return [given as LossSettings];
  return Object.entries(given as ByOutput).map(
    ([output, each]) => ({ ...(typeof each === "string" ? { kind: each } : each), output }) as LossSettings,
  );
}

/** What is wrong with a loss, each in a sentence that begins with its place. */
function problemsOf(place: string, value: unknown): string[] {
  if (lossOption.safeParse(value).success) return [];
  if (typeof value === "string") return [noLoss(place, value, [...lossNames, "auto"])];
  if (Array.isArray(value) && value.length > 0)
    return value.flatMap((each, i) => problemsOfOne(`${place}[${i}]`, each));
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return [`${place} is ${shown(value)}, it must be ${expected(loss)}`];
  if ("kind" in value) return problemsOfOne(place, value);
  return Object.entries(value).flatMap(([output, each]) =>
    typeof each === "string" && !isLossName(each)
      ? [noLoss(`${place}.${output}`, each, lossNames)]
      : typeof each === "string"
        ? []
        : problemsOfOne(`${place}.${output}`, each),
  );
}

export const isLossName = (word: string): word is LossName => Object.hasOwn(settingsOf, word);

/** What each setting of a loss takes, those that say where it is put among them. */
export const settingKindsOf = (kind: LossName | "file"): Readonly<Record<string, z.ZodType>> => {
  if (kind !== "file") return { ...settingsOf[kind], ...placed };
  const { kind: _, ...kinds } = fileLoss.shape;
  return kinds;
};

function problemsOfOne(place: string, value: unknown): string[] {
  const { kind, ...own } = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  if (typeof kind !== "string") return [`${place} is ${shown(value)}, it must be ${expected(settings)}`];
  if (!isLossName(kind) && kind !== "file") return [noLoss(`${place}.kind`, kind, [...lossNames, "file"])];
  const kinds = settingKindsOf(kind);
  return Object.entries(own).flatMap(([name, setting]) => {
    const wanted = kinds[name];
    if (wanted === undefined) return [`${place}.${name}: ${noSetting(kind, name)}`];
    return setting === undefined || wanted.safeParse(setting).success
      ? []
      : [`${place}.${name} is ${shown(setting)}, it must be ${expected(bare(wanted))}`];
  });
}

/** There is no loss of this name, in words. */
export const noLoss = (place: string, word: string, known: readonly string[]): string =>
  `${place} is ${shown(word)}, and there is no loss of that name${meant(word, known)}: there are ${known.join(", ")}`;

/** A loss has no setting of this name, in words. */
export function noSetting(kind: LossName | "file", word: string, known = Object.keys(settingKindsOf(kind))): string {
  return `${kind} has no setting ${shown(word)}${meant(word, known)}; it takes ${known.join(", ")}`;
}

function meant(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  return near === undefined ? "" : ` (did you mean ${near}?)`;
}

export const loss = z
  .union([auto, lossOption])
  .register(words, {
    problems: problemsOf,
    takes:
      `auto, ${lossNames.join(", ")}, one with its settings, as { kind: "huber", delta: 0.5 }, ` +
      'or losses by output, as { scores: "bce" }',
  })
  .default("auto")
  .describe("what is minimised; auto: cross-entropy or bce of labels, and of the original what fits each output");
