/** How far two models are apart in what they compute: on random inputs, and on data. */

import type { MeasureName } from "../options/metric.ts";
import type { Loss } from "../options/loss.ts";
import type { Batch, BatchOptions, Dataset } from "../data/batches.ts";
import { executable } from "../execute/executable.ts";
import { minibatches } from "../execute/minibatches.ts";
import { fail } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import type { Shape, Tensor } from "../graph/tensor.ts";
import { sameShape } from "../ops/emitter.ts";
import { fixedBatch } from "../passes/open-batch.ts";
import { widen } from "../passes/widen.ts";
import { analyse } from "../prune/coupling/analysis.ts";
import { differ, type Difference } from "../prune/proof/differ.ts";
import { drawInputs } from "../prune/proof/draw.ts";
import type { MachineOptions, Runtime } from "../runtime/port.ts";
import { samplesOf, type Evaluation } from "./evaluate.ts";
import { changedBetween, type Top } from "./hits.ts";
import { intervalsOf, type Changed } from "./intervals.ts";
import { openApart } from "./apart.ts";
import type { Kept } from "./kept.ts";
import { openMeter, type Answers, type Meter, type MeterOptions, type Quality } from "./meter.ts";
import { namedValue, type MetricValue } from "./metrics.ts";

/** The models that are compared; the first is what the second is measured by. */
export type Pair<T> = readonly [before: T, after: T];

export interface Comparison {
  readonly samples: number;
  /** Absent where the data has no labels. */
  readonly quality?: Pair<Quality>;
  /**
   * Of classifiers the share of samples whose largest output is the same; of others the least that is kept of an
   * output: {@link agreementOf}. Absent where nothing can be compared.
   */
  readonly agreement?: number;
  /** What is kept of each output of the first model, by its name; absent for plain classifiers. */
  readonly outputs?: Readonly<Record<string, Kept>>;
  /** Absent where agreement is no share of samples. */
  readonly intervals?: Evaluation["intervals"];
  /** Samples that one model has right and the other has not; of classifiers with labels. */
  readonly changed?: Readonly<Record<Top, Changed>>;
  /**
   * Of classifiers Kullback and Leibler's divergence of the softmax of the second from that of the first, in nats; of
   * others the loss that fits the outputs, with those of the first for targets. Absent where no loss fits.
   */
  readonly divergence?: number;
  /** The metric that was asked for, of both. */
  readonly metric?: Pair<MetricValue>;
  /** The mean of (a - b)² over samples and the first output, logits where the loss is cross-entropy. */
  readonly squaredDifference: number;
}

/** By default the metric is top-1, or without labels the agreement. */
export interface CompareOptions extends MeterOptions, Pick<BatchOptions, "batchSize" | "limit"> {
  /** The loss by which the second model is compared with the first; default that of the targets. */
  readonly distance?: Loss | undefined;
  readonly onProgress?: (samples: number, total: number | undefined) => void;
}

/** Samples of the random inputs. */
const randomBatch = 8;

/**
 * The largest difference of the outputs of two models on the same random inputs.
 *
 * @param graphs the models with open batches; inputs and outputs go by their order, not by their names
 * @returns the difference of each output, under its name in the first model
 * @throws SecateurError `bad-model` for models of different inputs or outputs
 */
export async function compareOutputs(
  runtime: Runtime,
  graphs: Pair<Graph>,
  options: MachineOptions & { readonly seed?: number } = {},
): Promise<Map<string, Difference>> {
  const wide = both(graphs, widen);
  const batch = fixedBatch(graphs[0]) ?? fixedBatch(graphs[1]) ?? randomBatch;
  const traced = both(wide, (graph) => analyse(graph, { batch }).traced);
  requireSame(
    "inputs",
    both(traced, ({ graph, types }) => graph.inputs.map(({ name }) => types.get(name)!)),
  );
  const { seed = 0, ...machine } = options;
  const results: Tensor[][] = [];
  for (const [i, graph] of wide.entries()) {
    await using session = await runtime.load(executable(graph, machine.device), machine);
    const found = await session.run(drawInputs(traced[i]!, seed));
    results.push(graph.outputs.map(({ name }) => found[name]!));
  }
  const [a, b] = results as [Tensor[], Tensor[]];
  requireSame("outputs", [a, b]);
  return new Map(wide[0].outputs.map(({ name }, i) => [name, differ(a[i]!, b[i]!)]));
}

/**
 * Runs two models over a data set: how good each is where the data has labels, and how far their outputs are apart.
 * Outputs go by their order.
 *
 * @param graphs the models with open batches
 * @throws SecateurError `bad-model` for models of different outputs, `bad-option` for
 * a metric that is none, or that throws
 */
export async function compare(
  runtime: Runtime,
  graphs: Pair<Graph>,
  dataset: Dataset,
  options: CompareOptions,
): Promise<Comparison> {
  const { metric, batchSize, limit, signal } = options;
  const sums = { samples: 0, labelled: 0, outputs: 0, squares: 0, agreed: 0, divergence: 0 };
  await using apart = openApart(runtime, graphs, options);
  await using before = await openMeter(runtime, graphs[0], options, apart.besides);
  await using after = await openMeter(runtime, graphs[1], options, apart.besides);
  const meters: Pair<Meter> = [before, after];
  let isRanked = false;
  for await (const batch of minibatches(dataset, { batchSize, limit, signal })) {
    const answers = [await before.run(batch), await after.run(batch)] as const;
    const [a, b] = both(answers, ({ logits }) => logits);
    requireSameOutputs(answers, batch, apart.besides.all === true);
    addSquares(sums, [a, b]);
    sums.samples += batch.size;
    isRanked = before.isRanked(a, batch) && (apart.ofClassifiers || before.isLabelled(batch));
    if (isRanked) addRows(sums, [a, b]);
    if (!isRanked || apart.hasSeveral) await apart.add(answers, batch);
    if (await before.count(answers[0], batch, answers[0])) sums.labelled += batch.size;
    await after.count(answers[1], batch, answers[0]);
    options.onProgress?.(sums.samples, samplesOf(dataset, options));
  }
  const { samples, labelled } = sums;
  if (samples === 0) fail("bad-data", `"${dataset.name}" has no samples`);
  if (labelled > 0 && labelled < samples)
    fail(
      "bad-data",
      `${samples - labelled} of the ${samples} samples of "${dataset.name}" have no label: give all or none`,
    );
  const quality = labelled > 0 ? both(meters, (meter) => meter.quality) : undefined;
  const found = apart.found(samples);
  const divergence = isRanked ? sums.divergence / samples : found.divergence;
  if (![sums.squares, divergence ?? 0, ...(quality ?? []).map(({ loss = 0 }) => loss)].every(Number.isFinite))
    fail(
      "not-finite",
      `outputs over ${samples} samples are not finite: look for values that are not numbers in the weights of the ` +
        "models",
    );
  const agreement = isRanked ? sums.agreed / samples : found.agreement;
  const named = (name: MeasureName): Pair<MetricValue> =>
    both([1, agreement], (agreed, i) => {
      const value = namedValue(name, { ...quality?.[i], ...(agreed === undefined ? {} : { agreement: agreed }) });
      return name === "agreement" && !isRanked ? { ...value, share: true } : value;
    });
  const [first, second] = [await before.metricValue(), await after.metricValue()];
  return {
    samples,
    ...(quality && { quality }),
    ...(agreement !== undefined && { agreement }),
    ...(isRanked && { intervals: intervalsOf({ agreement }, samples) }),
    ...(found.outputs && { outputs: found.outputs }),
    ...(divergence !== undefined && { divergence }),
    ...(quality && isRanked && { changed: changedBetween([before.ranks, after.ranks]) }),
    ...(metric !== undefined && { metric: first && second ? [first, second] : named(metric as MeasureName) }),
    squaredDifference: sums.squares / sums.outputs,
  };
}

function addSquares(sums: { squares: number; outputs: number }, [a, b]: Pair<Tensor>): void {
  if (!sameShape(a.shape, b.shape)) return;
  for (let i = 0; i < a.data.length; i++) sums.squares += (Number(a.data[i]) - Number(b.data[i])) ** 2;
  sums.outputs += a.data.length;
}

function both<T, U>(pair: Pair<T>, map: (one: T, i: 0 | 1) => U): Pair<U> {
  return [map(pair[0], 0), map(pair[1], 1)];
}

type Form = Pick<Tensor, "dtype" | "shape">;

function requireSame(what: "inputs" | "outputs", [a, b]: Pair<readonly Form[]>): void {
  const same =
    a.length === b.length && a.every(({ dtype, shape }, i) => dtype === b[i]!.dtype && sameShape(shape, b[i]!.shape));
  const form = (all: readonly Form[]): string =>
    all.map(({ dtype, shape }) => `${dtype} [${sample(shape)}]`).join(", ");
  if (!same)
    fail(
      "bad-model",
      `the models cannot be compared: the ${what} of a sample are ${form(a)} in the first and ${form(b)} in the second`,
    );
}

/** Outputs whose first axis counts something else than samples may differ in size. */
function requireSameOutputs(answers: Pair<Answers>, { size }: Batch, all: boolean): void {
  const isFree = (values: Pair<Tensor | undefined>): boolean =>
    values[0]?.dtype === values[1]?.dtype && values.every((value) => value !== undefined && value.shape[0] !== size);
  const logits = both(answers, (one) => one.logits);
  if (!isFree(logits)) requireSame("outputs", [[logits[0]], [logits[1]]]);
  if (!all) return;
  const [a, b] = both(answers, ({ outputs }) => outputs);
  const isKept = (_: Tensor, i: number): boolean => !isFree([a[i], b[i]]);
  requireSame("outputs", [a.filter(isKept), b.filter(isKept)]);
}

const sample = (shape: Shape): string => shape.slice(1).join(", ");

/** How far what classifiers put out is apart, sample by sample. */
function addRows(sums: { agreed: number; divergence: number }, logits: Pair<Tensor>): void {
  const classes = logits[0].shape[1]!;
  for (let n = 0; n < logits[0].shape[0]!; n++) {
    const rows = both(logits, ({ data }) =>
      logSoftmax((data as Float32Array).subarray(n * classes, (n + 1) * classes)),
    );
    if (largestOf(rows[0]) === largestOf(rows[1])) sums.agreed++;
    rows[0].forEach((p, c) => (sums.divergence += Math.exp(p) * (p - rows[1][c]!)));
  }
}

function logSoftmax(logits: Float32Array): Float64Array {
  const largest = logits.reduce((a, b) => Math.max(a, b));
  const sum = logits.reduce((all, x) => all + Math.exp(x - largest), 0);
  return Float64Array.from(logits, (x) => x - largest - Math.log(sum));
}

const largestOf = (row: Float64Array): number => row.reduce((best, x, c) => (x > row[best]! ? c : best), 0);
