/** Models as jobs work on them: open where they can be, else with minibatches of the size that they are fixed to. */

import type { Dataset } from "../data/batches.ts";
import type { Graph, Model } from "../graph/graph.ts";
import type { EvaluateOptions } from "../evaluate/evaluate.ts";
import { fail, option } from "../graph/error.ts";
import { prepareOn, withDataSizes } from "../execute/prepare.ts";
import type { RunOptions } from "../options/machine.ts";
import { checkSmoothing } from "../objective/objective.ts";
import { wholeBatchLoss } from "../objective/loss-file.ts";
import { defaultRuntime } from "../runtime/default.ts";
import type { Runtime } from "../runtime/port.ts";
import type { Targets } from "../options/learning.ts";
import { lossesOf, type Loss } from "../options/loss.ts";
import type { Feature } from "../objective/features.ts";
import { withPositions } from "../prune/cut/positions.ts";
import { featuresOf } from "./features.ts";
import { lossFor } from "./fitting-loss.ts";
import type { ProgressEvent } from "./job.ts";

interface OpenOptions extends RunOptions {
  readonly batchSize: number;
  readonly data?: Dataset | undefined;
  readonly loss?: Loss | "auto" | undefined;
  readonly targets?: Targets | "teacher" | undefined;
  readonly seed?: number | undefined;
  readonly features?: readonly string[] | undefined;
}

/** Options whose loss is known. */
export type WithLoss<O> = Omit<O, "loss"> & { readonly loss: Loss };

/** What a job works on. */
export interface OpenedModel<O = OpenOptions> {
  readonly runtime: Runtime;
  readonly model: Model;
  /** Those of the job, with the sizes of the data, and the loss that fits. */
  readonly sized: WithLoss<O>;
  /** With an account of what is left of the features, where there are any. */
  readonly graph: Graph;
  readonly features: readonly Feature[] | undefined;
  /** The samples of a minibatch. */
  readonly batchSize: number;
  /** Whether it takes no others. */
  readonly isFixed: boolean;
}

/**
 * Opens a model, and tells where its own batch size has to be taken.
 *
 * @param ready what is done to the model before it is opened
 */
export async function openModel<O extends OpenOptions>(
  given: Model,
  options: O,
  ready?: (model: Model, options: O) => Promise<Model>,
): Promise<OpenedModel<O>> {
  const { runtime = defaultRuntime(), data } = options;
  const sized = await withDataSizes(given, options, data, options.batchSize);
  const model = (await ready?.(given, sized)) ?? given;
  const { graph, fixed } = await prepareOn(runtime, model, sized);
  if (fixed) sized.onFixedBatch?.(fixed.batch, fixed.why);
  const batchSize = fixed?.batch ?? sized.batchSize;
  const asked = { ...sized, batchSize: smaller(batchSize, data, fixed !== undefined) };
  const loss = await lossFor(runtime, graph, asked);
  const features = sized.features && (await featuresOf(runtime, model.graph, graph, sized.features, asked));
  const watched = features
    ? withPositions(
        graph,
        features.map(({ value }) => value),
      )
    : graph;
  return {
    runtime,
    model,
    sized: { ...sized, loss },
    graph: watched,
    features,
    batchSize,
    isFixed: fixed !== undefined,
  };
}

/** No more samples than there are. */
const smaller = (batchSize: number, data: Dataset | undefined, isFixed: boolean): number =>
  isFixed || !data?.size ? batchSize : Math.min(batchSize, data.size);

/** The samples of a minibatch to learn from: no more than there are. */
export function batchOf(
  { batchSize, isFixed }: Pick<OpenedModel, "batchSize" | "isFixed">,
  { size }: Dataset,
  onNote?: (text: string) => void,
): number {
  if (isFixed || size === undefined || size === 0 || size >= batchSize) return batchSize;
  onNote?.(`the data has ${size} samples to learn from: minibatches are of ${size}, not of ${batchSize}`);
  return size;
}

/**
 * Refuses label smoothing where there are no labels of classes to smooth, before anything is measured or learned.
 *
 * @throws SecateurError `bad-option`
 */
export function refuseSmoothing({
  loss,
  targets = "labels",
  labelSmoothing = 0,
}: Pick<WithLoss<OpenOptions>, "loss" | "targets"> & { readonly labelSmoothing?: number }): void {
  if (labelSmoothing > 0 && targets !== "labels")
    fail(
      "bad-option",
      `${option("labelSmoothing")} spreads labels over classes: ${option("targets", targets)} has none`,
    );
  checkSmoothing(
    lossesOf(loss).map(({ kind }) => kind),
    labelSmoothing,
  );
}

/** Minibatches that an epoch is to have at least, and the samples that a minibatch has all the same. */
const [leastSteps, leastSamples] = [16, 16];
const usualSamples = 128;

/**
 * The samples of a minibatch to learn from where nobody says it: 128, and fewer where an epoch would have next to no
 * steps. A loss that compares the samples of a minibatch is another one with fewer of them, and keeps its 128.
 */
export function batchToLearn({ batchSize, data, loss }: Partial<OpenOptions>): number {
  if (batchSize !== undefined) return batchSize;
  const size = data?.size;
  if (size === undefined || (loss !== undefined && loss !== "auto" && wholeBatchLoss(loss) !== undefined))
    return usualSamples;
  let samples = usualSamples;
  while (samples > leastSamples && samples * leastSteps > size) samples /= 2;
  return samples;
}

type Measured =
  | "batchSize"
  | "loss"
  | "lossMayMiss"
  | "metric"
  | "limit"
  | "device"
  | "threads"
  | "signal"
  | "onNote"
  | "onProgress";

/** Of the options of a job those that a measurement takes, which tells how far it is. */
export function measuring(
  options: Pick<EvaluateOptions, Exclude<Measured, "onProgress" | "limit">> & { readonly limit?: number | undefined },
  emit: (event: ProgressEvent) => void,
): Pick<EvaluateOptions, Measured> {
  const { batchSize, loss, lossMayMiss, metric, limit, device, threads, signal, onNote } = options;
  const onProgress = (done: number, all: number | undefined): void => emit({ kind: "samples", done, all });
  const told = { device, threads, signal, onNote, onProgress };
  return { batchSize, loss, lossMayMiss, metric, ...told, ...(limit !== undefined && { limit }) };
}
