/** What a removal takes: the least important units, and for a latency no more of them than it needs. */

import type { Scores } from "../criteria/criterion.ts";
import type { Graph } from "../graph/graph.ts";
import { cut, type Cut } from "../prune/cut/cut.ts";
import type { Groups, Removal } from "../prune/coupling/groups.ts";
import type { Importances } from "../prune/select/ranking.ts";
import { meets, selectStep, type Selection, type StepChoice } from "../prune/select/select.ts";
import type { Budget } from "../options/budget.ts";
import { bisect } from "./bisect.ts";
import type { LatencyGoal } from "../evaluate/latency.ts";
import type { Timing } from "../evaluate/timing.ts";

export interface RemovalOptions {
  readonly choice: StepChoice;
  /** Units that go at most. */
  readonly count: number;
  /** What this removal is to reach. */
  readonly now: Budget;
  /** What is to be reached in the end, besides the latency. */
  readonly target: Budget;
  readonly latency: LatencyGoal | undefined;
}

export interface Step extends Selection {
  readonly smaller: Cut;
  /** The share of the latency at the start that is left, where it is measured. */
  readonly took: Timing | undefined;
  /** Whether the target and the latency are met. */
  readonly met: boolean;
}

/** Chooses units and cuts them; the removal is empty where nothing can go. */
export async function nextRemoval(
  graph: Graph,
  groups: Groups,
  importances: Importances,
  { choice, count, now, target, latency }: RemovalOptions,
): Promise<Step> {
  // In blocks, several counts choose the same units.
  const times = new Map<number, Timing>();
  const removeUpTo = async (count: number): Promise<Step> => {
    const selection = selectStep(groups, importances, count, now, choice);
    const smaller = cut(graph, groups, selection.removal);
    if (latency && selection.removal.size > 0 && !times.has(selection.units))
      times.set(selection.units, await latency.measure(smaller.graph));
    const took = times.get(selection.units);
    const met = meets(target, selection.costs, selection.units) && (!took || took.median <= latency!.share);
    return { ...selection, smaller, took, met };
  };
  const step = await removeUpTo(count);
  if (!step.met || !step.took) return step;
  const attemptOf = (result: Step) => ({ result, share: result.took!.median / latency!.share });
  const went = [...step.removal.values()].reduce((sum, { length }) => sum + length, 0);
  return bisect(went, attemptOf(step), async (count) => {
    const tried = await removeUpTo(count);
    return tried.met && tried.took ? attemptOf(tried) : undefined;
  });
}

/** Importances of the units that stay, renumbered as the cut does. */
export function shrinkScores(scores: Scores, removal: Removal): Map<string, Float64Array> {
  return new Map(
    [...scores].flatMap(([name, values]) => {
      const gone = new Set(removal.get(name));
      const left = values.filter((_, i) => !gone.has(i));
      return left.length > 0 ? [[name, left]] : [];
    }),
  );
}
