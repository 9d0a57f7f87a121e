/** How long a run of pruning will take: from how long its removals have taken so far. */

import type { ScheduleEvent, StartEvent } from "../../jobs/prune-events.ts";
import type { RemovalEvent } from "../../train/events.ts";
import { duration } from "../progress.ts";

export type StartSize = Pick<StartEvent, "costs" | "units"> & Partial<Pick<StartEvent, "target">>;

/** So many removals tell better how many there will be than what was reckoned at the start. */
const telling = 3;

/** What will be done, in a sentence. */
export function describeSchedule({
  removals,
  every,
  steps,
  pruningEpochs,
  epochs,
  tuningSteps,
  tries,
}: ScheduleEvent): string {
  const each = every === 1 ? "each minibatch" : `every ${every} minibatches`;
  const data = pruningEpochs === undefined ? "" : `, ${shortEpochs(pruningEpochs)} of the data`;
  const once = epochs === 0 ? "no fine-tuning" : `then ${shortEpochs(epochs)} of fine-tuning`;
  const then =
    tries === undefined
      ? once
      : `then ${tries} tries at most to find the smallest model that loses little enough, each with ` +
        `${epochs === 0 ? once : `${shortEpochs(epochs)} of fine-tuning`}`;
  const tuning = epochs === 0 || tuningSteps === undefined ? "" : `, ${tuningSteps} steps`;
  return (
    `${tries === undefined ? "about" : "at most"} ${removals} removal${removals === 1 ? "" : "s"}, one ` +
    `after ${each}: ${steps} steps${data}; ${then}${tuning}`
  );
}

function shortEpochs(epochs: number): string {
  const text = Number.isInteger(epochs) ? String(epochs) : epochs < 0.1 ? "less than 0.1" : epochs.toFixed(1);
  return `${text} epoch${text === "1" ? "" : "s"}`;
}

export interface Clock {
  /** A step of pruning begins. */
  begin(): void;
  /** What is left after a removal, as the end of a line. */
  after(removal: RemovalEvent): string;
}

/** @param now milliseconds, for tests */
export function createClock(start: StartSize, schedule: ScheduleEvent, now = (): number => performance.now()): Clock {
  let begun: number | undefined;
  let first: number | undefined;
  return {
    begin() {
      begun ??= now();
    },
    after(removal) {
      first ??= removal.step - 1;
      const each = (now() - begun!) / (removal.step - first);
      const more = Math.max(0, removalsInAll(start, schedule, removal) - removal.step);
      const tuning = (((schedule.tries ?? 1) * (schedule.tuningSteps ?? 0)) / schedule.every) * each;
      return `${duration((more * each + tuning) / 1000)} left`;
    },
  };
}

/** How many removals there will be, from how far the budget is reached. */
function removalsInAll(
  { costs, units, target = {} }: StartSize,
  { removals }: ScheduleEvent,
  now: RemovalEvent,
): number {
  const done = [
    ...(["macs", "params", "bytes"] as const).map((key) => share(costs[key], target[key], now.costs[key])),
    share(units, target.units, now.units),
  ];
  const least = Math.min(...done);
  return now.step < telling || !Number.isFinite(least) || least <= 0 ? removals : now.step / least;
}

const share = (start: number, target: number | undefined, now: number): number =>
  target === undefined || target >= start ? Infinity : Math.min(1, (start - now) / (start - target));
