/** Fine-tuning: all weights learn over some epochs while the learning rate falls by a schedule. */

import type { Dataset } from "../data/batches.ts";
import { checkClasses } from "../data/checks.ts";
import { classesIn } from "../objective/objective.ts";
import { fail } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import type { Runtime } from "../runtime/port.ts";
import type { DivergedEvent, RateEvent, StepEvent, TrialEvent } from "./events.ts";
import { findRate, lowerThan } from "./find-rate.ts";
import { describeDivergence, unlessOverflown } from "./guard.ts";
import { checkSchedule, rateAt, type RateSchedule } from "./schedules.ts";
import { stepOptions, type LearnOptions, type TaughtOptions } from "./options.ts";
import { averagedGraph, type TrainerState } from "./step.ts";
import { openLearner } from "./learner.ts";
import { openStream, type BatchStream, type Position } from "./stream.ts";
import { openTeacher, type Teacher } from "./teacher.ts";
import type { Lesson } from "./lesson.ts";
import { openWatch, type WatchState } from "./watch.ts";

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
  /**
   * The decay by which weights and statistics are averaged over the steps; the averages are the
   * result. Default: the last ones are.
   */
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
 * @returns the graph with the weights and statistics that it learned, or their averages. Where learning
 * did harm, they are the last good ones.
 * @throws SecateurError `diverged` where learning does harm and nobody is told. `not-finite` where the loss of the
 * model or the data is no number. `bad-data` where a label does not fit the output.
 */
export async function finetune(
  runtime: Runtime,
  graph: Graph,
  dataset: Dataset,
  options: FinetuneOptions,
): Promise<Graph> {
  const { epochs, firstEpoch = 0, from, signal } = options;
  if (epochs === 0) return graph;
  await using teacher = await openTeacher(runtime, options);
  const learningRate = await rateOf(runtime, graph, dataset, options, teacher);
  const schedule: RateSchedule = { ...options, rate: learningRate };
  checkSchedule(schedule);
  const step = { ...stepOptions(options), ema: options.ema };
  await using trainer = await openLearner(runtime, from?.graph ?? graph, step, options, from?.optimiserState);
  const start = from?.position ?? { epoch: firstEpoch, batch: 0 };
  await using stream = openStream(dataset, options, start, from?.perEpoch);
  checkClasses(dataset, classesIn(trainer.objective));
  let done = from?.step ?? 0;
  const good = from?.watched ?? { graph: from ? averagedGraph(from) : graph, at: done };
  const watch = openWatch(runtime, { dataset, stream: options, step: stepOptions(options) }, good);
  let taken = from?.watched?.taken ?? done;
  const diverged = (loss: number): Graph => {
    const { least, chance } = watch;
    const { graph: last, at: restored } = watch.good;
    const place = { phase: "finetune", step: done, restored } as const;
    const lower = lowerThan(learningRate);
    emitDiverged(options.onDiverged, { kind: "diverged", ...place, loss, least, chance, learningRate, lower });
    return last;
  };
  for (;;) {
    const began = stream.position;
    const epoch = began.epoch - firstEpoch;
    if (epoch >= epochs) return averagedGraph(await trainer.state(true));
    signal?.throwIfAborted();
    const lessons = await lessonsFrom(stream, trainer.pace, (i, perEpoch) => {
      const steps = perEpoch === undefined ? undefined : perEpoch * epochs;
      // Without a known size the schedule goes by epochs until the first one has been counted.
      const rate =
        steps === undefined ? rateAt({ ...schedule, warmUp: 0 }, epoch, epochs) : rateAt(schedule, done + i, steps);
      return { rate, number: done + i };
    });
    const batches = lessons.map(({ batch }) => batch);
    await watch.begin(trainer, batches[0]!, teacher);
    const results = await unlessOverflown(trainer.learn(lessons, teacher), batches, done > 0);
    if (results === undefined) return diverged(Infinity);
    const { perEpoch } = stream;
    const steps = perEpoch === undefined ? undefined : perEpoch * epochs;
    for (const [i, { rate, at }] of lessons.entries()) {
      done++;
      if (results[i] === undefined) continue;
      const { loss } = results[i];
      const place = { step: done, steps, epoch: epoch + 1, epochs };
      options.onEvent?.({ kind: "step", phase: "finetune", ...place, loss, learningRate: rate });
      watch.add(loss, at);
    }
    const now = async () => ({ graph: averagedGraph(await trainer.state()), at: done });
    if (watch.isTooHigh && (await watch.judge(await now(), watch.good.graph, teacher))) return diverged(watch.loss);
    if (watch.canOffer && done - taken >= Math.max(leastBetween, (steps ?? 0) / goodPoints)) {
      taken = done;
      watch.offer(await now());
    }
    const stands = { step: done, position: stream.position, perEpoch, watched: { ...watch.state, taken } };
    const found = options.learningRate === "auto" ? learningRate : undefined;
    await options.onPoint?.(
      async () => ({ ...(await trainer.state()), phase: "finetune", ...stands, learningRate: found }),
      stands.position,
    );
  }
}

/** A lesson, and where it stands in the data. */
type Placed = Lesson & { readonly at: Position };

/** The next minibatches, as many as are taken at once and no more than the epoch has, with how each is learned from. */
async function lessonsFrom(
  stream: BatchStream,
  count: number,
  how: (i: number, perEpoch: number | undefined) => Omit<Lesson, "batch">,
): Promise<Placed[]> {
  const lessons: Placed[] = [];
  const { epoch } = stream.position;
  while (lessons.length < count && stream.position.epoch === epoch) {
    const at = stream.position;
    const batch = await stream.next();
    lessons.push({ batch, at, ...how(lessons.length, stream.perEpoch) });
  }
  return lessons;
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
  const trial = {
    step: stepOptions(options),
    stream: options,
    teacher,
    steps,
    falls: options.rateSchedule !== "constant",
    times: options.spread?.rateTimes,
    onTrial: options.onRate,
  };
  const found = await findRate(runtime, from?.graph ?? graph, dataset, trial);
  options.onRate?.({ kind: "rate", phase: "finetune", ...found });
  return found.learningRate;
}

/** Tells of harm, or fails where nobody listens. */
function emitDiverged(listener: FinetuneOptions["onDiverged"], event: DivergedEvent): void {
  if (listener) listener(event);
  else fail("diverged", describeDivergence(event));
}
