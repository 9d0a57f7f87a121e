/** Fine-tuning: all weights learn over some epochs while the learning rate falls by a schedule. */

import type { Augment, Dataset } from "../data/batches.ts";
import { checkClasses } from "../data/checks.ts";
import { fail } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import type { LoadOptions, Runtime } from "../runtime/port.ts";
import type { DivergedEvent, RateEvent, StepEvent, TrialEvent } from "./events.ts";
import { findRate, lowerThan } from "./find-rate.ts";
import { describeDivergence, isOverflow } from "./guard.ts";
import type { Loss } from "../options/learning.ts";
import { reservedMemory } from "../execute/memory.ts";
import { checkSchedule, rateAt, type RateSchedule } from "./schedules.ts";
import { averagedGraph, type StepOptions, type TrainerState } from "./step.ts";
import { openStream, type Position } from "./stream.ts";
import { openTeacher, type TaughtOptions, type Teacher } from "./teacher.ts";
import { Trainer } from "./trainer.ts";
import { openWatch, type WatchState } from "./watch.ts";

/** How a model learns, whether from scratch, while it is pruned or after. */
export interface LearnOptions
  extends
    LoadOptions,
    Pick<
      StepOptions,
      "optimiser" | "clip" | "labelSmoothing" | "mixup" | "workers" | "memory" | "reserved" | "onRecompute"
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
  /** Where it was found by a trial. */
  readonly learningRate?: number | undefined;
  /** What watches over learning, and when the weights were last copied for it; without it that begins anew. */
  readonly watched?: (WatchState & { readonly taken: number }) | undefined;
}

export interface FinetuneOptions extends LearnOptions, TaughtOptions, Omit<RateSchedule, "rate"> {
  readonly epochs: number;
  /** The highest learning rate; "auto": found by a short trial on a copy of the model. */
  readonly learningRate: number | "auto";
  /** The decay by which weights and statistics are averaged over the steps; the averages are the result. Default: the last ones are. */
  readonly ema?: number | undefined;
  /** The number of the first epoch, so that a second run sees other orders of the same data; default 0. */
  readonly firstEpoch?: number;
  readonly onEvent?: ((event: StepEvent) => void) | undefined;
  /** Is told how far the trial of "auto" is, and what came of it. */
  readonly onRate?: ((event: TrialEvent | RateEvent) => void) | undefined;
  /** Is told that learning did harm, and has ended; where nobody is, it fails. */
  readonly onDiverged?: ((event: DivergedEvent) => void) | undefined;
  /** Where an earlier run of the same options stood; it goes on from there. */
  readonly from?: FinetunePoint | undefined;
  /** Offered after every step, with where the next one stands: taking a point copies all weights. */
  readonly onPoint?: ((take: () => Promise<FinetunePoint>, position: Position) => Promise<void>) | undefined;
}

/**
 * Trains a graph.
 *
 * @param graph the model with an open batch
 * @returns the graph with the weights and statistics that it learned, or their averages. Where learning did harm, they are the last good ones.
 * @throws SecateurError `diverged` where learning does harm and nobody is told. `not-finite` where the loss of the model or the data is no number.
 *   `bad-data` where a label does not fit the output.
 */
export async function finetune(
  runtime: Runtime,
  graph: Graph,
  dataset: Dataset,
  options: FinetuneOptions,
): Promise<Graph> {
  const { epochs, firstEpoch = 0, from, signal } = options;
  if (epochs === 0) return graph;
  const teacher = await openTeacher(runtime, options);
  try {
    const learningRate = await rateOf(runtime, graph, dataset, options, teacher);
    const schedule: RateSchedule = { ...options, rate: learningRate };
    checkSchedule(schedule);
    await using trainer = await Trainer.create(
      runtime,
      from?.graph ?? graph,
      { ...stepOptions(options), ema: options.ema },
      from?.optimiserState,
    );
    await using stream = openStream(
      dataset,
      options,
      from?.position ?? { epoch: firstEpoch, batch: 0 },
      from?.perEpoch,
    );
    checkClasses(dataset, trainer.classes);
    let step = from?.step ?? 0;
    const start = { graph: from ? averagedGraph(from) : graph, at: step };
    const watch = openWatch(runtime, { dataset, stream: options, step: stepOptions(options) }, from?.watched ?? start);
    let taken = from?.watched?.taken ?? step;
    for (;;) {
      const began = stream.position;
      const { epoch } = began;
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
      const diverged = (loss: number): Graph => {
        const { least, chance } = watch;
        const { graph, at: restored } = watch.good;
        const lower = lowerThan(learningRate);
        const place = { phase: "finetune", step, restored } as const;
        emitDiverged(options.onDiverged, {
          kind: "diverged",
          ...place,
          loss,
          least,
          chance,
          learningRate,
          lower,
        });
        return graph;
      };
      await watch.begin(trainer, batch, teacher);
      let loss: number;
      try {
        ({ loss } = await trainer.step(batch, rate, step, teacher));
      } catch (error) {
        if (step === 0 || !isOverflow(error, batch)) throw error;
        return diverged(Infinity);
      }
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
      watch.add(loss, began);
      if (watch.isTooHigh) {
        const now = { graph: averagedGraph(await trainer.state()), at: step };
        if (await watch.judge(now, watch.good.graph, teacher)) return diverged(watch.loss);
      }
      if (watch.canOffer && step - taken >= Math.max(leastBetween, (steps ?? 0) / goodPoints)) {
        taken = step;
        watch.offer({ graph: averagedGraph(await trainer.state()), at: step });
      }
      const [at, position, seen] = [step, stream.position, { ...watch.state, taken }];
      const take = async (): Promise<FinetunePoint> => ({
        ...(await trainer.state()),
        phase: "finetune",
        step: at,
        position,
        perEpoch,
        learningRate: options.learningRate === "auto" ? learningRate : undefined,
        watched: seen,
      });
      await options.onPoint?.(take, position);
    }
  } finally {
    await teacher?.dispose();
  }
}

/** The weights are copied so many times at most, and not more often than every so many steps. */
const [goodPoints, leastBetween] = [20, 25];

/** The rate that is given, that an earlier run found, or that a trial finds now. */
async function rateOf(
  runtime: Runtime,
  graph: Graph,
  dataset: Dataset,
  options: FinetuneOptions,
  teacher: Teacher | undefined,
): Promise<number> {
  const { learningRate, from, epochs, batchSize } = options;
  if (learningRate !== "auto") return learningRate;
  if (from?.learningRate !== undefined) return from.learningRate;
  const steps = dataset.size === undefined ? undefined : Math.floor(dataset.size / batchSize) * epochs;
  const trial = { step: stepOptions(options), stream: options, teacher, steps, onTrial: options.onRate };
  const found = await findRate(runtime, from?.graph ?? graph, dataset, trial);
  options.onRate?.({ kind: "rate", phase: "finetune", ...found });
  return found.learningRate;
}

/** Tells of harm, or fails where nobody listens. */
function emitDiverged(listener: FinetuneOptions["onDiverged"], event: DivergedEvent): void {
  if (listener) listener(event);
  else fail("diverged", describeDivergence(event));
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
  reserved: reservedOf(options),
  onRecompute: options.onRecompute,
  seed: options.seed,
  device: options.device,
  threads: options.threads,
  signal: options.signal,
});

/** What runs beside a step, where that counts. */
function reservedOf({ memory, reserved = 0, teacher, batchSize }: LearnOptions & TaughtOptions): number | undefined {
  return memory === undefined ? undefined : reserved + (teacher ? reservedMemory(teacher.graph, batchSize) : 0);
}
