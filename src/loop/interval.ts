/** An interval of the pruning loop: learning between two removals, and what it tells of the units. */

import { Average } from "../criteria/average.ts";
import type { Criterion, DataCriterion, Scores } from "../criteria/criterion.ts";
import type { Dataset } from "../data/batches.ts";
import { checkClasses } from "../data/checks.ts";
import type { Groups } from "../prune/coupling/groups.ts";
import type { Runtime } from "../runtime/port.ts";
import { isPassNeed, type PassNeed } from "../objective/evidence.ts";
import { isOverflow } from "../train/guard.ts";
import type { MaskingTrainer } from "./masking-trainer.ts";
import type { Targets } from "../options/learning.ts";
import type { PruneOptions } from "./prune.ts";
import { finish, sampleAll, score } from "../score/score.ts";
import type { TrainerState } from "../train/step.ts";
import type { BatchStream } from "../train/stream.ts";
import type { Teacher } from "../train/teacher.ts";
import type { StepResult } from "../train/trainer.ts";
import type { Watch } from "../train/watch.ts";

/** What a criterion takes from the backward pass of each step; `undefined` where it takes none, or passes of its own. */
export function stepNeeds(criterion: Criterion, targets: Targets | undefined): readonly PassNeed[] | undefined {
  if (criterion.kind === "weights" || targets === "sampled") return undefined;
  const needs = criterion.needs.filter(isPassNeed);
  return needs.length === criterion.needs.length ? needs : undefined;
}

/** What an interval learns from. */
interface IntervalInput {
  readonly dataset: Dataset;
  readonly stream: BatchStream;
  readonly teacher: Teacher | undefined;
  /** Minibatches to learn from. */
  readonly count: number;
  /** Minibatches that were learned from before. */
  readonly done: number;
  readonly learningRate: number;
  readonly needs: readonly PassNeed[] | undefined;
  readonly watch: Watch;
}

/**
 * Some minibatches of learning, each of which gives an importance sample from the same backward pass.
 *
 * @returns "again" where they are to be taken again, "harm" where the loss is no number any more
 */
export async function learn(
  trainer: MaskingTrainer,
  state: TrainerState,
  { dataset, stream, teacher, count, done, needs, learningRate, watch }: IntervalInput,
  options: PruneOptions,
): Promise<IntervalResult | "again" | "harm"> {
  await trainer.begin(state);
  checkClasses(dataset, trainer.classes);
  const average = new Average();
  let total = 0;
  for (let i = 1; i <= count; i++) {
    options.signal?.throwIfAborted();
    const { position } = stream;
    const batch = await stream.next();
    await watch.begin(trainer, batch, teacher);
    let result: StepResult;
    try {
      result = await trainer.step(batch, learningRate, done + i - 1, teacher);
    } catch (error) {
      if (!watch.canGoBack || !isOverflow(error, batch)) throw error;
      return "harm";
    }
    const { loss, findings } = result;
    watch.add(loss, position);
    total += loss;
    if (needs) {
      const criterion = options.criterion as DataCriterion;
      average.add(sampleAll(criterion, trainer.groups!, findings, options.batchSize));
    }
    const place = { step: done + i, steps: undefined, epoch: position.epoch + 1, epochs: undefined };
    options.onEvent?.({ kind: "step", phase: "prune", ...place, loss, learningRate });
  }
  const learned = await trainer.end();
  if (learned === undefined) return "again";
  return {
    ...learned,
    groups: trainer.left,
    samples: needs && trainer.ofLeft(average.mean()),
    loss: total / count,
  };
}

/** What an interval came to. */
export interface IntervalResult extends TrainerState {
  readonly groups: Groups | undefined;
  /** What the criterion has of the steps, where it takes it from them. */
  readonly samples: ReturnType<MaskingTrainer["ofLeft"]> | undefined;
  /** The mean of its minibatches. */
  readonly loss: number;
}

/** The importances after an interval of learning: of the weights as they are now, or averaged with those of earlier intervals. */
export async function measure(
  runtime: Runtime,
  dataset: Dataset,
  interval: IntervalResult,
  groups: Groups,
  past: Scores,
  options: PruneOptions & { readonly batches: number; readonly momentum: number },
): Promise<Scores> {
  const { criterion, momentum } = options;
  if (criterion.kind === "weights") return criterion.score(groups, interval.graph.initializers, options.seed);
  if (interval.samples) return blend(past, finish(criterion, groups, interval.samples), momentum);
  const targets = options.targets ?? (options.teacher?.weight === 1 ? "sampled" : "labels");
  return blend(past, await score(runtime, interval.graph, dataset, criterion, { ...options, targets }), momentum);
}

/** old · momentum + new · (1 - momentum); what has no past starts with what is new. */
function blend(
  old: ReadonlyMap<string, Float64Array>,
  now: ReadonlyMap<string, Float64Array>,
  momentum: number,
): Map<string, Float64Array> {
  return new Map(
    [...now].map(([name, values]) => {
      const past = old.get(name);
      return [name, past ? values.map((value, i) => past[i]! * momentum + value * (1 - momentum)) : values];
    }),
  );
}
