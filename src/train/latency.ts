/** How long a model takes, and what it would gain from fewer units: measured, on the runtime and the machine at hand. */

import { fail } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import { sizeOf, tensor, type NumericDType, type Shape, type Tensor } from "../graph/tensor.ts";
import { trace } from "../passes/trace.ts";
import { cut } from "../prune/cut.ts";
import { findGroups, type Group } from "../prune/groups.ts";
import type { LoadOptions, Runtime, Session } from "../runtime/port.ts";
import { runnable } from "./runnable.ts";

export interface LatencyOptions extends LoadOptions {
  /** Samples of a run; default 1. */
  readonly batch?: number | undefined;
  /** Rounds in which every model takes its turn; default 30. */
  readonly rounds?: number | undefined;
}

/** Milliseconds: the median, and bounds of its 95 % confidence interval by order statistics. */
export interface Timing {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** Runs that are thrown away: the first ones allocate, and let the clock of the processor rise. */
const warmUp = 5;
/** A turn takes the fastest of so many runs in a row: what else the machine does only ever makes it slower. */
const perTurn = 3;

/**
 * Runs graphs in turn, so that what changes on the machine meanwhile strikes all of them.
 *
 * @param graphs with an open batch; their inputs are random numbers
 * @returns the milliseconds of each turn of each graph
 */
export async function takeTurns(
  runtime: Runtime,
  graphs: readonly Graph[],
  { batch = 1, rounds = 30, ...load }: LatencyOptions = {},
): Promise<number[][]> {
  const sessions: { readonly session: Session; readonly feeds: Record<string, Tensor> }[] = [];
  try {
    for (const graph of graphs)
      sessions.push({ session: await runtime.load(runnable(graph), load), feeds: feedsFor(graph, batch) });
    for (const { session, feeds } of sessions) await session.time(feeds, warmUp);
    const times: number[][] = graphs.map(() => []);
    for (let round = 0; round < rounds; round++)
      for (const [i, { session, feeds }] of sessions.entries())
        times[i]!.push(Math.min(...(await session.time(feeds, perTurn))));
    return times;
  } finally {
    for (const { session } of sessions) await session.dispose();
  }
}

/** The latency of each graph, measured in turns; see {@link takeTurns}. */
export async function measureLatency(
  runtime: Runtime,
  graphs: readonly Graph[],
  options: LatencyOptions = {},
): Promise<Timing[]> {
  return (await takeTurns(runtime, graphs, options)).map(timingOf);
}

/** The median of values, and the order statistics that enclose the true one in 95 of 100 cases (David and Nagaraja 2003, section 7.1). */
export function timingOf(values: readonly number[]): Timing {
  const sorted = [...values].sort((a, b) => a - b);
  const n = sorted.length;
  const at = (rank: number): number => sorted[Math.min(n - 1, Math.max(0, rank))]!;
  const reach = 0.98 * Math.sqrt(n);
  const median = (at(Math.floor((n - 1) / 2)) + at(Math.ceil((n - 1) / 2))) / 2;
  return { median, low: at(Math.floor(n / 2 - reach) - 1), high: at(Math.ceil(n / 2 + reach)) };
}

function feedsFor(graph: Graph, batch: number): Record<string, Tensor> {
  const sizes = trace(graph, { batch }).types;
  return Object.fromEntries(
    graph.inputs.map(({ name, dtype }) => {
      const shape: Shape =
        sizes.get(name)?.shape ?? fail("unsupported", `the shape of input "${name}" is not known: give it by --shape`);
      // Zeros of a kernel are as slow as any number; of a float they are not always.
      const values = Array.from({ length: sizeOf(shape) }, (_, i) => (dtype.startsWith("float") ? Math.sin(i) : i % 2));
      return [name, tensor(dtype as NumericDType, shape, values)];
    }),
  );
}

/** What a group's units cost in time. */
export interface LatencyRow {
  readonly group: string;
  readonly units: number;
  /** Units that were taken away to measure; 0 where the group is too narrow to lose a block. */
  readonly without: number;
  /** Milliseconds that this saves. */
  readonly saved: Timing;
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

export interface GoalOptions extends LatencyOptions {
  /** At most 1: a share of the latency at the start; larger: milliseconds. */
  readonly latency: number;
  /** Widths are multiples of this: units are taken away by so many; default 1. */
  readonly roundTo?: number | undefined;
  /** What an earlier run has measured; it is not measured again. */
  readonly known?: Pick<LatencyGoal, "share" | "start" | "table"> | undefined;
  readonly onProgress?: ((done: number, all: number) => void) | undefined;
}

/**
 * Measures a graph whole and with each group half as wide.
 *
 * @param graph with an open batch
 */
export async function openLatency(runtime: Runtime, graph: Graph, options: GoalOptions): Promise<LatencyGoal> {
  const { latency, known } = options;
  const { start, table } = known ?? (await measureGroups(runtime, graph, options));
  return {
    share: known?.share ?? (latency <= 1 ? latency : latency / start.median),
    start,
    table,
    savings: new Map(table.map(({ group, without, saved }) => [group, without > 0 ? saved.median / without : 0])),
    async measure(smaller) {
      const [whole, less] = await takeTurns(runtime, [graph, smaller], options);
      return timingOf(whole!.map((time, i) => less![i]! / time));
    },
  };
}

async function measureGroups(
  runtime: Runtime,
  graph: Graph,
  options: GoalOptions,
): Promise<Pick<LatencyGoal, "start" | "table">> {
  const { roundTo = 1, onProgress, signal } = options;
  const found = findGroups(trace(graph));
  const table: LatencyRow[] = [];
  const all: number[] = [];
  for (const group of found.groups) {
    signal?.throwIfAborted();
    const gone = halfOf(group, roundTo);
    if (gone.length === 0) table.push({ group: group.name, units: group.units.length, without: 0, saved: none });
    else {
      const narrow = cut(graph, found, new Map([[group.name, gone]])).graph;
      const [whole, less] = await takeTurns(runtime, [graph, narrow], options);
      all.push(...whole!);
      const saved = timingOf(whole!.map((time, i) => time - less![i]!));
      table.push({ group: group.name, units: group.units.length, without: gone.length, saved });
    }
    onProgress?.(table.length, found.groups.length);
  }
  if (all.length === 0)
    fail(
      "unsupported",
      `no group is wider than ${roundTo}, the multiple that widths are rounded to: give a smaller --round-to`,
    );
  return { start: timingOf(all), table };
}

const none: Timing = { median: 0, low: 0, high: 0 };

/** About half of a group's units, the last ones, so that what stays is a multiple; none where no such width is there. */
function halfOf({ units }: Group, roundTo: number): number[] {
  const stay = Math.max(roundTo, Math.round(units.length / 2 / roundTo) * roundTo);
  return stay >= units.length ? [] : units.map((_, unit) => unit).slice(stay);
}
