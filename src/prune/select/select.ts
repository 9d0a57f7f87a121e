/** Which units to remove, given an importance for each. */

import { fail } from "../../graph/error.ts";
import type { Costs } from "../../passes/costs.ts";
import { createCostModel, type CostModel } from "./cost-model.ts";
import type { Analysis } from "../coupling/analysis.ts";
import type { Unit } from "../coupling/groups.ts";
import { normalised, perCost, withinScope, type Importances } from "./ranking.ts";
import type { Budget } from "../../options/budget.ts";
import type { Normalisation, Per, Scope } from "../../options/ranking.ts";
import { whyNotWhole, groupsWithout } from "../cut/whole.ts";

export interface SelectOptions {
  /** The share of units to remove, 0 up to 1 exclusive. */
  readonly ratio: number;
  /** `isomorphic` and `global` differ from `local` in that some groups lose more than others. */
  readonly scope: Scope;
  /** What remains of a group is a multiple of this, or the group stays whole; default 1. */
  readonly roundTo?: number;
  /** How many units of a group have to stay; see {@link floorsOf}. Default 1 of each. */
  readonly floors?: ReadonlyMap<string, number> | undefined;
  /** Groups of which another share goes than of the others. */
  readonly ratios?: ReadonlyMap<string, number> | undefined;
  /** As for a {@link StepChoice}. */
  readonly normalise?: Normalisation | undefined;
  readonly per?: Per | undefined;
}

interface Candidate {
  readonly group: string;
  readonly unit: number;
  readonly importance: number;
}

/** All units, least important first; equal ones in the order of the groups. */
function ranked(analysis: Analysis, importances: Importances): Candidate[] {
  const all = analysis.groups.flatMap(({ name, units }) => {
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

function checkRounding(roundTo: number): void {
  if (!Number.isInteger(roundTo) || roundTo < 1)
    fail("bad-option", `units are rounded to a whole number of at least 1; it is ${roundTo}`);
}

/**
 * Chooses a share of the units. A group goes as a whole only where its floor is 0,
 * and it can beside the others that do.
 */
export function selectShare(
  analysis: Analysis,
  importances: Importances,
  options: SelectOptions,
): Map<string, number[]> {
  const { ratio, scope, roundTo = 1, floors, ratios, normalise = "none", per = "unit" } = options;
  if (!(ratio >= 0 && ratio < 1)) fail("bad-option", `the ratio must be at least 0 and less than 1; it is ${ratio}`);
  checkRounding(roundTo);
  const ranking = perCost(analysis, normalised(importances, normalise), createCostModel(analysis), per);
  const order = ranked(analysis, scope === "isomorphic" ? withinScope(analysis, ranking, scope) : ranking);
  const sizes = new Map(analysis.groups.map(({ name, units }) => [name, units.length]));
  const total = [...sizes.values()].reduce((a, b) => a + b, 0);
  let left = scope === "local" ? Number.POSITIVE_INFINITY : Math.floor(ratio * total);
  const quota = (group: string): number => {
    const [size, own] = [sizes.get(group)!, ratios?.get(group)];
    const share = own ?? (scope === "local" ? ratio : 1);
    return Math.min(Math.floor(share * size), size - (floors?.get(group) ?? 1));
  };
  const wholes: string[] = [];
  const chosen = new Map<string, number[]>();
  for (const { group, unit } of order) {
    const units = chosen.get(group) ?? [];
    if (left === 0) break;
    if (units.length >= quota(group)) continue;
    if (units.length + 1 === sizes.get(group)) {
      if (whyNotWhole(analysis, [...wholes, group]) !== undefined) continue;
      wholes.push(group);
    }
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

/** Whether costs meet a target in all that it names. */
export function meets(target: Budget, costs: Costs, units: number): boolean {
  return (
    (["macs", "params", "bytes"] as const).every((key) => target[key] === undefined || costs[key] <= target[key]) &&
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

export interface StepChoice {
  /** How importances of different groups are made comparable; default "none". */
  readonly normalise?: Normalisation | undefined;
  /** What was measured of each group for the normalisation `loss`. */
  readonly scales?: ReadonlyMap<string, number> | undefined;
  /** What importance is counted per; default a unit. */
  readonly per?: Per | undefined;
  /** What a group's units save, each, where that is measured: it stands in for `per`. */
  readonly savings?: ReadonlyMap<string, number> | undefined;
  /** Whom a unit is compared with; default all. */
  readonly scope?: Scope | undefined;
  /** What remains of a group is a multiple of this, or the group stays as it is; default 1. */
  readonly roundTo?: number | undefined;
  /** How many units of a group have to stay; default 1 of each. */
  readonly floors?: ReadonlyMap<string, number> | undefined;
}

/** Units of a group that go together: a single one, or as many as bring its width to the next multiple. */
interface Chunk {
  readonly group: string;
  readonly units: readonly number[];
  readonly rank: number;
}

/**
 * The blocks of all groups, cheapest first; those of a group in the order in which they
 * can go. 0 is a multiple of everything.
 */
function chunksOf(analysis: Analysis, ranking: Importances, { roundTo = 1, floors }: StepChoice): Chunk[] {
  const own = new Map<string, Candidate[]>();
  for (const candidate of ranked(analysis, ranking)) {
    const known = own.get(candidate.group);
    if (known) known.push(candidate);
    else own.set(candidate.group, [candidate]);
  }
  const chunks: Chunk[] = [];
  for (const [group, order] of own) {
    const least = floors?.get(group) ?? 1;
    const floor = least === 0 ? 0 : Math.max(roundTo, least);
    for (let at = 0; at < order.length;) {
      const left = order.length - at;
      const taken = order.slice(at, at + (left % roundTo || roundTo));
      if (left - taken.length < floor) break;
      const rank = taken.reduce((sum, { importance }) => sum + importance, 0) / taken.length;
      chunks.push({ group, units: taken.map(({ unit }) => unit), rank });
      at += taken.length;
    }
  }
  return chunks.sort((a, b) => a.rank - b.rank);
}

/**
 * Chooses at most `count` of the least important units (or one block of them, where widths are rounded), and no more
 * than the target needs. A group goes as a whole only where its floor is 0, and it can with all that was chosen before;
 * what vanishes along with it is counted.
 */
export function selectStep(
  analysis: Analysis,
  importances: Importances,
  count: number,
  target: Budget,
  choice: StepChoice = {},
): Selection {
  const state = new Shrinking(analysis);
  let removed = 0;
  for (const { group, units } of inOrder(analysis, importances, choice)) {
    if (meets(target, state.costs(), state.units)) break;
    if (removed > 0 && removed + units.length > count) break;
    if (state.remove(group, units)) removed += units.length;
  }
  const [costs, units] = [state.costs(), state.units];
  return { removal: sorted(state.chosen), costs, units, met: meets(target, costs, units) };
}

/** All blocks of units that can go, the least important first. */
function inOrder(analysis: Analysis, importances: Importances, choice: StepChoice): Chunk[] {
  const { normalise = "none", per = "unit", scope = "global", savings, roundTo = 1 } = choice;
  checkRounding(roundTo);
  const comparable = normalised(importances, normalise, choice.scales);
  const ranking = perCost(analysis, comparable, createCostModel(analysis), per, savings);
  return chunksOf(analysis, withinScope(analysis, ranking, scope), choice);
}

/** A block of units that goes, and what the model costs without it and all before it. */
export interface PathStep {
  readonly group: string;
  readonly units: readonly number[];
  readonly costs: Costs;
}

/**
 * All that can go, in the order in which {@link selectStep} takes it, to its end: whoever asks for one budget after
 * another looks it up there. It is that of one measurement of importance.
 */
export function removalPath(analysis: Analysis, importances: Importances, choice: StepChoice = {}): PathStep[] {
  const state = new Shrinking(analysis);
  return inOrder(analysis, importances, choice).flatMap(({ group, units }) =>
    state.remove(group, units) ? [{ group, units, costs: state.costs() }] : [],
  );
}

/** Groups that lose one block of units after another. */
class Shrinking {
  readonly chosen = new Map<string, number[]>();
  /** Units that are left. */
  units: number;
  readonly #start: Analysis;
  readonly #sizes: ReadonlyMap<string, number>;
  #model: CostModel;
  /** What is left of each group, in the numbers of the start; of none that vanished with another. */
  #left: Map<string, Map<number, Unit>>;

  constructor(analysis: Analysis) {
    this.#start = analysis;
    this.#model = createCostModel(analysis);
    this.#left = new Map(analysis.groups.map(({ name, units }) => [name, new Map(units.entries())]));
    this.#sizes = new Map(analysis.groups.map(({ name, units }) => [name, units.length]));
    this.units = this.#count();
  }

  costs(): Costs {
    return this.#model.costs();
  }

  /** Whether the units can go; where they cannot, they stay. */
  remove(group: string, units: readonly number[]): boolean {
    const left = this.#left.get(group);
    if (left === undefined) return false;
    const chosen = [...(this.chosen.get(group) ?? []), ...units];
    if (chosen.length === this.#sizes.get(group) && !this.#removeWhole(group, chosen)) return false;
    this.chosen.set(group, chosen);
    if (!this.#left.has(group)) return true;
    for (const unit of units) {
      this.#model.remove(left.get(unit)!);
      left.delete(unit);
    }
    this.units -= units.length;
    return true;
  }

  /** Goes on with the graph that is left without a group. */
  #removeWhole(group: string, chosen: readonly number[]): boolean {
    const all = new Map([...this.chosen, [group, chosen] as const]);
    const after = groupsWithout(this.#start, all);
    if (typeof after === "string") return false;
    this.#model = createCostModel(after);
    this.#left = new Map(
      after.groups.map(({ name, units }) => {
        const gone = new Set(all.get(name));
        const numbers = Array.from({ length: this.#sizes.get(name)! }, (_, unit) => unit).filter((n) => !gone.has(n));
        return [name, new Map(units.map((unit, i) => [numbers[i]!, unit]))];
      }),
    );
    this.units = this.#count();
    return true;
  }

  #count(): number {
    return [...this.#left.values()].reduce((n, { size }) => n + size, 0);
  }
}
