/** How good a model is: its loss and its hits on labelled data. */

import type { BatchOptions, Dataset } from "../data/batches.ts";
import { prefetch } from "../data/prefetch.ts";
import { checkClasses, checkLabels } from "../data/checks.ts";
import { fail } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import { sizeOf, toNumbers } from "../graph/tensor.ts";
import type { LoadOptions, Runtime } from "../runtime/port.ts";
import { checkTarget, requireTarget } from "../execute/feeds.ts";
import { intervalsOf, type Interval } from "./intervals.ts";
import type { Loss } from "../options/learning.ts";
import { checkMetric, namedValue, startCounting, type MetricValue, type ShareName } from "./metrics.ts";
import type { Metric, MetricName } from "../options/metric.ts";
import { executable } from "../execute/executable.ts";
import { evaluationGraph } from "./evaluation-graph.ts";
import { runBatch } from "../execute/whole-batch.ts";

export interface Evaluation {
  /** The mean over samples. */
  readonly loss: number;
  /** Shares of samples whose label has the largest, or one of the five largest, outputs; absent for mse. */
  readonly top1?: number;
  readonly top5?: number;
  /** Without labels: the share of samples whose largest output is that of the original model; the loss is then the divergence from it, in nats. */
  readonly agreement?: number;
  /** Where these shares lie with 95 % confidence, as so many samples can tell: {@link intervalOf}. */
  readonly intervals?: Readonly<Partial<Record<ShareName, Interval>>>;
  /** The metric that was asked for. */
  readonly metric?: MetricValue;
  readonly samples: number;
  readonly samplesPerSecond: number;
}

export interface EvaluateOptions extends LoadOptions, Pick<BatchOptions, "batchSize" | "limit"> {
  readonly loss: Loss;
  /** A measure to look at above all, or a metric of your own, which is counted besides. */
  readonly metric?: Metric | MetricName | undefined;
  readonly onProgress?: (samples: number, total: number | undefined) => void;
  /** Is shown what the loss looks at, [N, ...], with the labels. */
  readonly onLogits?: ((logits: Tensor, target: Tensor) => void) | undefined;
  /** Is given, of each minibatch with labels, how many outputs are larger than that of the label, sample by sample. */
  readonly onRanks?: ((ranks: Uint32Array) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs a model over a data set.
 *
 * @param graph the model with an open batch
 * @throws SecateurError `bad-data` where labels do not fit the output, `not-finite` where the loss or the metric is no number, `bad-option` for a
 * metric that is none, or that throws
 */
export async function evaluate(
  runtime: Runtime,
  graph: Graph,
  dataset: Dataset,
  options: EvaluateOptions,
): Promise<Evaluation> {
  const { loss, batchSize, limit, onProgress, signal } = options;
  const metric = options.metric === undefined ? undefined : checkMetric(options.metric);
  const evaluation = evaluationGraph(graph, loss, metric);
  const counting = await startCounting(metric);
  const session = await runtime.load(executable(evaluation.graph, options.device), options);
  const sums = { loss: 0, top1: 0, top5: 0, samples: 0 };
  let spent = 0;
  try {
    const batches = dataset.batches({ batchSize, ...(limit === undefined ? {} : { limit }) });
    for await (const batch of prefetch(batches)) {
      signal?.throwIfAborted();
      const started = performance.now();
      const results = await runBatch(session, evaluation.graph, batch);
      spent += performance.now() - started;
      const logits = evaluation.logits(results);
      if (loss === "mse") {
        const target = requireTarget(batch);
        checkTarget(target, logits);
        addSquares(sums, logits, target);
      } else {
        const target = requireTarget(batch);
        checkTarget(target, { dtype: "int64", shape: [batch.size] });
        checkClasses(dataset, logits.shape[1]!);
        checkLabels(batch, logits.shape[1]!);
        options.onLogits?.(logits, target);
        const ranks = addHits(sums, logits, target);
        options.onRanks?.(ranks);
      }
      await counting?.add(evaluation.shown(results, batch));
      onProgress?.(sums.samples, samplesOf(dataset, options));
    }
  } finally {
    await session.dispose();
  }
  if (sums.samples === 0) fail("bad-data", `"${dataset.name}" has no samples`);
  if (!Number.isFinite(sums.loss))
    fail(
      "not-finite",
      `the loss over ${sums.samples} samples is ${sums.loss}: look for values that are not numbers in the weights of the model`,
    );
  const mean = (sum: number): number => sum / sums.samples;
  const shares = loss === "mse" ? {} : { top1: mean(sums.top1), top5: mean(sums.top5) };
  const measures = { loss: mean(sums.loss), ...shares };
  return {
    ...measures,
    ...(loss !== "mse" && { intervals: intervalsOf(shares, sums.samples) }),
    ...(metric !== undefined && { metric: (await counting?.value()) ?? namedValue(metric as MetricName, measures) }),
    samples: sums.samples,
    samplesPerSecond: sums.samples / (spent / 1000),
  };
}

/** How many samples a run over a data set takes, where it knows its size. */
export const samplesOf = (
  { size }: Dataset,
  { batchSize, limit }: Pick<BatchOptions, "batchSize" | "limit">,
): number | undefined => (size === undefined || limit === undefined ? size : Math.min(size, limit * batchSize));

/** The ranks that count. */
const hits = { top1: 1, top5: 5 } as const;
const tops = Object.keys(hits) as readonly (keyof typeof hits)[];

export type Top = keyof typeof hits;

/** The rank of what is not a number: it is never a hit. */
const last = 2 ** 32 - 1;

/** Whether a label before which so many classes come is a hit. */
export const isHit = (name: Top, rank: number): boolean => rank < hits[name];

/** Sums over samples. */
export interface Sums {
  loss: number;
  top1: number;
  top5: number;
  samples: number;
}

/**
 * Adds up -log softmax, and whether the label is among the first, for each row of [N, C] (or [N, C, 1, 1]).
 *
 * @returns how many classes come before the label in each row
 */
export function addHits(sums: Sums, logits: Tensor, target: Tensor): Uint32Array {
  const [n, classes] = logits.shape as [number, number];
  if (sizeOf(logits.shape) !== n * classes)
    fail("unsupported", `top-k wants an output of [N, classes]; the model's is [${logits.shape.join(", ")}]`);
  const data = logits.data as Float32Array;
  const labels = toNumbers(target);
  const ranks = new Uint32Array(n);
  for (let i = 0; i < n; i++) {
    const row = data.subarray(i * classes, (i + 1) * classes);
    const own = row[labels[i]!]!;
    let largest = Number.NEGATIVE_INFINITY;
    for (const x of row) if (x > largest) largest = x;
    let sum = 0;
    let before = 0;
    row.forEach((x, c) => {
      sum += Math.exp(x - largest);
      // Of equal outputs the first counts as the larger one, and what is not a number as larger than all.
      if (!(x < own) && (x !== own || c < labels[i]!) && c !== labels[i]) before++;
    });
    sums.loss += Math.log(sum) + largest - own;
    ranks[i] = Number.isFinite(own) ? before : last;
    for (const name of tops) if (isHit(name, ranks[i]!)) sums[name]++;
  }
  sums.samples += n;
  return ranks;
}

/** The mean over elements of the squared distance from the target, for each sample. */
export function addSquares(sums: Sums, output: Tensor, target: Tensor): void {
  const [y, t] = [output.data as Float32Array, target.data as Float32Array];
  const each = y.length / output.shape[0]!;
  let sum = 0;
  for (let i = 0; i < y.length; i++) sum += (y[i]! - t[i]!) ** 2;
  sums.loss += sum / each;
  sums.samples += output.shape[0]!;
}
