/** How good a model is, as a job. */

import type { Model } from "../graph/graph.ts";
import { takes } from "../options/check.ts";
import { dataset } from "../options/data.ts";
import { count, type OptionsOf } from "../options/kinds.ts";
import { loss } from "../options/loss.ts";
import { metric } from "../options/metric.ts";
import { batchSize, running, type RunOptions } from "../options/machine.ts";
import { evaluate as evaluateGraph, type Evaluation } from "../evaluate/evaluate.ts";
import { listen } from "../evaluate/first-look.ts";
import { labels, progress, type LabelsOptions, type ProgressOptions } from "./kinds.ts";
import { adviseOn, refuseFewer } from "./labels.ts";
import { measuring, openModel } from "./opened.ts";
import { startJob, type Job, type ProgressEvent } from "./job.ts";

const own = {
  /** What to measure by, with labels. */
  data: dataset,
  /**
   * What the loss is; default cross-entropy on the first output, or bce where that ends in a Sigmoid. The default is
   * left out where a metric counts and it does not fit the targets.
   */
  loss,
  /** A measure to look at above all, or a metric by name or of your own, which is counted besides. */
  metric: metric.optional(),
  /** Samples of a minibatch; default 200. */
  batchSize: batchSize(200),
  /** No more minibatches than this; default all. */
  limit: count.optional(),
};
export const kinds = { ...running, ...progress, ...labels, ...own };
const settle = takes("evaluate", kinds);

/** Whether nobody has said what the loss is: where a metric counts, it need not fit. */
export const isUnsaid = ({ loss }: { readonly loss?: unknown }): boolean => loss === undefined || loss === "auto";

export interface EvaluateJobOptions extends RunOptions, ProgressOptions, LabelsOptions, OptionsOf<typeof own> {}

/**
 * Runs a model over labelled data: its loss, and for classes its hits. Where these are no more than by
 * chance, a note says what to look at.
 *
 * @example
 * import { evaluate, load, openDataset } from "secateur";
 *
 * const data = await openDataset("mnist:data/mnist", { split: "test" });
 * const { loss, top1 } = await evaluate(await load("model.onnx"), { data });
 * console.log(loss, top1);
 *
 * @throws SecateurError `bad-data` where labels do not fit the output, `bad-labels` where the data names fewer classes
 * than there are outputs, `not-finite` where the loss is no number
 */
export function evaluate(model: Model, given: EvaluateJobOptions): Job<ProgressEvent, Evaluation> {
  return startJob(async (emit) => {
    const options = settle(given, model);
    const { data } = options;
    const opened = await openModel(model, options);
    const { runtime, graph, batchSize, sized } = opened;
    const listener = listen();
    const evaluation = await evaluateGraph(runtime, graph, data, {
      ...measuring({ ...sized, batchSize, lossMayMiss: isUnsaid(options) }, emit),
      onLogits(scores, target) {
        if (!options.labelsAreRight) refuseFewer(data, scores.shape[1]!);
        listener.add(scores, target);
      },
    });
    await adviseOn(listener.said, { ...opened, data, emit }, sized);
    return evaluation;
  }, given?.onEvent);
}
