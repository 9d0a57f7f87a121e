/** Fine-tuning: all weights learn by SGD over some epochs while the learning rate falls along a cosine. */

import type { Augment, Dataset } from "../data/batches.ts";
import { checkClasses } from "../data/checks.ts";
import type { Graph } from "../graph/graph.ts";
import type { LoadOptions, Runtime } from "../runtime/port.ts";
import type { StepEvent } from "./events.ts";
import type { Distillation, Loss } from "./losses.ts";
import type { SgdOptions } from "./optimisers.ts";
import { cosineRate } from "./schedules.ts";
import { openStream, type Position } from "./stream.ts";
import { createTeacher } from "./teacher.ts";
import { Trainer, type TrainerState } from "./trainer.ts";

/** How a model learns, whether from scratch, while it is pruned or after. */
export interface LearnOptions extends LoadOptions {
  readonly loss: Loss;
  readonly batchSize: number;
  readonly seed: number;
  readonly augment?: Augment | undefined;
  readonly sgd?: Partial<SgdOptions> | undefined;
}

/** Where fine-tuning stands: all that it needs to go on as if it had never stopped. */
export interface FinetunePoint extends TrainerState {
  readonly phase: "finetune";
  /** Minibatches so far. */
  readonly step: number;
  readonly position: Position;
  /** Minibatches of an epoch, where known. */
  readonly perEpoch: number | undefined;
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
  readonly onEvent?: ((event: StepEvent) => void) | undefined;
  /** Where an earlier run of the same options stood; it goes on from there. */
  readonly from?: FinetunePoint | undefined;
  /** Offered after every step: taking a point copies all weights. */
  readonly onPoint?: ((take: () => Promise<FinetunePoint>) => Promise<void>) | undefined;
}

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
  const { epochs, firstEpoch = 0, warmUp = 0, learningRate, from, signal } = options;
  if (epochs === 0) return graph;
  const trainer = await Trainer.create(
    runtime,
    from?.graph ?? graph,
    { ...stepOptions(options), distillation: options.teacher },
    from?.velocities,
  );
  const teacher = options.teacher && (await createTeacher(runtime, options.teacher.graph, options));
  await using stream = openStream(dataset, options, from?.position ?? { epoch: firstEpoch, batch: 0 });
  try {
    checkClasses(dataset, trainer.classes);
    let step = from?.step ?? 0;
    for (;;) {
      const perEpoch = stream.perEpoch ?? from?.perEpoch;
      const { epoch } = stream.position;
      if (epoch >= firstEpoch + epochs) return (await trainer.state()).graph;
      signal?.throwIfAborted();
      const batch = await stream.next();
      const steps = perEpoch === undefined ? undefined : perEpoch * epochs;
      // Without a known size the schedule goes by epochs until the first one has been counted.
      const rate =
        steps === undefined
          ? cosineRate({ rate: learningRate }, epoch - firstEpoch, epochs)
          : cosineRate({ rate: learningRate, warmUp }, step, steps);
      const { loss } = await trainer.step(batch, rate, step, teacher);
      step++;
      options.onEvent?.({
        kind: "step",
        phase: "finetune",
        step,
        steps,
        epoch: epoch - firstEpoch + 1,
        epochs,
        loss,
        learningRate: rate,
      });
      const [at, position] = [step, stream.position];
      await options.onPoint?.(async () => ({
        ...(await trainer.state()),
        phase: "finetune",
        step: at,
        position,
        perEpoch: stream.perEpoch ?? from?.perEpoch,
      }));
    }
  } finally {
    await trainer.dispose();
    await teacher?.dispose();
  }
}

export const stepOptions = (options: LearnOptions) => ({
  batch: options.batchSize,
  loss: options.loss,
  seed: options.seed,
  ...(options.sgd ? { sgd: options.sgd } : {}),
  device: options.device,
  threads: options.threads,
  signal: options.signal,
});
