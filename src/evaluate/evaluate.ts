/** How good a model is: its loss and its hits on labelled data. */

import type { MeasureName } from "../options/metric.ts";
import type { BatchOptions, Dataset } from "../data/batches.ts";
import { checkClasses } from "../data/checks.ts";
import { minibatches } from "../execute/minibatches.ts";
import { fail } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Runtime } from "../runtime/port.ts";
import type { Kept } from "./kept.ts";
import { hasTargets, openMeter, type MeterOptions, type Quality } from "./meter.ts";
import { isBuiltIn, namedValue, type MetricValue } from "./metrics.ts";

export interface Evaluation extends Quality {
  /**
   * Without labels: how far the model decides as the original does, of classifiers the share of samples whose largest
   * output is the same, of others the least that is kept of an output. The loss is then the divergence from it.
   */
  readonly agreement?: number;
  /** Without labels: what is kept of each output of the original, by name; absent for plain classifiers. */
  readonly outputs?: Readonly<Record<string, Kept>>;
  /** The metric that was asked for. */
  readonly metric?: MetricValue;
  readonly samples: number;
  readonly samplesPerSecond: number;
}

export interface EvaluateOptions extends MeterOptions, Pick<BatchOptions, "batchSize" | "limit"> {
  readonly onProgress?: (samples: number, total: number | undefined) => void;
  /** Is shown what the loss looks at, [N, ...], with the labels. */
  readonly onLogits?: ((logits: Tensor, target: Tensor) => void) | undefined;
  /** Is given, once all is measured, how many outputs are larger than that of the label, sample by sample. */
  readonly onRanks?: ((ranks: readonly number[]) => void) | undefined;
}

/**
 * Runs a model over a data set.
 *
 * @param graph the model with an open batch
 * @throws SecateurError `bad-data` where labels do not fit the output, `not-finite` where the loss or the metric is no
 *   number, `bad-option` for a metric that is none, or that throws
 */
export async function evaluate(
  runtime: Runtime,
  graph: Graph,
  dataset: Dataset,
  options: EvaluateOptions,
): Promise<Evaluation> {
  const { metric, batchSize, limit, signal } = options;
  await using meter = await openMeter(runtime, graph, options);
  // A metric that takes no targets, as perplexity, says itself what is missing.
  const isSelfSufficient = options.lossMayMiss === true && metric !== undefined && !isBuiltIn(metric);
  let [samples, spent, isLabelled] = [0, 0, false];
  for await (const batch of minibatches(dataset, { batchSize, limit, signal })) {
    const started = performance.now();
    const answers = await meter.run(batch);
    spent += performance.now() - started;
    if (meter.isRanked(answers.logits, batch)) {
      checkClasses(dataset, answers.logits.shape[1]!);
      options.onLogits?.(answers.logits, meter.labelsOf(batch));
    }
    const isCounted = await meter.count(answers, batch);
    if (!isCounted && !(isSelfSufficient && !hasTargets(batch))) meter.refuseMissing(batch);
    isLabelled ||= hasTargets(batch);
    samples += batch.size;
    options.onProgress?.(samples, samplesOf(dataset, options));
  }
  if (samples === 0) fail("bad-data", `"${dataset.name}" has no samples`);
  const quality: Quality = isSelfSufficient && !isLabelled ? {} : meter.quality;
  if (quality.loss !== undefined && !Number.isFinite(quality.loss))
    fail(
      "not-finite",
      `the loss over ${samples} samples is ${quality.loss}: look for values that are not numbers in the weights of ` +
        "the model",
    );
  if (meter.countsNothing)
    options.onNote?.(
      `nothing was measured: the targets of all ${samples} samples hold nothing but the class id that is ignored, ` +
        "for which the loss is 0 whatever the model gives: look at the class ids of the data",
    );
  options.onRanks?.(meter.ranks);
  return {
    ...quality,
    ...(metric !== undefined && {
      metric: (await meter.metricValue()) ?? namedValue(metric as MeasureName, quality),
    }),
    samples,
    samplesPerSecond: samples / (spent / 1000),
  };
}

/** How many samples a run over a data set takes, where it knows its size. */
export const samplesOf = (
  { size }: Dataset,
  { batchSize, limit }: Pick<BatchOptions, "batchSize" | "limit">,
): number | undefined => (size === undefined || limit === undefined ? size : Math.min(size, limit * batchSize));
