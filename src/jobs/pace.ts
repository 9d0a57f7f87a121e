/** How long a run of pruning is: its removals, the minibatches between them, and the epochs that come of it. */

import { criterionOf } from "../criteria/table.ts";
import type { Dataset } from "../data/batches.ts";
import type { Graph } from "../graph/graph.ts";
import type { Analysis } from "../prune/coupling/analysis.ts";
import { floorsOf } from "../prune/select/limits.ts";
import { selectStep } from "../prune/select/select.ts";
import type { Budget } from "../options/budget.ts";
import type { Runtime } from "../runtime/port.ts";
import { defaultEvery, stepShare } from "../loop/options.ts";
import { groupLosses, groupScales } from "../score/group-losses.ts";
import { score } from "../score/score.ts";
import type { ScheduleEvent } from "./prune-events.ts";
import type { SettledOptions } from "./prune-options.ts";
import { mostTries } from "./search.ts";

export interface PaceOptions {
  readonly batchSize: number;
  readonly every?: number | undefined;
  /** Each has one minibatch at least. */
  readonly machines?: number | undefined;
  readonly unitsPerStep?: number | undefined;
  readonly schedule?: SettledOptions["schedule"];
  readonly roundTo?: number | undefined;
  readonly epochs: number;
  readonly maxDrop?: number | undefined;
}

/**
 * Unless it is said how many minibatches come between two removals, all pruning
 * takes so many epochs of the data at most.
 */
const mostEpochs = 3;
/** Minibatches that tell which units will go. */
const lookAhead = 4;

/**
 * @param units there are at the start
 * @param gone units that go until what is to be reached is reached
 */
export function paceOf(units: number, gone: number, data: Dataset, options: PaceOptions): ScheduleEvent {
  const { batchSize, epochs, maxDrop, machines = 1 } = options;
  const removals = removalsOf(units, gone, options);
  const perEpoch = data.size === undefined ? undefined : Math.floor(data.size / batchSize);
  const fitting = perEpoch === undefined ? defaultEvery : Math.floor((mostEpochs * perEpoch) / removals);
  const every = options.every ?? Math.max(machines, Math.min(defaultEvery, fitting));
  const steps = removals * every;
  return {
    kind: "schedule",
    removals,
    every,
    steps,
    pruningEpochs: perEpoch && steps / perEpoch,
    epochs,
    tuningSteps: perEpoch === undefined ? undefined : perEpoch * epochs,
    tries: maxDrop === undefined ? undefined : mostTries(removals),
    batchSize,
  };
}

function removalsOf(units: number, gone: number, { schedule, unitsPerStep, roundTo = 1 }: PaceOptions): number {
  if (schedule) return schedule.kind === "one-shot" ? 1 : schedule.removals;
  const perStep = unitsPerStep ?? Math.round(units * stepShare);
  return Math.max(1, Math.ceil(gone / (Math.max(1, Math.floor(perStep / roundTo)) * roundTo)));
}

/**
 * How many units go until the target and the latency are reached, reckoned from the importances of the model as it is.
 *
 * @param graph with an open batch
 * @param share of the latency at the start, where one is to be reached
 */
export async function unitsToGo(
  runtime: Runtime,
  graph: Graph,
  data: Dataset,
  { groups, target, share = 1 }: { groups: Analysis; target: Budget; share?: number | undefined },
  options: SettledOptions,
): Promise<number> {
  const { units } = groups;
  // Most time goes into what lies between units and units.
  const forLatency = (1 - Math.sqrt(Math.min(1, share))) * units;
  const { units: left = units, ...costs } = target;
  // A schedule says itself how often, and units need no choice to be counted.
  if (options.schedule || Object.keys(costs).length === 0) return Math.max(forLatency, units - left);
  const { criterion, targets, limits = {} } = options;
  const importances = await score(runtime, graph, data, criterionOf(criterion), {
    ...options,
    batches: lookAhead,
    targets: targets === "labels" ? "labels" : "sampled",
  });
  const scales =
    options.normalise === "loss"
      ? groupScales(await groupLosses(runtime, graph, data, importances, options), importances)
      : undefined;
  const choice = { ...options, scales, floors: floorsOf(groups, limits) };
  const { removal } = selectStep(groups, importances, Infinity, target, choice);
  return Math.max(
    forLatency,
    [...removal.values()].reduce((n, { length }) => n + length, 0),
  );
}
