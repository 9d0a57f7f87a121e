/** Learning, from nothing or from what there is, as a job. */

import type { Dataset } from "../data/batches.ts";
import type { Model } from "../graph/graph.ts";
import { defaultRuntime } from "../runtime/default.ts";
import type { StepEvent } from "../train/events.ts";
import { finetune as finetuneGraph, type FinetuneOptions } from "../train/finetune.ts";
import { prepare, withGraph } from "../train/prepare.ts";
import { startJob, type Job, type JobOptions } from "./job.ts";

export interface TrainJobOptions
  extends
    JobOptions<StepEvent>,
    Partial<Omit<FinetuneOptions, "carried" | "from" | "onEvent" | "onPoint" | "teacher">> {
  /** What to learn from. */
  readonly data: Dataset;
}

/**
 * Trains a model, such as one of {@link newModel}: by default for 20 epochs at a learning rate of up to 0.1.
 *
 * @example
 * import { newModel, openDataset, save, train } from "secateur";
 *
 * const data = await openDataset("mnist:data/mnist", { split: "train" });
 * const model = await train(newModel("lenet5", { classes: 10, seed: 1 }), { data, epochs: 2, batchSize: 64 });
 * await save("trained.onnx", model);
 *
 * @throws SecateurError `not-finite` where the loss diverges, `bad-data` where a label does not fit the output
 */
export function train(model: Model, options: TrainJobOptions): Job<StepEvent, Model> {
  return learn(model, options, { epochs: 20, learningRate: 0.1 });
}

/**
 * Trains a model further, such as one that was cut: by default for 5 epochs at a learning rate of up to 0.02.
 *
 * @example
 * import { cut, finetune, load, openDataset, plan } from "secateur";
 *
 * const model = await load("model.onnx");
 * const { removal } = await plan(model, { ratio: 0.5 });
 * const data = await openDataset("mnist:data/mnist", { split: "train" });
 * const job = finetune((await cut(model, removal)).model, { data, epochs: 1, batchSize: 64 });
 * for await (const { step, loss } of job) console.log(step, loss);
 * const small = await job;
 *
 * @throws SecateurError as {@link train}
 */
export function finetune(model: Model, options: TrainJobOptions): Job<StepEvent, Model> {
  return learn(model, options, { epochs: 5, learningRate: 0.02 });
}

type Pace = Pick<FinetuneOptions, "epochs" | "learningRate">;

function learn(model: Model, options: TrainJobOptions, pace: Pace): Job<StepEvent, Model> {
  return startJob(async (tell) => {
    const { runtime = defaultRuntime(), data, signal } = options;
    const graph = await finetuneGraph(runtime, prepare(model, options), data, {
      ...options,
      loss: options.loss ?? "cross-entropy",
      batchSize: options.batchSize ?? 128,
      seed: options.seed ?? 0,
      epochs: options.epochs ?? pace.epochs,
      learningRate: options.learningRate ?? pace.learningRate,
      onEvent: tell,
    });
    signal?.throwIfAborted();
    return withGraph(model, graph);
  }, options.onEvent);
}
