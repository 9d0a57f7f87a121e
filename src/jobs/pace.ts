/** How long a run of pruning is: its removals, the minibatches between them, and the epochs that come of it. */

import type { Dataset } from "../data/batches.ts";
import type { RemovalSchedule } from "../prune/schedule.ts";
import type { Target } from "../prune/select.ts";
import { shareOf, type LatencyBudget } from "../train/latency.ts";
import { defaultEvery, stepShare } from "../train/prune.ts";
import type { State } from "./prune-events.ts";

/** What will be done, as far as it can be known before anything is. */
export interface ScheduleEvent {
  readonly kind: "schedule";
  /** About so many; importances decide. Where only a loss or a drop ends pruning, as many as there can be. */
  readonly removals: number;
  /** Minibatches between two of them. */
  readonly every: number;
  /** Minibatches of pruning, and epochs of the data that these are, where its size is known. */
  readonly steps: number;
  readonly pruningEpochs: number | undefined;
  /** Epochs of fine-tuning, and their minibatches. */
  readonly epochs: number;
  readonly tuningSteps: number | undefined;
  readonly batchSize: number;
}

export interface PaceOptions {
  readonly batchSize: number;
  readonly every?: number | undefined;
  readonly unitsPerStep?: number | undefined;
  readonly schedule?: RemovalSchedule | undefined;
  readonly latency?: LatencyBudget | undefined;
  readonly epochs: number;
}

/** Unless it is said how many minibatches come between two removals, all pruning takes so many epochs of the data at most. */
const mostEpochs = 3;

/** @param target what is to be reached, in the units of the costs */
export function paceOf(
  start: Pick<State, "costs" | "units">,
  target: Target,
  data: Dataset,
  options: PaceOptions,
): ScheduleEvent {
  const { batchSize, epochs } = options;
  const removals = removalsOf(start, target, options);
  const perEpoch = data.size === undefined ? undefined : Math.floor(data.size / batchSize);
  const fitting = perEpoch === undefined ? defaultEvery : Math.floor((mostEpochs * perEpoch) / removals);
  const every = options.every ?? Math.max(1, Math.min(defaultEvery, fitting));
  const steps = removals * every;
  return {
    kind: "schedule",
    removals,
    every,
    steps,
    pruningEpochs: perEpoch && steps / perEpoch,
    epochs,
    tuningSteps: perEpoch === undefined ? undefined : perEpoch * epochs,
    batchSize,
  };
}

function removalsOf(
  { costs, units }: Pick<State, "costs" | "units">,
  target: Target,
  { schedule, unitsPerStep, latency }: PaceOptions,
): number {
  if (schedule) return schedule.kind === "one-shot" ? 1 : schedule.removals;
  const shares = [
    ...(["macs", "params", "bytes"] as const).map((key) => keptUnits(target[key], costs[key])),
    target.units === undefined ? 1 : target.units / units,
    Math.sqrt((latency === undefined ? undefined : shareOf(latency)) ?? 1),
  ];
  const gone = Math.max(0, 1 - Math.min(...shares)) * units;
  return Math.max(1, Math.ceil(gone / (unitsPerStep ?? Math.max(1, Math.round(units * stepShare)))));
}

/** The share of the units that stays where a cost comes down to a target: most weights lie between units and units. */
const keptUnits = (target: number | undefined, cost: number): number =>
  target === undefined || cost === 0 ? 1 : Math.sqrt(Math.min(1, target / cost));
