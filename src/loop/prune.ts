/** The paper's loop: learn and measure at once, remove the least important units, go on until the budget is met. */

import type { Budget } from "../options/budget.ts";
import type { Dataset } from "../data/batches.ts";
import { fail, option } from "../graph/error.ts";
import type { Graph, Positions } from "../graph/graph.ts";
import { widen } from "../passes/widen.ts";
import { analyse, type Analysis } from "../prune/coupling/analysis.ts";
import { refuseWithout, type Removal } from "../prune/coupling/removal.ts";
import { replay } from "../prune/cut/replay.ts";
import { meets } from "../prune/select/select.ts";
import type { Runtime } from "../runtime/port.ts";
import type { DivergedEvent } from "../train/events.ts";
import { findRate, lowerThan } from "../train/find-rate.ts";
import { stepOptions } from "../train/options.ts";
import type { TrainerState } from "../train/step.ts";
import { openStream } from "../train/stream.ts";
import { openTeacher, type Teacher } from "../train/teacher.ts";
import { hasOverflown, openWatch } from "../train/watch.ts";
import { isTaughtAlone, learn, measure, type IntervalResult, type Lessons } from "./interval.ts";
import {
  defaultEvery,
  stepShare,
  type Measured,
  type PruneOptions,
  type PrunePoint,
  type PruneResult,
} from "./options.ts";
import { createChoose, removeFrom } from "./removal.ts";

/** Shares of what there is at the start, or numbers where they are larger than 1. */
export function absoluteBudget(graph: Graph, budget: Budget): Budget {
  const { costs, units } = analyse(widen(graph));
  return absoluteBudgetOf({ ...costs, units }, budget);
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

/**
 * Prunes a graph while it learns. Units are really cut after every removal, the optimiser's state along with them.
 *
 * @param graph the model with an open batch
 * @throws SecateurError `unsupported` where nothing can be pruned, `not-finite` where the loss of the model or the
 *   data is no number
 */
export async function pruneLoop(
  runtime: Runtime,
  graph: Graph,
  dataset: Dataset,
  options: PruneOptions,
): Promise<PruneResult> {
  const { target, every = defaultEvery, latency, maxLoss = Infinity, from } = options;
  refuseIdleMachines(options.spread, every);
  const analysed = (one: Graph): Analysis => analyse(one, { batch: options.batchSize });
  const removals = [...(from?.removals ?? [])];
  const resultOf = (end: PruneResult["end"], last: Graph, found = analysed(last)): PruneResult => {
    const { costs, units } = found;
    return { graph: last, costs, units, removals, end };
  };
  if (from && (from.met || (await options.enough?.(from)))) return resultOf("met", from.graph);
  const wide = widen(graph);
  const initial = analysed(wide);
  refuseWithout(initial);
  const choose = createChoose(initial, options);
  await using stream = openStream(dataset, options, from?.position ?? { epoch: 0, batch: 0 });
  await using teacher = await openTeacher(runtime, options);
  let state: TrainerState & Measured = from ?? { graph: wide, optimiserState: new Map(), importances: new Map() };
  const good = from?.watched ?? { graph: state.graph, at: removals.length };
  const watch = openWatch(runtime, { dataset, stream: options, step: stepOptions(options) }, good);
  const measureOn = (interval: IntervalResult, analysis: Analysis): Promise<Measured> =>
    measure({ runtime, dataset }, interval, analysis, state, { ...options, seed: options.seed + removals.length });
  const afterFirst = async (): Promise<Graph> => {
    const analysis = analysed(state.graph);
    const asItIs = { ...state, groups: analysis, samples: undefined, loss: 0 };
    return (await choose(state.graph, analysis, await measureOn(asItIs, analysis))).smaller.graph;
  };
  const learningRate = await rateOf(runtime, { graph: state.graph, afterFirst }, dataset, options, teacher);
  const lessons = { runtime, dataset, stream, teacher, learningRate, watch };
  for (;;) {
    const done = removals.length * every;
    const interval = await learn(state, done, lessons, options);
    const harm = await harmOf(interval, removals, lessons);
    if (interval === undefined || harm !== undefined) {
      options.onEvent?.(await divergedAt(done, removals, harm!, lessons));
      return { ...resultOf("diverged", watch.good.graph), removals: removals.slice(0, watch.good.at) };
    }
    const analysis = interval.groups ?? analysed(interval.graph);
    if (meets(target, analysis.costs, analysis.units) && !latency) return resultOf("met", interval.graph, analysis);
    if (interval.loss > maxLoss) return resultOf("max-loss", interval.graph, analysis);
    // A group of one unit can be none any more, and a criterion has nothing to measure then.
    if (analysis.groups.length === 0) return resultOf("exhausted", interval.graph, analysis);
    const measured = await measureOn(interval, analysis);
    const step = await choose(interval.graph, analysis, measured);
    const { removal, units, costs, met } = step;
    if (removal.size === 0) return resultOf("exhausted", interval.graph, analysis);
    const { positions } = state.graph;
    state = removeFrom(interval, measured, step);
    tellGone(positions, state.graph, options.onNote);
    removals.push(removal);
    const { importances } = measured;
    const told = { step: removals.length, loss: interval.loss, removed: removal, units, costs, importances };
    options.onEvent?.({ kind: "removal", ...told, latency: step.took?.median });
    const found = options.learningRate === "auto" ? learningRate : undefined;
    const place = { removals: [...removals], position: stream.position, met, learningRate: found };
    const point: PrunePoint = { ...state, phase: "prune", ...place, watched: watch.state };
    await options.onPoint?.(point);
    if (met || (await options.enough?.(point))) return { graph: state.graph, costs, units, removals, end: "met" };
  }
}

/** @throws SecateurError `bad-option` where a machine would have no minibatch of its own between two removals */
function refuseIdleMachines(spread: PruneOptions["spread"], every: number): void {
  if (spread && spread.machines.count > every)
    fail(
      "bad-option",
      `${spread.machines.count} machines cannot share the ${every} minibatches between two removals: raise ` +
        `${option("every")}, or lower ${option("machines")}`,
    );
}

/** Says which values are not compared with the original's any more. */
function tellGone(before: Positions = new Map(), { positions }: Graph, tell: PruneOptions["onNote"]): void {
  const gone = [...before.keys()].filter((name) => !positions?.has(name)).map((name) => `"${name}"`);
  if (gone.length > 0)
    tell?.(`${gone.join(", ")} went with a whole group, and is not compared with the original any more`);
}

/** What the loss has come to where learning has done harm. */
async function harmOf(
  learned: TrainerState | undefined,
  removals: readonly Removal[],
  { watch, teacher }: Lessons,
): Promise<number | undefined> {
  if (learned === undefined) return Infinity;
  const { graph, at } = watch.good;
  if (hasOverflown(learned.graph, graph)) return watch.loss;
  const point = { graph: learned.graph, at: removals.length };
  if (watch.isTooHigh) {
    const isHarmed = await watch.judge(point, replay(graph, removals.slice(at)).graph, teacher);
    return isHarmed ? watch.loss : undefined;
  }
  if (watch.canOffer) watch.offer(point);
  return undefined;
}

async function divergedAt(
  step: number,
  removals: readonly Removal[],
  loss: number,
  { watch, learningRate, teacher }: Lessons,
): Promise<DivergedEvent> {
  const { good, least, chance } = watch;
  const since = removals.slice(good.at);
  const left = since.length > 0 ? await watch.harmWithout(replay(good.graph, since).graph, teacher) : undefined;
  const place = { phase: "prune", step, restored: good.at } as const;
  const removed = left === undefined ? {} : { removed: { removals: since.length, loss: left } };
  return { kind: "diverged", ...place, loss, least, chance, learningRate, lower: lowerThan(learningRate), ...removed };
}

/** While pruning the rate does not fall, and the loss is not to be far above where it could be. */
const pruningShare = 0.2;

/** The rate that is given, that an earlier run found, or that a trial finds now. */
async function rateOf(
  runtime: Runtime,
  { graph, afterFirst }: { readonly graph: Graph; readonly afterFirst: () => Promise<Graph> },
  dataset: Dataset,
  options: PruneOptions,
  teacher: Teacher | undefined,
): Promise<number> {
  const { learningRate, from } = options;
  if (learningRate !== "auto") return learningRate;
  if (from?.learningRate !== undefined) return from.learningRate;
  const { every = defaultEvery, schedule, spread } = options;
  const steps = every * (schedule?.removals ?? 1 / stepShare);
  const own = { steps, share: pruningShare, times: spread?.rateTimes, onTrial: options.onEvent };
  const trial = { step: stepOptions(options), stream: options, teacher, ...own };
  // The original is at distance 0 from itself: no rate can lower that, and any that is felt would seem to do harm.
  const learner = isTaughtAlone(options) && from === undefined ? await afterFirst() : graph;
  const found = await findRate(runtime, learner, dataset, trial);
  options.onEvent?.({ kind: "rate", phase: "prune", ...found });
  return found.learningRate;
}
