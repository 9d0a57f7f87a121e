/** What pruning goes down to: costs, and a latency that is measured. */

import { fail, option } from "../graph/error.ts";
import { cut } from "../prune/cut/cut.ts";
import type { Analysis } from "../prune/coupling/analysis.ts";
import type { Budget } from "../options/budget.ts";
import type { Runtime } from "../runtime/port.ts";
import { millisecondsOf, openLatency, shareOf, type LatencyGoal } from "../evaluate/latency.ts";
import { absoluteBudgetOf } from "../loop/prune.ts";
import { timeInTurns, timingOf } from "../evaluate/timing.ts";
import type { LatencyEvent, PhaseEvent, State, TimedEvent } from "./prune-events.ts";
import type { PruneJobOptions, SettledOptions } from "./prune-options.ts";
import { leastOf, type Holds } from "./reach.ts";

/** What pruning goes down to; where only a loss stops it, to nothing. */
export function goalOf({ costs, units }: Pick<State, "costs" | "units">, options: PruneJobOptions): Budget {
  const { budget = {}, latency } = options;
  if (Object.keys(budget).length > 0) return absoluteBudgetOf({ ...costs, units }, budget);
  return latency === undefined ? { units: 0 } : {};
}

/** What of a goal cannot be found again: times. */
export type StoredGoal = Pick<LatencyGoal, "share" | "start" | "table">;
export const storedGoal = ({ share, start, table }: LatencyGoal): StoredGoal => ({ share, start, table });

/** Measures what a latency takes, and what an earlier run has measured not again. */
export async function openGoal(
  runtime: Runtime,
  analysis: Analysis,
  options: SettledOptions,
  known: StoredGoal | undefined,
  emit: (event: LatencyEvent | TimedEvent | PhaseEvent) => void,
): Promise<LatencyGoal | undefined> {
  const { latency, roundTo, limits, device, threads, signal } = options;
  if (latency === undefined) return undefined;
  if (!known) emit({ kind: "phase", phase: "timing" });
  const onProgress = (done: number, all: number): void => emit({ kind: "latency", done, all });
  const given = { latency, roundTo, limits, device, threads, signal, onProgress, known };
  const goal = await openLatency(runtime, analysis, given);
  if (!known)
    emit({ kind: "latency", done: goal.table.length, all: goal.table.length, start: goal.start, table: goal.table });
  return {
    ...goal,
    async measure(smaller) {
      emit({ kind: "phase", phase: "timing" });
      const latency = await goal.measure(smaller);
      emit({ kind: "timed", latency });
      return latency;
    },
  };
}

/** A measurement may be off by so much. */
const doubt = 1.1;

/**
 * Times the smallest model there can be.
 *
 * @throws SecateurError `bad-option` for a latency that is far below what it takes
 */
export async function refuseTooFast(
  runtime: Runtime,
  analysis: Analysis,
  { latency, roundTo, limits, device, threads, signal }: PruneJobOptions & Holds,
): Promise<void> {
  if (latency === undefined) return;
  const { removal, isLeast } = leastOf(analysis, { limits, roundTo });
  if (!isLeast) return;
  const smallest = cut(analysis.graph, analysis, removal).graph;
  const [whole, less] = await timeInTurns(runtime, [analysis.graph, smallest], { device, threads, signal });
  const { median } = timingOf(whole!);
  const took = timingOf(less!.map((time, i) => time / whole![i]!));
  const share = shareOf(latency) ?? millisecondsOf(latency) / median;
  if (took.low <= share * doubt) return;
  const emitted = (of: number): string => `${(median * of).toPrecision(3)} ms (${(100 * of).toPrecision(3)} %)`;
  fail(
    "bad-option",
    `${option("latency")} cannot be met: a sample takes ${median.toPrecision(3)} ms, and ` +
      `${emitted(took.median)} with all removed that may go; ${emitted(share)} is asked for. ` +
      `Ask for more, or let more go: ${option("limits.keep")}, ${option("limits.minUnits")} and ` +
      `${option("roundTo")} say what stays`,
  );
}
