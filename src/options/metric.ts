/** What tells how good a model is: measures of every evaluation, metrics by name, and metrics of the user's own. */

import { z } from "zod";
import type { Tensor } from "../graph/tensor.ts";
import { having, optional, positive, share } from "./kinds.ts";

/** Which of two values is that of the better model. */
export type Better = "higher" | "lower";

/** A metric of your own. What it counts is combined over all samples, so that it need not be a mean. */
export interface Metric {
  /** Names its values wherever they are shown. */
  readonly name: string;
  readonly better: Better;
  /** Whether its values are shares from 0 to 1, which are shown in percent and lost in points; default not. */
  readonly share?: boolean;
  /** Begins to count, for each measurement anew. */
  start(): MetricCount;
}

export interface MetricCount {
  /** Takes in a minibatch. */
  add(batch: MetricBatch): void | Promise<void>;
  /** The value over all that was taken in, a finite number. */
  result(): number | Promise<number>;
}

/** What a model makes of a minibatch. */
export interface MetricBatch {
  /** All outputs of the model by their names; the first axis counts the samples. */
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** The first of them. */
  readonly output: Tensor;
  /** What the data gives the model, by the names of its inputs, or "" for the only one. */
  readonly inputs: Readonly<Record<string, Tensor>>;
  /** As the data has it: class ids as int64 [N], or values; absent where the data has no labels. */
  readonly target?: Tensor | undefined;
  /** Where the data has several: targets by their names. */
  readonly targets?: Readonly<Record<string, Tensor>> | undefined;
  /** Where a model is compared with the original: the original's outputs, by the same names. */
  readonly original?: Readonly<Record<string, Tensor>> | undefined;
  /** N, the number of samples. */
  readonly size: number;
}

/** The measures of every evaluation that can stand where a metric can. */
export const measureNames = ["top1", "top5", "agreement", "loss"] as const;
export type MeasureName = (typeof measureNames)[number];

const axis = z.int().describe("the axis of the classes; -1 is the last; default: the one that fits the target");
const ignore = z.int().describe("a class id whose places do not count");
const tokens = z.string().describe("the input that holds the tokens, where the next one is the target");
const mask = z.string().describe("the input that is 1 at tokens that count");
const placed = {
  output: z.string().describe("the output that is looked at; default the first"),
  target: z
    .string()
    .describe("the target that it is compared with; default that of the output's name, or the only one"),
};

/** What each metric can be told; a metric of that name stands in `evaluate/metrics`. */
const settingsOf = {
  "token-accuracy": { ...placed, axis, ignore, tokens, mask },
  perplexity: { ...placed, axis, ignore, tokens, mask },
  "mean-iou": { ...placed, axis, ignore },
  dice: { ...placed, axis, ignore },
  psnr: { ...placed, peak: positive.describe("the largest value that can be; default as the formula says") },
  f1: { ...placed },
  map: {
    boxes: z.string().describe("the output of the boxes, [N, K, 4]; default boxes"),
    scores: z.string().describe("the output of the scores, [N, K, C]; default scores"),
    targetBoxes: z.string().describe("the target of the boxes, [N, M, 4]; default boxes"),
    labels: z.string().describe("the target of the class ids, [N, M]; default labels, or classes"),
    form: z
      .enum(["corners", "centre", "size"])
      .describe("corners (default): x0 y0 x1 y1; centre: cx cy w h; size: x0 y0 w h"),
    overlap: share.describe(
      "leaves out a box that overlaps a better one by more than this, from 0 to 1; default: none is left out",
    ),
  },
  cosine: { ...placed, axis: z.int().describe("the axis of the vectors; -1 is the last, and the default") },
} as const;

export type CountedName = keyof typeof settingsOf;
export const countedNames = Object.keys(settingsOf) as readonly CountedName[];
/** What settings a metric takes, by name, with what each means. */
export const metricSettings: Readonly<Record<CountedName, Readonly<Record<string, z.ZodType>>>> = settingsOf;

export type MetricName = MeasureName | CountedName;
export const metricNames: readonly MetricName[] = [...measureNames, ...countedNames];

const kindOf = <N extends CountedName>(name: N) =>
  z.strictObject({ kind: z.literal(name), ...optional(settingsOf[name]) });

const settings = z.discriminatedUnion("kind", [
  kindOf("token-accuracy"),
  kindOf("perplexity"),
  kindOf("mean-iou"),
  kindOf("dice"),
  kindOf("psnr"),
  kindOf("f1"),
  kindOf("map"),
  kindOf("cosine"),
]);

/** A metric with its settings. */
export type MetricSettings = z.input<typeof settings>;
/** The settings of the metric of a name. */
export type CountedSettings<N extends CountedName> = Omit<Extract<MetricSettings, { kind: N }>, "kind">;

export const metric = z
  .union([
    z.enum(metricNames as [MetricName, ...MetricName[]]),
    settings,
    having<Metric>("a metric: { name, better, start() }", "start"),
  ])
  .describe("what models are measured by: top1 (default), mean-iou, masks=dice, or f1.mjs; docs/metrics.md lists all");
export type MetricOption = z.input<typeof metric>;
