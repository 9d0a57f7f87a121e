/** A latency as a budget: what a model would gain from fewer units, measured on the runtime and the machine at hand. */

import type { LatencyBudget } from "../options/budget.ts";
import type { Limits } from "../options/ranking.ts";
import { fail, option } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import type { Analysis } from "../prune/coupling/analysis.ts";
import { cut } from "../prune/cut/cut.ts";
import type { Group } from "../prune/coupling/groups.ts";
import { floorsOf } from "../prune/select/limits.ts";
import type { Runtime } from "../runtime/port.ts";
import { timeInTurns, timingOf, type Timing, type TimingOptions } from "./timing.ts";

/** What a group's units cost in time. */
export interface LatencyRow {
  readonly group: string;
  readonly units: number;
  /** Units that were taken away to measure; 0 where the group is too narrow to lose a block. */
  readonly without: number;
  /** Milliseconds that this saves. */
  readonly saved: Timing;
  /** Milliseconds that all units save; absent where the group is not to go as a whole, or cannot. */
  readonly whole?: Timing | undefined;
}

/** A latency to reach, and how units help. */
export interface LatencyGoal {
  /** The share of the latency at the start that is to be left. */
  readonly share: number;
  /** Milliseconds at the start. */
  readonly start: Timing;
  readonly table: readonly LatencyRow[];
  /** Milliseconds that each unit of a group saves, by the group's name. */
  readonly savings: ReadonlyMap<string, number>;
  /** The share of the latency at the start that a smaller graph takes. */
  measure(graph: Graph): Promise<Timing>;
}

export interface GoalOptions extends Omit<TimingOptions, "onProgress"> {
  readonly latency: LatencyBudget;
  /** Widths are multiples of this: units are taken away by so many; default 1. */
  readonly roundTo?: number | undefined;
  /** What has to stay of each group; those of which nothing has to are measured as a whole too. */
  readonly limits?: Limits | undefined;
  /** What an earlier run has measured; it is not measured again. */
  readonly known?: Pick<LatencyGoal, "share" | "start" | "table"> | undefined;
  readonly onProgress?: ((done: number, all: number) => void) | undefined;
}

/**
 * Measures a graph whole, with each group half as wide, and without it where it may go as a whole.
 *
 * @param graph with an open batch
 */
export async function openLatency(runtime: Runtime, analysis: Analysis, options: GoalOptions): Promise<LatencyGoal> {
  const { latency, known, rounds, batch, seed, threads, signal } = options;
  const timing: TimingOptions = { rounds, batch, seed, threads, signal };
  const { start, table } = known ?? (await measureGroups(runtime, analysis, options, timing));
  const share = known?.share ?? shareOf(latency) ?? millisecondsOf(latency) / start.median;
  return {
    share,
    start,
    table,
    savings: new Map(table.map((row) => [row.group, savingOf(row)])),
    async measure(smaller) {
      const compare = async (rounds?: number): Promise<Timing> => {
        const [whole, less] = await timeInTurns(runtime, [analysis.graph, smaller], {
          ...timing,
          ...(rounds && { rounds }),
        });
        return timingOf(whole!.map((time, i) => less![i]! / time));
      };
      const first = await compare();
      // What is about to end the work is looked at longer.
      return first.median <= share * nearly ? compare(decidingRounds) : first;
    },
  };
}

/** The share that a budget is, where it is one. */
export const shareOf = (latency: LatencyBudget): number | undefined =>
  typeof latency === "number" && latency <= 1 ? latency : undefined;

export const millisecondsOf = (latency: LatencyBudget): number =>
  typeof latency === "number" ? latency : latency.milliseconds;

async function measureGroups(
  runtime: Runtime,
  analysis: Analysis,
  options: GoalOptions,
  timing: TimingOptions,
): Promise<Pick<LatencyGoal, "start" | "table">> {
  const { roundTo = 1, limits = {}, onProgress, signal } = options;
  const { graph } = analysis;
  const floors = floorsOf(analysis, limits);
  const table: LatencyRow[] = [];
  const all: number[] = [];
  for (const group of analysis.groups) {
    const measure = async (gone: readonly number[]): Promise<Timing> => {
      signal?.throwIfAborted();
      const narrow = cut(graph, analysis, new Map([[group.name, gone]])).graph;
      const [whole, less] = await timeInTurns(runtime, [graph, narrow], timing);
      all.push(...whole!);
      return timingOf(whole!.map((time, i) => time - less![i]!));
    };
    const { name, units } = group;
    const gone = halfOf(group, roundTo);
    table.push({
      group: name,
      units: units.length,
      without: gone.length,
      saved: gone.length > 0 ? await measure(gone) : none,
      ...(floors.get(name) === 0 && { whole: await measure(units.map((_, unit) => unit)) }),
    });
    onProgress?.(table.length, analysis.groups.length);
  }
  if (all.length === 0)
    fail(
      "unsupported",
      `no group is wider than ${roundTo}, the multiple that widths are rounded to: give a smaller ${option("roundTo")}`,
    );
  return { start: timingOf(all), table };
}

/**
 * What a unit saves: alike for each of the half that was measured, or of all, where
 * only that the last goes saves anything.
 */
const savingOf = ({ units, without, saved, whole }: LatencyRow): number =>
  Math.max(without > 0 ? saved.median / without : 0, whole ? whole.median / units : 0);

/** So near to the share a measurement is repeated, over more rounds. */
const nearly = 1.1;
const decidingRounds = 150;

const none: Timing = { median: 0, low: 0, high: 0 };

/**
 * About half of a group's units, the last ones, so that what stays is a multiple; none where no such width is there.
 */
function halfOf({ units }: Group, roundTo: number): number[] {
  const stay = Math.max(roundTo, Math.round(units.length / 2 / roundTo) * roundTo);
  return stay >= units.length ? [] : units.map((_, unit) => unit).slice(stay);
}
