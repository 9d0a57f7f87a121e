/** An interval of the pruning loop: learning between two removals, and what it tells of the units. */

import type { Targets } from "../options/learning.ts";
import { Average } from "../criteria/average.ts";
import type { Criterion, DataCriterion, Scores } from "../criteria/criterion.ts";
import type { Dataset } from "../data/batches.ts";
import { checkClasses } from "../data/checks.ts";
import { classesIn } from "../objective/objective.ts";
import { isPassNeed, type PassNeed } from "../objective/evidence.ts";
import type { Analysis } from "../prune/coupling/analysis.ts";
import type { Runtime } from "../runtime/port.ts";
import { freshLosses } from "../score/group-losses.ts";
import { finish, sampleAll, score } from "../score/score.ts";
import { unlessOverflown } from "../train/guard.ts";
import { stepOptions } from "../train/options.ts";
import type { TrainerState } from "../train/step.ts";
import { openLearner } from "../train/learner.ts";
import type { BatchStream, Position } from "../train/stream.ts";
import type { Teacher } from "../train/teacher.ts";
import type { Lesson } from "../train/lesson.ts";
import type { Watch } from "../train/watch.ts";
import { defaultEvery, type Measured, type PruneOptions } from "./options.ts";

/** What intervals learn from. */
export interface Lessons {
  readonly runtime: Runtime;
  readonly dataset: Dataset;
  readonly stream: BatchStream;
  readonly teacher: Teacher | undefined;
  readonly learningRate: number;
  readonly watch: Watch;
}

/** What an interval came to. */
export interface IntervalResult extends TrainerState {
  /** Where learning had to find them. */
  readonly groups: Analysis | undefined;
  /** What the criterion has of the steps, where it takes it from them. */
  readonly samples: Scores | undefined;
  /** The mean of its minibatches. */
  readonly loss: number;
}

/** Whether all that is learned comes from the model as it was at the start. */
export const isTaughtAlone = ({ teacher }: Pick<PruneOptions, "teacher">): boolean => teacher?.weight === 1;

/** What a criterion takes from the backward pass of each step; nothing where it takes none, or passes of its own. */
function stepNeeds(criterion: Criterion, targets: Targets | undefined): readonly PassNeed[] | undefined {
  if (criterion.kind === "weights" || targets === "sampled") return undefined;
  const needs = criterion.needs.filter(isPassNeed);
  return needs.length === criterion.needs.length ? needs : undefined;
}

/**
 * Some minibatches of learning, each of which gives an importance sample from the same backward pass.
 *
 * @param done minibatches that were learned from before
 * @returns nothing where the loss is no number any more
 */
export async function learn(
  state: TrainerState,
  done: number,
  { runtime, dataset, stream, teacher, learningRate, watch }: Lessons,
  options: PruneOptions,
): Promise<IntervalResult | undefined> {
  const { criterion, targets, gates, batchSize, every = defaultEvery } = options;
  const needs = stepNeeds(criterion, targets);
  const step = { ...stepOptions(options), needs, gates };
  // All that is learned before a removal is one round.
  const spread = options.spread && { ...options.spread, round: every };
  const learning = { ...options, spread };
  await using trainer = await openLearner(runtime, state.graph, step, learning, state.optimiserState);
  checkClasses(dataset, classesIn(trainer.objective));
  const average = new Average();
  // The original has nothing to learn from itself: its gradient is rounding, which some optimisers make steps of.
  const rate = done === 0 && isTaughtAlone(options) ? 0 : learningRate;
  let [total, count] = [0, 0];
  for (let number = done; number < done + every;) {
    options.signal?.throwIfAborted();
    const lessons = await lessonsFrom(stream, Math.min(trainer.pace, done + every - number), number, rate);
    const batches = lessons.map(({ batch }) => batch);
    await watch.begin(trainer, batches[0]!, teacher);
    const results = await unlessOverflown(trainer.learn(lessons, teacher), batches, watch.canGoBack);
    if (results === undefined) return undefined;
    for (const [i, { at }] of lessons.entries()) {
      number++;
      if (results[i] === undefined) continue;
      const { loss, findings } = results[i];
      watch.add(loss, at);
      total += loss;
      count++;
      if (needs && trainer.groups!.groups.length > 0)
        average.add(sampleAll(criterion as DataCriterion, trainer.groups!, findings, batchSize));
      const place = { step: number, steps: undefined, epoch: at.epoch + 1, epochs: undefined };
      options.onEvent?.({ kind: "step", phase: "prune", ...place, loss, learningRate: rate });
    }
  }
  const learned = await trainer.state(true);
  return { ...learned, groups: trainer.groups, samples: needs && average.mean(), loss: total / count };
}

/** The next minibatches, and where they stand in the data. */
async function lessonsFrom(stream: BatchStream, count: number, first: number, rate: number) {
  const lessons: (Lesson & { readonly at: Position })[] = [];
  for (let i = 0; i < count; i++) {
    const at = stream.position;
    lessons.push({ at, batch: await stream.next(), rate, number: first + i });
  }
  return lessons;
}

/** Measures after an interval of learning; what was measured before counts on. */
export async function measure(
  { runtime, dataset }: Pick<Lessons, "runtime" | "dataset">,
  interval: IntervalResult,
  analysis: Analysis,
  past: Measured,
  options: PruneOptions,
): Promise<Measured> {
  const importances = await importancesOf(runtime, dataset, interval, analysis, past.importances, options);
  if (options.normalise !== "loss") return { importances };
  const known = past.groupLosses ?? [];
  return { importances, groupLosses: await freshLosses(runtime, interval.graph, dataset, known, importances, options) };
}

/** Of the weights as they are now, or averaged with those of earlier intervals. */
async function importancesOf(
  runtime: Runtime,
  dataset: Dataset,
  { graph, samples }: IntervalResult,
  analysis: Analysis,
  past: Scores,
  options: PruneOptions,
): Promise<Scores> {
  const { criterion, momentum = 0.9, every = defaultEvery, seed } = options;
  if (criterion.kind === "weights") return criterion.score(analysis, graph.initializers, seed);
  if (samples) return blend(past, finish(criterion, analysis, samples), momentum);
  const targets = options.targets ?? (isTaughtAlone(options) ? "sampled" : "labels");
  const now = await score(runtime, graph, dataset, criterion, { ...options, targets, batches: every });
  return blend(past, now, momentum);
}

/**
 * old · momentum + new · (1 - momentum). What has no past starts with what is new, and so does a group whose units are
 * others than before: a grouped convolution of one group that is left is a plain one, whose channels go one by one.
 */
export const blend = (old: Scores, now: Scores, momentum: number): Map<string, Float64Array> =>
  new Map(
    [...now].map(([name, values]) => {
      const past = old.get(name);
      return [
        name,
        past?.length === values.length
          ? values.map((value, i) => past[i]! * momentum + value * (1 - momentum))
          : values,
      ];
    }),
  );
