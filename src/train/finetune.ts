/** Fine-tuning: all weights learn over some epochs while the learning rate falls by a schedule. */

import type { Augment, Dataset } from "../data/batches.ts";
import { checkClasses } from "../data/checks.ts";
import type { Graph } from "../graph/graph.ts";
import type { LoadOptions, Runtime } from "../runtime/port.ts";
import type { StepEvent } from "./events.ts";
import type { Loss } from "./losses.ts";
import { besides } from "./memory.ts";
import { checkSchedule, rateAt, type RateSchedule } from "./schedules.ts";
import { averagedGraph, type StepOptions, type TrainerState } from "./step.ts";
import { openStream, type Position } from "./stream.ts";
import { openTeacher, type TaughtOptions } from "./teacher.ts";
import { Trainer } from "./trainer.ts";

/** How a model learns, whether from scratch, while it is pruned or after. */
export interface LearnOptions
  extends
    LoadOptions,
    Pick<
      StepOptions,
      "optimiser" | "clip" | "labelSmoothing" | "mixup" | "workers" | "memory" | "beside" | "onRecompute"
    > {
  readonly loss: Loss;
  readonly batchSize: number;
  readonly seed: number;
  readonly augment?: Augment | undefined;
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

export interface FinetuneOptions extends LearnOptions, TaughtOptions, Omit<RateSchedule, "rate"> {
  readonly epochs: number;
  /** The highest learning rate. */
  readonly learningRate: number;
  /** The decay by which weights and statistics are averaged over the steps; the averages are the result. Default: the last ones are. */
  readonly ema?: number | undefined;
  /** The number of the first epoch, so that a second run sees other orders of the same data; default 0. */
  readonly firstEpoch?: number;
  readonly onEvent?: ((event: StepEvent) => void) | undefined;
  /** Where an earlier run of the same options stood; it goes on from there. */
  readonly from?: FinetunePoint | undefined;
  /** Offered after every step, with where the next one stands: taking a point copies all weights. */
  readonly onPoint?: ((take: () => Promise<FinetunePoint>, position: Position) => Promise<void>) | undefined;
}

/**
 * Trains a graph.
 *
 * @param graph the model with an open batch
 * @returns the graph with the weights and statistics it learned, or their averages
 * @throws SecateurError `not-finite` where the loss diverges, `bad-data` where a label does not fit the output
 */
export async function finetune(
  runtime: Runtime,
  graph: Graph,
  dataset: Dataset,
  options: FinetuneOptions,
): Promise<Graph> {
  const { epochs, firstEpoch = 0, learningRate, from, signal } = options;
  const schedule: RateSchedule = { ...options, rate: learningRate };
  checkSchedule(schedule);
  if (epochs === 0) return graph;
  const trainer = await Trainer.create(
    runtime,
    from?.graph ?? graph,
    { ...stepOptions(options), ema: options.ema },
    from?.slots,
  );
  const teacher = await openTeacher(runtime, options);
  await using stream = openStream(dataset, options, from?.position ?? { epoch: firstEpoch, batch: 0 }, from?.perEpoch);
  try {
    checkClasses(dataset, trainer.classes);
    let step = from?.step ?? 0;
    for (;;) {
      const { epoch } = stream.position;
      if (epoch >= firstEpoch + epochs) return averagedGraph(await trainer.state(true));
      signal?.throwIfAborted();
      const batch = await stream.next();
      const { perEpoch } = stream;
      const steps = perEpoch === undefined ? undefined : perEpoch * epochs;
      // Without a known size the schedule goes by epochs until the first one has been counted.
      const rate =
        steps === undefined
          ? rateAt({ ...schedule, warmUp: 0 }, epoch - firstEpoch, epochs)
          : rateAt(schedule, step, steps);
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
      const take = async (): Promise<FinetunePoint> => ({
        ...(await trainer.state()),
        phase: "finetune",
        step: at,
        position,
        perEpoch,
      });
      await options.onPoint?.(take, position);
    }
  } finally {
    await trainer.dispose();
    await teacher?.dispose();
  }
}

export const stepOptions = (options: LearnOptions & TaughtOptions): StepOptions => ({
  batch: options.batchSize,
  loss: options.loss,
  distillation: options.teacher,
  optimiser: options.optimiser,
  clip: options.clip,
  labelSmoothing: options.labelSmoothing,
  mixup: options.mixup,
  workers: options.workers,
  memory: options.memory,
  beside: besideOf(options),
  onRecompute: options.onRecompute,
  seed: options.seed,
  device: options.device,
  threads: options.threads,
  signal: options.signal,
});

/** What runs beside a step, where that counts. */
function besideOf({ memory, beside = 0, teacher, batchSize }: LearnOptions & TaughtOptions): number | undefined {
  return memory === undefined ? undefined : beside + (teacher ? besides(teacher.graph, batchSize) : 0);
}
