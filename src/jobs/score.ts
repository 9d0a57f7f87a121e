/** The importance of the units of a model, as a job. */

import type { Criterion, Scores } from "../criteria/criterion.ts";
import { criterionOf } from "../criteria/table.ts";
import type { Dataset } from "../data/batches.ts";
import type { Model } from "../graph/graph.ts";
import { takes } from "../options/check.ts";
import { dataset, labelsAreRight } from "../options/data.ts";
import { callback } from "../options/kinds.ts";
import { loss, targetSource } from "../options/learning.ts";
import { batchSize, memory, running, seed } from "../options/machine.ts";
import { batches, criterion, gates, probes } from "../options/ranking.ts";
import { defaultRuntime } from "../runtime/default.ts";
import { withDataSizes } from "../execute/prepare.ts";
import { score as scoreGraph, type ScoreOptions } from "../score/score.ts";
import { checkLabelsFit, type LabelsOptions } from "./labels.ts";
import { openModel } from "./opened.ts";
import { startJob, type Job, type JobOptions, type ProgressEvent } from "./job.ts";
import { withTrial } from "./trial.ts";

export interface ScoreJobOptions
  extends
    JobOptions<ProgressEvent>,
    LabelsOptions,
    Partial<
      Pick<
        ScoreOptions,
        "batchSize" | "batches" | "gates" | "loss" | "memory" | "onSplit" | "probes" | "seed" | "targets"
      >
    > {
  /** Criteria that look at weights alone need none. */
  readonly data?: Dataset | undefined;
  /** The name of a criterion, or one of your own; default "taylor-fo". */
  readonly criterion?: string | Criterion | undefined;
}

const settle = takes<ScoreJobOptions>()("score", {
  ...running,
  onEvent: callback<(event: ProgressEvent) => void>().optional(),
  data: dataset.optional(),
  labelsAreRight: labelsAreRight.optional(),
  criterion: criterion.default("taylor-fo"),
  gates,
  probes: probes.optional(),
  targets: targetSource,
  loss,
  batchSize: batchSize(128),
  batches,
  memory: memory.optional(),
  onSplit: callback<(pieces: number, samples: number) => void>().optional(),
  seed,
});

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
export function score(model: Model, given: ScoreJobOptions = {}): Job<ProgressEvent, Scores> {
  return startJob(async (emit) => {
    const options = settle(given, model);
    const { runtime = defaultRuntime(), data, criterion } = options;
    const sized = await withDataSizes(model, options, data, options.batchSize);
    const opened = await openModel(runtime, await withTrial(model, sized), sized);
    const { graph, batchSize } = opened;
    const measured = criterionOf(criterion);
    const scores = await scoreGraph(runtime, graph, data, measured, {
      ...options,
      batchSize,
      onProgress: (done, all) => emit({ kind: "minibatches", done, all }),
    });
    if (data && measured.kind === "data") await checkLabelsFit({ ...opened, model, data, emit }, options, "measure");
    return scores;
  }, given?.onEvent);
}
