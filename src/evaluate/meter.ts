/** A model at work on data, and how good what it makes of it is. */

import type { MetricOption } from "../options/metric.ts";
import type { Loss } from "../options/loss.ts";
import type { Batch } from "../data/batches.ts";
import { checkLabels } from "../data/checks.ts";
import { executable } from "../execute/executable.ts";
import { findTarget, fitTarget, namedInputs, requireTarget, type Wanted } from "../execute/feeds.ts";
import { runBatch } from "../execute/whole-batch.ts";
import { SecateurError } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import { sizeOf, type Tensor } from "../graph/tensor.ts";
import type { MachineOptions, Runtime, Tensors } from "../runtime/port.ts";
import { evaluationGraph, isClassifier, type Besides, type EvaluationGraph } from "./evaluation-graph.ts";
import { addHits, type Sums } from "./hits.ts";
import { intervalsOf, type Interval } from "./intervals.ts";
import { openLossMeter, type LossMeter } from "./loss-meter.ts";
import { metricFor, startCounting, type MetricValue, type ShareName } from "./metrics.ts";

/** How good a model is on samples that have labels. */
export interface Quality {
  /** The mean over samples; absent where nobody has said what the loss is, and it does not fit the targets. */
  readonly loss?: number;
  /**
   * Shares of samples whose label has the largest, or one of the five largest, outputs; absent where there are none.
   */
  readonly top1?: number;
  readonly top5?: number;
  /** Where these shares lie with 95 % confidence, as so many samples can tell: {@link intervalOf}. */
  readonly intervals?: Readonly<Partial<Record<ShareName, Interval>>>;
}

export interface MeterOptions extends MachineOptions {
  readonly loss: Loss;
  /** A measure to look at above all, or a metric by name or of your own, which is counted besides. */
  readonly metric?: MetricOption | undefined;
  /**
   * Whether the loss is left out where it does not fit the data, and something else counts: a metric, or what is kept
   * of another model's outputs. Default not.
   */
  readonly lossMayMiss?: boolean | undefined;
  /** Whether targets of the data are for a metric alone, as where a model is held against another; default not. */
  readonly leavesTargets?: boolean | undefined;
  /** Is told why the loss is left out. */
  readonly onNote?: ((text: string) => void) | undefined;
}

/** What a model has made of a minibatch. */
export interface Answers {
  /** What the loss looks at, [N, ...]. */
  readonly logits: Tensor;
  /** All outputs that were asked for. */
  readonly results: Tensors;
  /** The outputs of the model, in their order, as far as they were asked for. */
  readonly outputs: readonly Tensor[];
}

export interface Meter extends AsyncDisposable {
  run(batch: Batch): Promise<Answers>;
  /**
   * Counts what was made of a minibatch: for the metric, and by targets where there are any.
   *
   * @param original what the original has made of it, where there is another
   * @returns whether there was something to compare with
   * @throws SecateurError `bad-data` where labels do not fit the output
   */
  count(answers: Answers, batch: Batch, original?: Answers): Promise<boolean>;
  /** Whether there is a class for each sample, whose label has a rank. */
  isRanked(logits: Tensor, batch: Batch): boolean;
  /**
   * The target of the first loss.
   *
   * @throws SecateurError `bad-data` for a batch that does not have it
   */
  labelsOf(batch: Batch): Tensor;
  /**
   * Fails for a batch in which nothing was found to compare with.
   *
   * @throws SecateurError `bad-data` that names the target that is missing
   */
  refuseMissing(batch: Batch): void;
  /** Whether a batch has that target. */
  isLabelled(batch: Batch): boolean;
  /** How many outputs are larger than that of the label, sample by sample; none where there is no class for each. */
  readonly ranks: readonly number[];
  /** Of all that was counted; there has been a sample with a label. */
  readonly quality: Quality;
  /** Whether all targets so far were class ids that the loss ignores. */
  readonly countsNothing: boolean;
  /** What a metric of your own has counted. */
  metricValue(): Promise<MetricValue | undefined>;
}

/** @throws SecateurError `bad-option` for a metric that is none, or that throws */
export async function openMeter(
  runtime: Runtime,
  graph: Graph,
  options: MeterOptions,
  besides?: Besides,
): Promise<Meter> {
  const { loss, device, threads, signal } = options;
  const metric = metricFor(graph, options.metric);
  const isCounting = typeof metric === "object";
  const evaluation = evaluationGraph(graph, loss, { ...besides, all: besides?.all === true || isCounting });
  const counting = await startCounting(metric);
  const session = await runtime.load(executable(evaluation.graph, device), { device, threads, signal });
  const lossMeter = openLossMeter(runtime, evaluation, { device, threads, signal });
  const sums: Sums = { loss: 0, top1: 0, top5: 0, samples: 0 };
  const mayMiss = options.lossMayMiss === true && (isCounting || besides !== undefined);
  const isOfClasses = evaluation.files.length === 0 && isClassifier(evaluation.terms);
  const [first] = evaluation.terms;
  const wanted: Wanted = { name: first?.target ?? "", output: first?.output, loss: first?.loss.name };
  const targetIn = (batch: Batch): Tensor | undefined =>
    options.leavesTargets === true ? undefined : findTarget(batch, wanted);
  const isRanked = (logits: Tensor, batch: Batch): boolean => {
    const target = mayMiss ? findTarget(batch, wanted) : undefined;
    return isOfClasses && isOfSamples(logits) && (target === undefined || isOfLabels(target));
  };
  const ranks: number[] = [];
  const losses = fittingLosses(evaluation, lossMeter, wanted, { ...options, mayMiss });
  return {
    async run(batch) {
      const results = await runBatch(session, evaluation.graph, batch);
      const outputs = evaluation.outputs.flatMap((name) => results[name] ?? []);
      return { logits: evaluation.logits(results), results, outputs };
    },
    async count({ logits, results }, batch, original) {
      const target = targetIn(batch);
      let isCounted = target !== undefined;
      if (!isRanked(logits, batch)) {
        const loss = await losses.of(results, batch);
        isCounted = loss !== undefined || losses.isMissing;
        sums.loss += batch.size * (loss ?? 0);
        sums.samples += batch.size;
      } else if (target) {
        const classes = logits.shape[1]!;
        const labels = fitTarget(target, { dtype: "int64", shape: [batch.size] }, { ...wanted, classes });
        checkLabels(labels, classes);
        ranks.push(...addHits(sums, logits, labels));
      }
      const theirs = original && Object.fromEntries(evaluation.outputs.map((name, i) => [name, original.outputs[i]!]));
      await counting?.add(evaluation.shown(results, batch, theirs));
      return isCounted;
    },
    isRanked,
    labelsOf: (batch) => requireTarget(batch, wanted),
    refuseMissing(batch) {
      const targets = lossMeter.wanted.length > 0 ? lossMeter.wanted : [wanted];
      for (const one of targets) requireTarget(batch, one);
    },
    isLabelled: (batch) => targetIn(batch) !== undefined,
    ranks,
    get quality() {
      const { samples } = sums;
      if (losses.isMissing) return {};
      if (ranks.length === 0) return { loss: sums.loss / samples };
      const shares = { top1: sums.top1 / samples, top5: sums.top5 / samples };
      return { loss: sums.loss / samples, ...shares, intervals: intervalsOf(shares, samples) };
    },
    get countsNothing() {
      return lossMeter.countsNothing;
    },
    metricValue: async () => counting?.value(),
    async [Symbol.asyncDispose]() {
      await session.dispose();
      await lossMeter[Symbol.asyncDispose]();
    },
  };
}

/** Whether a batch has anything that is known to be a target. */
export const hasTargets = ({ target, targets = {} }: Batch): boolean =>
  target !== undefined || Object.keys(targets).length > 0;

interface Losses {
  /** The loss of a minibatch; absent where it was left out. */
  of(results: Tensors, batch: Batch): Promise<number | undefined>;
  /** Whether the loss does not fit the data, and was left out. */
  readonly isMissing: boolean;
}

/** The losses of minibatches, which may be left out; that a loss does not fit is seen on the first. */
function fittingLosses(
  { graph }: EvaluationGraph,
  meter: LossMeter,
  wanted: Wanted,
  { lossMayMiss, leavesTargets, onNote, mayMiss }: MeterOptions & { readonly mayMiss: boolean },
): Losses {
  let [isMissing, isFirst] = [false, true];
  return {
    async of(results, batch) {
      if (isMissing || leavesTargets === true) return undefined;
      const mayFail = mayMiss && isFirst;
      isFirst = false;
      // Without targets a loss that nobody has asked for need not fit the output.
      if (lossMayMiss === true && findTarget(batch, wanted) === undefined && !hasTargets(batch)) return undefined;
      try {
        const loss = await meter.lossOf({ ...namedInputs(graph, batch), ...results }, batch);
        // Targets that are there, but for others, are told as those that do not fit.
        if (loss === undefined && mayMiss && hasTargets(batch)) requireTarget(batch, wanted);
        return loss;
      } catch (error) {
        if (!mayFail || !(error instanceof SecateurError)) throw error;
        isMissing = true;
        onNote?.(`the loss is left out: ${error.message}`);
        return undefined;
      }
    },
    get isMissing() {
      return isMissing;
    },
  };
}

const isOfLabels = (target: Tensor): boolean => /^u?int/.test(target.dtype) && sizeOf(target.shape) === target.shape[0];

/** Whether there is a class for each sample: [N, C] or [N, C, 1, 1]. */
const isOfSamples = ({ shape }: Tensor): boolean => sizeOf(shape) === shape[0]! * shape[1]!;
