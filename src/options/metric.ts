/** What tells how good a model is: measures that every evaluation has, and metrics of the user's own. */

import { z } from "zod";
import type { Tensor } from "../graph/tensor.ts";
import { having } from "./kinds.ts";

/** Which of two values is that of the better model. */
export type Better = "higher" | "lower";

/** A metric of your own. What it counts is combined over all samples, so that it need not be a mean. */
export interface Metric {
  /** Names its values wherever they are shown. */
  readonly name: string;
  readonly better: Better;
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
  /** As the data has it: class ids as int64 [N], or values; absent where the data has no labels. */
  readonly target?: Tensor | undefined;
  /** Where the data has several: targets by their names. */
  readonly targets?: Readonly<Record<string, Tensor>> | undefined;
  /** N, the number of samples. */
  readonly size: number;
}

/** The measures of every evaluation that can stand where a metric can. */
export const metricNames = ["top1", "top5", "agreement", "loss"] as const;
export type MetricName = (typeof metricNames)[number];

export const metric = z
  .union([z.enum(metricNames), having<Metric>("a metric: { name, better, start() }", "start")])
  .describe("what counts: top1 (default), top5, agreement, loss, or f1.mjs");
