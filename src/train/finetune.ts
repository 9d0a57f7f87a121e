/** Fine-tuning: all weights learn by SGD over some epochs while the learning rate falls along a cosine. */

import type { Augment, Dataset } from "../data/batches.ts";
import { checkClasses } from "../data/checks.ts";
import type { Graph } from "../graph/graph.ts";
import type { LoadOptions, Runtime } from "../runtime/port.ts";
import { refuseBatches } from "./feeds.ts";
import type { Distillation, Loss } from "./losses.ts";
import { createTeacher } from "./teacher.ts";
import type { SgdOptions } from "./optimisers.ts";
import { cosineRate } from "./schedules.ts";
import { Trainer } from "./trainer.ts";

/** How a model learns, whether from scratch, while it is pruned or after. */
export interface LearnOptions extends LoadOptions {
  readonly loss: Loss;
  readonly batchSize: number;
  readonly seed: number;
  readonly augment?: Augment | undefined;
  readonly sgd?: Partial<SgdOptions> | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface FinetuneOptions extends LearnOptions {
  readonly epochs: number;
  readonly learningRate: number;
  /** Steps over which the learning rate rises at first; default 0. */
  readonly warmUp?: number;
  /** The number of the first epoch, so that a second run sees other orders of the same data; default 0. */
  readonly firstEpoch?: number;
  /** A model to learn from besides the labels: its graph with an open batch. */
  readonly teacher?: (Distillation & { readonly graph: Graph }) | undefined;
  readonly onStep?: (event: FinetuneEvent) => void;
}

export interface FinetuneEvent {
  readonly epoch: number;
  readonly epochs: number;
  readonly step: number;
  /** Steps of the whole run; known once the first epoch is over, or where the data set tells its size. */
  readonly steps: number | undefined;
  readonly loss: number;
  readonly learningRate: number;
}

/** Options of a data set's batches for learning: shuffled, whole, and augmented where that was asked for. */
export const learningBatches = (options: LearnOptions, epoch: number) => ({
  batchSize: options.batchSize,
  shuffle: true,
  seed: options.seed,
  epoch,
  dropLast: true,
  ...(options.augment ? { augment: options.augment } : {}),
});

/**
 * Trains a graph.
 *
 * @param graph the model with an open batch
 * @returns the graph with the weights and statistics it learned
 * @throws SecateurError `not-finite` where the loss diverges, `bad-data` where a label does not fit the output
 */
export async function finetune(
  runtime: Runtime,
  graph: Graph,
  dataset: Dataset,
  options: FinetuneOptions,
): Promise<Graph> {
  const { epochs, batchSize, firstEpoch = 0 } = options;
  if (epochs === 0) return graph;
  const trainer = await Trainer.create(runtime, graph, {
    ...stepOptions(options),
    distillation: options.teacher,
  });
  const teacher = options.teacher && (await createTeacher(runtime, options.teacher.graph, options));
  try {
    checkClasses(dataset, trainer.classes);
    let perEpoch = dataset.size === undefined ? undefined : Math.floor(dataset.size / batchSize);
    let step = 0;
    for (let epoch = 0; epoch < epochs; epoch++) {
      const first = step;
      let seen: number | undefined;
      for await (const batch of dataset.batches(learningBatches(options, firstEpoch + epoch))) {
        options.signal?.throwIfAborted();
        seen = batch.size;
        if (batch.size !== batchSize) continue;
        const steps = perEpoch === undefined ? undefined : perEpoch * epochs;
        // Without a known size the schedule goes by epochs until the first one has been counted.
        const rate =
          steps === undefined
            ? cosineRate({ rate: options.learningRate }, epoch, epochs)
            : cosineRate({ rate: options.learningRate, warmUp: options.warmUp ?? 0 }, step, steps);
        const { loss } = await trainer.step(batch, rate, teacher);
        step++;
        options.onStep?.({ epoch: epoch + 1, epochs, step, steps, loss, learningRate: rate });
      }
      if (step === first) refuseBatches(dataset, batchSize, seen);
      perEpoch ??= step;
    }
    return trainer.graph();
  } finally {
    await trainer.dispose();
    await teacher?.dispose();
  }
}

export const stepOptions = (options: LearnOptions) => ({
  batch: options.batchSize,
  loss: options.loss,
  ...(options.sgd ? { sgd: options.sgd } : {}),
  ...(options.threads === undefined ? {} : { threads: options.threads }),
});
