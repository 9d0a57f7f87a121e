/** The importance of the units of a model, as a job. */

import type { Scores } from "../criteria/criterion.ts";
import { criterionOf } from "../criteria/table.ts";
import type { ScorePart } from "../distribute/part.ts";
import { shareMeasurement, type SharedMeasurement } from "../distribute/score-part.ts";
import { spanOf } from "../distribute/shards.ts";
import type { Dataset } from "../data/batches.ts";
import type { Model } from "../graph/graph.ts";
import { takes } from "../options/check.ts";
import { dataset } from "../options/data.ts";
import { shard, type Shard } from "../options/distribute.ts";
import { callback, type OptionsOf } from "../options/kinds.ts";
import { targetSource } from "../options/learning.ts";
import { loss } from "../options/loss.ts";
import { batchSize, memory, running, seed, type RunOptions } from "../options/machine.ts";
import { batches, measuring } from "../options/ranking.ts";
import { score as scoreGraph } from "../score/score.ts";
import { criterion, labels, progress, type LabelsOptions, type ProgressOptions } from "./kinds.ts";
import { checkLabelsFit } from "./labels.ts";
import { batchOf, openModel } from "./opened.ts";
import { startJob, type Job, type ProgressEvent } from "./job.ts";
import { withTrial } from "./trial.ts";

const own = {
  /** Criteria that look at weights alone need none. */
  data: dataset.optional(),
  /** The name of a criterion, or one of your own; default "taylor-fo". */
  criterion: criterion.default("taylor-fo"),
  /** What the loss compares with; default the labels of the data. */
  targets: targetSource,
  /** What the loss is; default "cross-entropy". */
  loss,
  /** Samples of a minibatch; default 128. */
  batchSize: batchSize(128),
  /** Minibatches to average over; default 10. */
  batches,
  /** Bytes that the process is to stay below, by estimate: minibatches are run in pieces where they would take more. */
  memory: memory.optional(),
  /** Told into how many pieces of how many samples each minibatch is split, where it is. */
  onSplit: callback<(pieces: number, samples: number) => void>().optional(),
  /** Which minibatches; default 0. */
  seed,
  /**
   * Measures one part of the minibatches only, for {@link mergeScores}: `{ index: 3, of: 16 }` is the third of sixteen.
   * Parts differ by one minibatch at most. Default: all.
   */
  shard: shard.optional(),
};
export const kinds = { ...running, ...progress, ...labels, ...measuring, ...own };
const settle = takes("score", kinds);

export interface ScoreJobOptions
  extends RunOptions, ProgressOptions, LabelsOptions, OptionsOf<typeof measuring>, OptionsOf<typeof own> {}

/**
 * Measures the importance of every unit: by default over 10 minibatches of 128 samples.
 *
 * @example
 * import { load, openDataset, score } from "secateur";
 *
 * const model = await load("model.onnx");
 * const data = await openDataset("mnist:data/mnist", { split: "train" });
 * const scores = await score(model, { data, criterion: "taylor-fo", batchSize: 64 });
 * for (const [group, importances] of scores) console.log(group, importances.length);
 *
 * @throws SecateurError as {@link scoreAll}
 */
export function score(model: Model, given: ScoreJobOptions & { readonly shard: Shard }): Job<ProgressEvent, ScorePart>;
export function score(
  model: Model,
  given?: ScoreJobOptions & { readonly shard?: undefined },
): Job<ProgressEvent, Scores>;
export function score(model: Model, given?: ScoreJobOptions): Job<ProgressEvent, Scores | ScorePart>;
export function score(model: Model, given: ScoreJobOptions = {}): Job<ProgressEvent, Scores | ScorePart> {
  return startJob(async (emit) => {
    const options = settle(given, model);
    const { data, criterion, shard } = options;
    if (shard) spanOf(shard, options.batches);
    const opened = await openModel(model, options, withTrial);
    const { runtime, graph, sized } = opened;
    const batchSize = data ? batchOf(opened, data, options.onNote) : opened.batchSize;
    const measured = criterionOf(criterion);
    const measure = {
      ...sized,
      batchSize,
      onProgress: (done: number, all: number) => emit({ kind: "minibatches", done, all }),
    };
    const found = shard
      ? await partOf(shareMeasurement(runtime, graph, measured, measure, describe(model, measure)), shard, data, emit)
      : await scoreGraph(runtime, graph, data, measured, measure);
    // The labels of all parts are the same, and no result is without the first.
    const looks = shard === undefined || shard.index === 1;
    if (looks && data && measured.kind === "data")
      await checkLabelsFit({ ...opened, model, data, emit }, sized, "measure");
    return found;
  }, given?.onEvent);
}

/** One part of a measurement that is opened for it alone. */
async function partOf(
  opened: SharedMeasurement,
  shard: Shard,
  data: Dataset | undefined,
  emit: (event: ProgressEvent) => void,
): Promise<ScorePart> {
  await using shared = opened;
  return await shared.part(shard, data, (done, all) => emit({ kind: "minibatches", done, all }));
}

/**
 * Opens a measurement of which this machine does one shard after another. It is told all that {@link score} finds from
 * the data: the loss, the sizes of inputs, and the samples of a minibatch.
 */
export async function shareScore(
  model: Model,
  given: Omit<ScoreJobOptions, "data" | "shard" | "onEvent">,
): Promise<SharedMeasurement> {
  const options = settle(given, model);
  const { runtime, graph, sized } = await openModel(model, options, withTrial);
  return shareMeasurement(runtime, graph, criterionOf(options.criterion), sized, describe(model, sized));
}

/** What a part says of the measurement that it belongs to. */
const describe = (model: Model, options: object) => ({ model, options: identityOf(options) });

/** What of the options of a measurement its importances do not depend on, or what is told apart otherwise. */
const elsewhere: ReadonlySet<string> = new Set([
  "data",
  "criterion",
  "shard",
  "runtime",
  "device",
  "threads",
  "signal",
  "labelsAreRight",
]);

/** The options that importances depend on. */
const identityOf = (options: object): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(options).filter(([name, value]) => !elsewhere.has(name) && typeof value !== "function"),
  );
