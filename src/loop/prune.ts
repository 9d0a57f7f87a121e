/** The paper's loop: learn and measure at once, remove the least important units, go on until the budget is met; then fine-tune. */

import type { Criterion, Scores } from "../criteria/criterion.ts";
import type { Dataset } from "../data/batches.ts";
import type { Graph } from "../graph/graph.ts";
import { trace } from "../passes/trace.ts";
import { widen } from "../passes/widen.ts";
import { costsOf, type Costs } from "../passes/costs.ts";
import type { GatePlace, Limits, Normalisation, Per, Scope } from "../options/ranking.ts";
import { findGroups, refuseWithout, type Groups, type Removal } from "../prune/coupling/groups.ts";
import { floorsOf } from "../prune/select/limits.ts";
import { nextTarget } from "../prune/select/schedule.ts";
import type { RemovalSchedule, Budget } from "../options/budget.ts";
import { replay } from "../prune/cut/replay.ts";
import { meets } from "../prune/select/select.ts";
import type { Runtime } from "../runtime/port.ts";
import type { LearnEvent } from "../train/events.ts";
import { findRate, lowerThan } from "../train/find-rate.ts";
import { stepOptions, type LearnOptions } from "../train/finetune.ts";
import { freshLosses, groupScales, type GroupLoss } from "../score/group-losses.ts";
import { MaskingTrainer, type Written } from "./masking-trainer.ts";
import type { LatencyGoal } from "../evaluate/latency.ts";
import type { Targets } from "../options/learning.ts";
import { nextRemoval, shrinkScores } from "./removal.ts";
import { learn, measure, stepNeeds } from "./interval.ts";
import { ownerOf, type TrainerState } from "../train/step.ts";
import { openStream, type Position } from "../train/stream.ts";
import { openTeacher, type Teacher, type TaughtOptions } from "../train/teacher.ts";
import { hasOverflown, openWatch, type WatchState } from "../train/watch.ts";

/** The paper's: minibatches between two removals, and the share of the units at the start that goes each time. */
export const [defaultEvery, stepShare] = [10, 0.02];

export interface PruneOptions extends LearnOptions, TaughtOptions {
  readonly criterion: Criterion;
  readonly target: Budget;
  /** Where gates stand; default behind normalisation. */
  readonly gates?: GatePlace | undefined;
  /**
   * What the loss compares with when importance is measured. Sampled targets take passes of their own. Default: what is learned from, or sampled
   * targets where all is learned from a teacher and the criterion takes passes of its own.
   */
  readonly targets?: Targets | undefined;
  /** Random directions for the diagonal of the Hessian, for criteria that need it; see ScoreOptions. */
  readonly probes?: number | undefined;
  /** Pruning stops when the mean training loss between two removals is above this. */
  readonly maxLoss?: number | undefined;
  /** Minibatches between two removals; default 10 (the paper's for CIFAR-10). */
  readonly every?: number;
  /** Units removed each time; default 2 % of the units at the start (the paper's). */
  readonly unitsPerStep?: number;
  /** The share of the old importance in the average over removals; default 0.9 (the paper's). */
  readonly momentum?: number;
  /** How importances of different groups are made comparable; default "none". */
  readonly normalise?: Normalisation | undefined;
  /** What importance is counted per; default a unit, or where a latency is to be reached the milliseconds that were measured. */
  readonly per?: Per | undefined;
  /** Whom a unit is compared with; default all others. */
  readonly scope?: Scope | undefined;
  /** What remains of a group is a multiple of this, or the group stays as it is; default 1. */
  readonly roundTo?: number | undefined;
  /** What has to stay of each group; default one unit. */
  readonly limits?: Limits | undefined;
  /** How much goes each time; default the same number of units. */
  readonly schedule?: RemovalSchedule | undefined;
  /** A latency to reach, besides the target. */
  readonly latency?: LatencyGoal | undefined;
  /** Learning rate while pruning; "auto": found by a short trial on a copy of the model. */
  readonly learningRate: number | "auto";
  /** Is told of each step, and of those of an interval that has to be taken again twice. */
  readonly onEvent?: ((event: LearnEvent) => void) | undefined;
  /**
   * How much the graph of a step may compute for units that are gone before it is written and loaded anew, as a share of what takes about as long as that; 0: nothing, it is written after every removal.
   * Default 1.
   */
  readonly idle?: number | undefined;
  /** Where an earlier run of the same options stood; it goes on from there. */
  readonly from?: PrunePoint | undefined;
  /** Offered after every removal. */
  readonly onPoint?: ((point: PrunePoint) => Promise<void>) | undefined;
  /** Whether a point is far enough, whatever the target says. */
  readonly enough?: ((point: PrunePoint) => Promise<boolean>) | undefined;
}

/** Where pruning stands after a removal: all that it needs to go on as if it had never stopped. */
export interface PrunePoint extends TrainerState {
  readonly phase: "prune";
  /** All removals so far, each in the numbering of before it. */
  readonly removals: readonly Removal[];
  readonly position: Position;
  /** When the graph that it is learned by was written. */
  readonly written: Written;
  /** The average of the importances of what is left. */
  readonly importances: Scores;
  /** What was measured of the groups for the normalisation `loss`. */
  readonly groupLosses?: readonly GroupLoss[] | undefined;
  /** Whether the target is met. */
  readonly met: boolean;
  /** Where it was found by a trial. */
  readonly learningRate?: number | undefined;
  /** What watches over learning; without it that begins anew. */
  readonly watched?: WatchState | undefined;
}

export interface PruneResult {
  readonly graph: Graph;
  readonly costs: Costs;
  readonly units: number;
  readonly removals: readonly Removal[];
  /**
   * Whether the target was met, or pruning ended because the loss passed its limit, nothing was left to remove, or learning did harm: the graph is then the last one that
   * was good.
   */
  readonly end: "met" | "max-loss" | "exhausted" | "diverged";
}

/** Shares of what there is at the start, or numbers where they are larger than 1. */
export function absoluteBudget(graph: Graph, budget: Budget): Budget {
  const traced = trace(widen(graph));
  return absoluteBudgetOf({ ...costsOf(traced), units: countUnits(findGroups(traced)) }, budget);
}

/** The same of what is known to be there. */
export function absoluteBudgetOf(all: Required<Budget>, budget: Budget): Budget {
  const keys = ["macs", "params", "bytes", "units"] as const;
  return Object.fromEntries(
    keys.flatMap((key) => {
      const wanted = budget[key];
      return wanted === undefined ? [] : [[key, wanted <= 1 ? wanted * all[key] : wanted]];
    }),
  );
}

interface State extends TrainerState {
  readonly importances: Scores;
}

const countUnits = (groups: Groups): number => groups.groups.reduce((n, group) => n + group.units.length, 0);

/**
 * Prunes a graph while it learns. Units are really cut after every removal, the optimiser's state along with them.
 *
 * @param graph the model with an open batch
 * @throws SecateurError `unsupported` where nothing can be pruned, `not-finite` where the loss of the model or the data is no number
 */
export async function pruneLoop(
  runtime: Runtime,
  graph: Graph,
  dataset: Dataset,
  options: PruneOptions,
): Promise<PruneResult> {
  const { criterion, target, every = defaultEvery, momentum = 0.9, from } = options;
  const needs = stepNeeds(criterion, options.targets);
  if (from && (from.met || (await options.enough?.(from)))) {
    const groups = findGroups(trace(from.graph, { batch: options.batchSize }));
    const [costs, units] = [costsOf(groups.coupling.traced), countUnits(groups)];
    return { graph: from.graph, costs, units, removals: from.removals, end: "met" };
  }
  const wide = widen(graph);
  const initial = findGroups(trace(wide, { batch: options.batchSize }));
  refuseWithout(initial);
  const start = { ...costsOf(initial.coupling.traced), units: countUnits(initial) };
  const { schedule, latency } = options;
  const perStep = schedule ? Infinity : (options.unitsPerStep ?? Math.max(1, Math.round(start.units * stepShare)));
  const savings = options.per === undefined ? latency?.savings : undefined;
  const choice = { ...options, floors: floorsOf(initial, options.limits ?? {}), savings };
  const nextOf = (now: Costs & { readonly units: number }): Budget => {
    // What is met may still be too slow.
    if (meets(target, now, now.units)) return { units: 0 };
    return schedule ? nextTarget(schedule, start, target, now) : target;
  };
  await using stream = openStream(dataset, options, from?.position ?? { epoch: 0, batch: 0 });
  const trainerOptions = {
    step: { ...stepOptions(options), needs, gates: options.gates },
    every,
    mostIdle: options.idle ?? 1,
  };
  const trainer = from
    ? MaskingTrainer.resume(runtime, trainerOptions, graph, from)
    : MaskingTrainer.start(runtime, trainerOptions, { graph: wide, macs: start.macs });
  const teacher = await openTeacher(runtime, options);
  const good = from?.watched ?? { graph: from?.graph ?? wide, at: from?.removals.length ?? 0 };
  const watch = openWatch(runtime, { dataset, stream: options, step: trainerOptions.step }, good);
  let state: State = from ?? { graph: wide, optimiserState: new Map(), importances: new Map() };
  const removals = [...(from?.removals ?? [])];
  let losses: readonly GroupLoss[] = from?.groupLosses ?? [];
  try {
    const learningRate = await rateOf(runtime, state.graph, dataset, options, teacher);
    const diverged = (loss: number): PruneResult => {
      const { good, least, chance } = watch;
      const groups = findGroups(trace(good.graph, { batch: options.batchSize }));
      const [costs, units] = [costsOf(groups.coupling.traced), countUnits(groups)];
      const place = { phase: "prune", step: removals.length * every, restored: good.at } as const;
      const lower = lowerThan(learningRate);
      options.onEvent?.({ kind: "diverged", ...place, loss, least, chance, learningRate, lower });
      return { graph: good.graph, costs, units, removals: removals.slice(0, good.at), end: "diverged" };
    };
    for (;;) {
      const begun = stream.position;
      const done = removals.length * every;
      const source = { dataset, stream, teacher, count: every, done, needs, learningRate, watch };
      let interval = await learn(trainer, state, source, options);
      if (interval === "again") {
        await stream.goBack(begun);
        interval = await learn(trainer, state, source, options);
      }
      if (typeof interval === "string") return diverged(Infinity);
      if (hasOverflown(interval.graph, watch.good.graph)) return diverged(watch.loss);
      const learned = { graph: interval.graph, at: removals.length };
      if (watch.isTooHigh) {
        const still = replay(watch.good.graph, removals.slice(watch.good.at)).graph;
        if (await watch.judge(learned, still, teacher)) return diverged(watch.loss);
      } else if (watch.canOffer) watch.offer(learned);
      const groups = interval.groups ?? findGroups(trace(interval.graph, { batch: options.batchSize }));
      const units = countUnits(groups);
      const costs = costsOf(groups.coupling.traced);
      const report = (end: PruneResult["end"]): PruneResult => ({ graph: interval.graph, costs, units, removals, end });
      if (meets(target, costs, units) && !latency) return report("met");
      if (options.maxLoss !== undefined && interval.loss > options.maxLoss) return report("max-loss");
      const importances = await measure(runtime, dataset, interval, groups, state.importances, {
        ...options,
        batches: every,
        momentum,
        seed: options.seed + removals.length,
      });
      if (options.normalise === "loss")
        losses = await freshLosses(runtime, interval.graph, dataset, losses, importances, {
          ...options,
          seed: options.seed + removals.length,
        });
      const now = nextOf({ ...costs, units });
      const step = await nextRemoval(interval.graph, groups, importances, {
        choice: { ...choice, scales: groupScales(losses, importances) },
        count: perStep,
        now,
        target,
        latency,
      });
      if (step.removal.size === 0) return report("exhausted");
      const { removal, smaller, took, met } = step;
      const { initializers } = smaller.graph;
      const optimiserState = new Map(
        [...interval.optimiserState].flatMap(([name, value]) =>
          initializers.has(ownerOf(name)) ? [[name, smaller.shrink(ownerOf(name), value)] as const] : [],
        ),
      );
      state = { graph: smaller.graph, optimiserState, importances: shrinkScores(importances, removal) };
      removals.push(removal);
      trainer.remove(groups, step);
      options.onEvent?.({
        kind: "removal",
        step: removals.length,
        loss: interval.loss,
        removed: removal,
        units: step.units,
        costs: step.costs,
        importances,
        latency: took?.median,
      });
      const point = {
        ...state,
        phase: "prune",
        removals: [...removals],
        position: stream.position,
        written: trainer.written,
        groupLosses: losses.length > 0 ? losses : undefined,
        met,
        learningRate: options.learningRate === "auto" ? learningRate : undefined,
        watched: watch.state,
      } as const;
      await options.onPoint?.(point);
      if (met || (await options.enough?.(point)))
        return { graph: smaller.graph, costs: step.costs, units: step.units, removals, end: "met" };
    }
  } finally {
    await trainer.dispose();
    await teacher?.dispose();
  }
}

/** While pruning the rate does not fall, and the loss is not to be far above where it could be. */
const pruningShare = 0.2;

/** The rate that is given, that an earlier run found, or that a trial finds now. */
async function rateOf(
  runtime: Runtime,
  graph: Graph,
  dataset: Dataset,
  options: PruneOptions,
  teacher: Teacher | undefined,
): Promise<number> {
  const { learningRate, from } = options;
  if (learningRate !== "auto") return learningRate;
  if (from?.learningRate !== undefined) return from.learningRate;
  const { every = defaultEvery, schedule } = options;
  const steps = every * (schedule?.removals ?? 1 / stepShare);
  const own = { steps, share: pruningShare, onTrial: options.onEvent };
  const trial = { step: stepOptions(options), stream: options, teacher, ...own };
  const found = await findRate(runtime, graph, dataset, trial);
  options.onEvent?.({ kind: "rate", phase: "prune", ...found });
  return found.learningRate;
}
