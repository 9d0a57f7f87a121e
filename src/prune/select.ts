/** Which units to remove, given an importance for each. */

import { fail } from "../graph/error.ts";
import { createCostModel, type CostModel, type Costs } from "./costs.ts";
import type { Groups, Unit } from "./groups.ts";

export type Importances = ReadonlyMap<string, ArrayLike<number>>;

export const scopes = ["local", "global"] as const;
/** `local` takes the same share of every group, `global` the least important units of the whole net. */
export type Scope = (typeof scopes)[number];

export interface SelectOptions {
  /** The share of units to remove, 0 up to 1 exclusive. */
  readonly ratio: number;
  readonly scope: Scope;
  /** What remains of a group is a multiple of this, or the group stays whole; default 1. */
  readonly roundTo?: number;
}

interface Candidate {
  readonly group: string;
  readonly unit: number;
  readonly importance: number;
}

/** All units, least important first; equal ones in the order of the groups. */
function ranked(groups: Groups, importances: Importances): Candidate[] {
  const all = groups.groups.flatMap(({ name, units }) => {
    const scores = importances.get(name);
    if (scores === undefined) return [];
    return units.map((_, unit): Candidate => {
      const importance =
        scores[unit] ?? fail("bad-plan", `group "${name}" has ${units.length} units but ${scores.length} importances`);
      if (Number.isNaN(importance))
        fail("not-finite", `the importance of unit ${unit} of group "${name}" is not a number`);
      return { group: name, unit, importance };
    });
  });
  return all.sort((a, b) => a.importance - b.importance);
}

const sorted = (removal: ReadonlyMap<string, readonly number[]>): Map<string, number[]> =>
  new Map(
    [...removal]
      .filter(([, units]) => units.length > 0)
      .map(([name, units]) => [name, [...units].sort((a, b) => a - b)]),
  );

/** Chooses a share of the units. No group is emptied. */
export function selectShare(groups: Groups, importances: Importances, options: SelectOptions): Map<string, number[]> {
  const { ratio, scope, roundTo = 1 } = options;
  if (!(ratio >= 0 && ratio < 1)) fail("bad-option", `the ratio must be at least 0 and less than 1; it is ${ratio}`);
  if (!Number.isInteger(roundTo) || roundTo < 1)
    fail("bad-option", `units are rounded to a whole number of at least 1; it is ${roundTo}`);
  const order = ranked(groups, importances);
  const sizes = new Map(groups.groups.map(({ name, units }) => [name, units.length]));
  const total = [...sizes.values()].reduce((a, b) => a + b, 0);
  let left = scope === "global" ? Math.floor(ratio * total) : Number.POSITIVE_INFINITY;
  const quota = (group: string): number =>
    scope === "local" ? Math.floor(ratio * sizes.get(group)!) : sizes.get(group)! - 1;
  const chosen = new Map<string, number[]>();
  for (const { group, unit } of order) {
    const units = chosen.get(group) ?? [];
    if (left === 0) break;
    if (units.length >= Math.min(quota(group), sizes.get(group)! - 1)) continue;
    units.push(unit);
    chosen.set(group, units);
    left--;
  }
  // The last ones chosen are the most important: they come back first.
  for (const [group, units] of chosen) {
    const size = sizes.get(group)!;
    const stay = Math.min(size, Math.ceil((size - units.length) / roundTo) * roundTo);
    chosen.set(group, units.slice(0, size - stay));
  }
  return sorted(chosen);
}

/** What must be reached; each at most the number given. Units are counted over all groups. */
export interface Target {
  readonly macs?: number;
  readonly params?: number;
  readonly units?: number;
}

/** Whether costs meet a target in all that it names. */
export function meets(target: Target, costs: Costs, units: number): boolean {
  return (
    (target.macs === undefined || costs.macs <= target.macs) &&
    (target.params === undefined || costs.params <= target.params) &&
    (target.units === undefined || units <= target.units)
  );
}

export interface Selection {
  readonly removal: ReadonlyMap<string, readonly number[]>;
  /** What the graph costs without these units. */
  readonly costs: Costs;
  readonly units: number;
  readonly met: boolean;
}

/** What importance is counted per: a unit, or what its removal alone saves. */
export const pers = ["unit", "macs", "params", "bytes"] as const;
export type Per = (typeof pers)[number];

/** Importances divided by what the removal of each unit alone saves; a unit that saves nothing is beyond price. */
function perCost(groups: Groups, importances: Importances, model: CostModel, per: Per): Importances {
  if (per === "unit") return importances;
  const price = (unit: Unit, score: number): number => {
    const saved = model.saving(unit)[per];
    return saved > 0 ? score / saved : Number.POSITIVE_INFINITY;
  };
  const priced = new Map<string, Float64Array>();
  for (const { name, units } of groups.groups) {
    const scores = importances.get(name);
    if (scores)
      priced.set(
        name,
        Float64Array.from(units, (unit, i) => price(unit, scores[i]!)),
      );
  }
  return priced;
}

/**
 * Chooses at most `count` of the least important units of the whole net, and no more than the target needs. No group is emptied.
 *
 * @param per what importance is counted per
 */
export function selectStep(
  groups: Groups,
  importances: Importances,
  count: number,
  target: Target,
  per: Per = "unit",
): Selection {
  const model = createCostModel(groups);
  const byName = new Map(groups.groups.map((group) => [group.name, group]));
  let units = groups.groups.reduce((n, group) => n + group.units.length, 0);
  const chosen = new Map<string, number[]>();
  let removed = 0;
  for (const { group, unit } of ranked(groups, perCost(groups, importances, model, per))) {
    if (removed >= count || meets(target, model.costs(), units)) break;
    const own = chosen.get(group) ?? [];
    if (own.length + 1 >= byName.get(group)!.units.length) continue;
    own.push(unit);
    chosen.set(group, own);
    model.remove(byName.get(group)!.units[unit]!);
    removed++;
    units--;
  }
  return { removal: sorted(chosen), costs: model.costs(), units, met: meets(target, model.costs(), units) };
}
