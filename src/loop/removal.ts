/** A removal: the least important units, and for a latency no more of them than it needs. */

import type { Budget } from "../options/budget.ts";
import type { Scores } from "../criteria/criterion.ts";
import type { Graph } from "../graph/graph.ts";
import { cut, type Cut } from "../prune/cut/cut.ts";
import type { Analysis } from "../prune/coupling/analysis.ts";
import type { Removal } from "../prune/coupling/removal.ts";
import { meets, selectStep, type Selection } from "../prune/select/select.ts";
import type { Timing } from "../evaluate/timing.ts";
import { floorsOf } from "../prune/select/limits.ts";
import { nextTarget } from "../prune/select/schedule.ts";
import { groupScales } from "../score/group-losses.ts";
import { ownerOf } from "../train/packed-parameters.ts";
import type { TrainerState } from "../train/step.ts";
import { bisect } from "./bisect.ts";
import { stepShare, type Measured, type PruneOptions } from "./options.ts";

export interface Step extends Selection {
  readonly smaller: Cut;
  /** The share of the latency at the start that is left, where it is measured. */
  readonly took: Timing | undefined;
  /** Whether the target and the latency are met. */
  readonly met: boolean;
}

/** Chooses units and cuts them; the removal is empty where nothing can go. */
export type Choose = (graph: Graph, analysis: Analysis, measured: Measured) => Promise<Step>;

/** @param initial what there is at the start */
export function createChoose(initial: Analysis, options: PruneOptions): Choose {
  const { target, schedule, latency, per, limits = {} } = options;
  const start = { ...initial.costs, units: initial.units };
  const share = options.unitsPerStep ?? Math.max(1, Math.round(start.units * stepShare));
  const most = schedule ? Infinity : share;
  const savings = per === undefined ? latency?.savings : undefined;
  const choice = { ...options, floors: floorsOf(initial, limits), savings };
  const nextOf = ({ costs, units }: Analysis): Budget => {
    // What is met may still be too slow.
    if (meets(target, costs, units)) return { units: 0 };
    return schedule ? nextTarget(schedule, start, target, { ...costs, units }) : target;
  };
  return async (graph, analysis, { importances, groupLosses = [] }) => {
    const now = nextOf(analysis);
    const scaled = { ...choice, scales: groupScales(groupLosses, importances) };
    // Where widths are rounded, several counts choose the same units.
    const times = new Map<number, Timing>();
    const removeUpTo = async (count: number): Promise<Step> => {
      const selection = selectStep(analysis, importances, count, now, scaled);
      const smaller = cut(graph, analysis, selection.removal);
      if (latency && selection.removal.size > 0 && !times.has(selection.units))
        times.set(selection.units, await latency.measure(smaller.graph));
      const took = times.get(selection.units);
      const met = meets(target, selection.costs, selection.units) && (!took || took.median <= latency!.share);
      return { ...selection, smaller, took, met };
    };
    const step = await removeUpTo(most);
    return latency && step.met && step.took ? leastOf(step, latency.share, removeUpTo) : step;
  };
}

/** A step that meets its goal with no more units than that takes. */
function leastOf(step: Step, share: number, removeUpTo: (count: number) => Promise<Step>): Promise<Step> {
  const attemptOf = (result: Step) => ({ result, share: result.took!.median / share });
  const went = [...step.removal.values()].reduce((sum, { length }) => sum + length, 0);
  return bisect(went, attemptOf(step), async (count) => {
    const tried = await removeUpTo(count);
    return tried.met && tried.took ? attemptOf(tried) : undefined;
  });
}

/** What has learned and was measured, without the units that a removal takes; the optimiser's state is cut along. */
export function removeFrom(
  { optimiserState }: TrainerState,
  { importances, groupLosses }: Measured,
  { removal, smaller: { graph, shrink } }: Step,
): TrainerState & Measured {
  const left = [...optimiserState].flatMap(([name, value]) => {
    const owner = ownerOf(name);
    return graph.initializers.has(owner) ? [[name, shrink(owner, value)] as const] : [];
  });
  return { graph, optimiserState: new Map(left), importances: shrinkScores(importances, removal), groupLosses };
}

/** Importances of the units that stay, renumbered as the cut does. */
function shrinkScores(scores: Scores, removal: Removal): Map<string, Float64Array> {
  return new Map(
    [...scores].flatMap(([name, values]) => {
      const gone = new Set(removal.get(name));
      const left = values.filter((_, i) => !gone.has(i));
      return left.length > 0 ? [[name, left]] : [];
    }),
  );
}
