/** What has changed from one model to another, as a job. */

import { z } from "zod";
import type { Model } from "../graph/graph.ts";
import { takes } from "../options/check.ts";
import { dataset } from "../options/data.ts";
import { count, type OptionsOf } from "../options/kinds.ts";
import { loss } from "../options/loss.ts";
import { metric } from "../options/metric.ts";
import { batchSize, rounds, running, seed, type RunOptions } from "../options/machine.ts";
import { fixedBatch } from "../passes/open-batch.ts";
import { changesOf, type Changes } from "../prune/changes.ts";
import type { Difference } from "../prune/proof/differ.ts";
import { summarise } from "../prune/summary.ts";
import { defaultRuntime } from "../runtime/default.ts";
import { compare as compareGraphs, compareOutputs } from "../evaluate/compare.ts";
import type { Comparison, Pair } from "../evaluate/compare.ts";
import { dropOf, type Drop } from "../evaluate/drop.ts";
import { withDataSizes, withSizesOf } from "../execute/prepare.ts";
import { measureLatency, type Timing } from "../evaluate/timing.ts";
import { labels, progress, type LabelsOptions, type ProgressOptions } from "./kinds.ts";
import { checkLabelsFit } from "./labels.ts";
import { isUnsaid } from "./evaluate.ts";
import { distanceFor } from "./fitting-loss.ts";
import { measuring, openModel } from "./opened.ts";
import { startJob, type Job, type ProgressEvent } from "./job.ts";

const own = {
  /** What to run both models over; random inputs where there is none. */
  data: dataset.optional(),
  /** What the loss is; default as in evaluate for labels, and between the models what fits each output. */
  loss,
  /**
   * A measure to look at above all, or a metric by name or of your own, which is counted besides; default
   * top-1, or without labels the agreement.
   */
  metric: metric.optional(),
  /** Samples of a minibatch; default 200. */
  batchSize: batchSize(200),
  /** No more minibatches than this; default all. */
  limit: count.optional(),
  /** How to time both models in turns, or true for 50 rounds of single samples; default: not at all. */
  latency: z.union([z.boolean(), z.strictObject({ batch: count.optional(), rounds: rounds.optional() })]).optional(),
  /** Of random inputs; default 0. */
  seed,
};
export const kinds = { ...running, ...progress, ...labels, ...own };
const settle = takes("compare", kinds);

export interface CompareJobOptions extends RunOptions, ProgressOptions, LabelsOptions, OptionsOf<typeof own> {}

export interface CompareOutcome extends Changes {
  /** The largest difference of each output on random inputs; absent where there is data. */
  readonly outputs?: ReadonlyMap<string, Difference> | undefined;
  readonly data?: DataComparison | undefined;
  readonly latency?: Pair<Timing> | undefined;
}

/** With what was lost, as {@link dropOf} has it; that is absent where nothing can be compared. */
export interface DataComparison extends Comparison, Partial<Pick<Drop, "drop" | "share" | "dropInterval">> {}

/**
 * Sets two models side by side: costs, units, and outputs on data or on random inputs.
 *
 * @example
 * import { compare, cut, load, openDataset, plan } from "secateur";
 *
 * const model = await load("model.onnx");
 * const { model: small } = await cut(model, (await plan(model, { ratio: 0.2 })).removal);
 * const data = await openDataset("mnist:data/mnist", { split: "test" });
 * const { before, after, data: found } = await compare(model, small, { data });
 * console.log(after.macs / before.macs, found?.agreement, found?.drop);
 *
 * @throws SecateurError `bad-model` for models of different inputs or outputs
 */
export function compare(
  before: Model,
  after: Model,
  given: CompareJobOptions = {},
): Job<ProgressEvent, CompareOutcome> {
  return startJob(async (emit) => {
    const options = settle(given, before, after);
    const { runtime = defaultRuntime(), data, latency, metric, seed, device, threads, signal } = options;
    const models: Pair<Model> = [before, after];
    const own = await withDataSizes(before, options, data, options.batchSize);
    const sized = withSizesOf(before, own);
    const changes = changesOf(summarise(before, own), summarise(after, sized));
    const opened = [await openModel(before, sized), await openModel(after, sized)] as const;
    const graphs = [opened[0].graph, opened[1].graph] as const;
    const { batchSize } = opened.find(({ graph }) => fixedBatch(graph) !== undefined) ?? opened[0];
    const comparison =
      data &&
      (await compareGraphs(runtime, graphs, data, {
        ...measuring({ ...opened[0].sized, batchSize, lossMayMiss: isUnsaid(options) }, emit),
        ...(isUnsaid(options) && { distance: await distanceFor(runtime, graphs[0], { ...options, data, batchSize }) }),
      }));
    if (data) await checkLabelsFit({ ...opened[0], data, emit }, opened[0].sized, "measure");
    const isCounted = comparison?.agreement !== undefined || metric !== undefined;
    const { metric: _, ...drop } = comparison && isCounted ? dropOf(comparison) : {};
    const outputs = data ? undefined : await compareOutputs(runtime, graphs, { device, threads, signal, seed });
    const times = latency
      ? await measureLatency(runtime, models, {
          ...sized,
          ...(latency === true ? {} : latency),
          onProgress: (done, all) => emit({ kind: "rounds", done, all }),
        })
      : undefined;
    return {
      ...changes,
      ...(outputs && { outputs }),
      ...(comparison && { data: { ...comparison, ...drop } }),
      ...(times && { latency: [times[0]!, times[1]!] }),
    };
  }, given?.onEvent);
}
