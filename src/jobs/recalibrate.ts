/** New statistics for BatchNormalization, as a job. */

import { fail } from "../graph/error.ts";
import type { Model } from "../graph/graph.ts";
import { takes } from "../options/check.ts";
import { dataset } from "../options/data.ts";
import { count, type OptionsOf } from "../options/kinds.ts";
import { batchSize, running, seed, type RunOptions } from "../options/machine.ts";
import { withGraph } from "../execute/prepare.ts";
import { recalibrate as recalibrateGraph } from "../train/recalibrate.ts";
import { batchOf, openModel } from "./opened.ts";
import { progress, type ProgressOptions } from "./kinds.ts";
import { startJob, type Job, type ProgressEvent } from "./job.ts";

const own = {
  /** Samples like those that the model will see; labels are not looked at. */
  data: dataset,
  /** Samples of a minibatch; default 128. */
  batchSize: batchSize(128),
  /** Minibatches to average over; default all. */
  batches: count.optional(),
  /** Which minibatches; default 0. */
  seed,
};
export const kinds = { ...running, ...progress, ...own };
const settle = takes("recalibrate", kinds);

export interface RecalibrateJobOptions extends RunOptions, ProgressOptions, OptionsOf<typeof own> {}

/**
 * Gives every BatchNormalization the mean and variance of what it sees now. Behind a cut these are others than before.
 * Nothing is learned, and no labels are needed: a few hundred samples do.
 *
 * @example
 * import { load, openDataset, recalibrate, save } from "secateur";
 *
 * const data = await openDataset("mnist:data/mnist", { split: "train" });
 * await save("tuned.onnx", await recalibrate(await load("small.onnx"), { data, batches: 8 }));
 *
 * @returns the model with its new statistics
 * @throws SecateurError `unsupported` for a model without such statistics, `bad-data` for data without a whole
 * minibatch, `not-finite` where a statistic is no number
 */
export function recalibrate(model: Model, given: RecalibrateJobOptions): Job<ProgressEvent, Model> {
  return startJob(async (emit) => {
    const options = settle(given, model);
    const { data } = options;
    const opened = await openModel(model, options);
    const tuned = await recalibrateGraph(opened.runtime, opened.graph, data, {
      ...options,
      batchSize: batchOf(opened, data),
      onProgress: (done) => emit({ kind: "minibatches", done, all: options.batches }),
    });
    if (tuned === opened.graph)
      fail(
        "unsupported",
        "no BatchNormalization of the model keeps statistics: there is nothing to recalibrate. Where exporters " +
          "folded them into weights, finetune instead",
      );
    return withGraph(model, tuned);
  }, given?.onEvent);
}
