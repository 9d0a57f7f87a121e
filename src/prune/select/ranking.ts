/** What units are compared by: their importance, for what they cost, among all units or their like. */

import type { Normalisation, Per, Scope } from "../../options/ranking.ts";
import { fail } from "../../graph/error.ts";
import { applicationOf, type Traced } from "../../passes/trace.ts";
import type { Node } from "../../graph/graph.ts";
import type { CostModel } from "./cost-model.ts";
import type { Analysis } from "../coupling/analysis.ts";
import type { Group, Unit } from "../coupling/groups.ts";

export type Importances = ReadonlyMap<string, ArrayLike<number>>;

/**
 * Importances that can be compared between groups.
 *
 * @param scales what was measured for `loss`, by the group's name; a group without one keeps its importances
 * @throws SecateurError `bad-option` for `loss` where nothing was measured
 */
export function normalised(
  importances: Importances,
  how: Normalisation,
  scales?: ReadonlyMap<string, number>,
): Importances {
  if (how === "none") return importances;
  if (how === "loss") {
    const of =
      scales ??
      fail(
        "bad-option",
        "what a group loses by itself is measured on data, while pruning: plan normalises by something else",
      );
    return new Map(
      [...importances].map(([name, scores]) => [
        name,
        Float64Array.from(scores, (score) => score * (of.get(name) ?? 1)),
      ]),
    );
  }
  return new Map([...importances].map(([name, scores]) => [name, within(Float64Array.from(scores), how)]));
}

function within(scores: Float64Array, how: Exclude<Normalisation, "none" | "loss">): Float64Array {
  const finite = scores.filter(Number.isFinite);
  const sizes = finite.map(Math.abs);
  const total = sum(sizes);
  if (total === 0) return scores;
  const mean = total / sizes.length;
  if (how === "lamp") return sharesOfLeft(scores, total);
  if (how !== "standardised") {
    const scale = { mean, sum: total, max: Math.max(...sizes) }[how];
    return scores.map((score) => score / scale);
  }
  const middle = sum(finite) / finite.length;
  const deviation = Math.sqrt(sum(finite.map((score) => (score - middle) ** 2)) / finite.length) || 1;
  return scores.map((score) => (score === Infinity ? score : 1 / (1 + Math.exp((middle - score) / deviation))));
}

/** Each over the sum of itself and all above it. */
function sharesOfLeft(scores: Float64Array, total: number): Float64Array {
  const order = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]!);
  const shares = new Float64Array(scores.length);
  let left = 0;
  for (const unit of order) {
    const score = scores[unit]!;
    if (score > 0 && score < Infinity) left += score;
    shares[unit] = score > 0 && score < Infinity ? score / left : score / total;
  }
  return shares;
}

const sum = (values: Float64Array): number => values.reduce((a, b) => a + b, 0);

/** What each unit of a group saves when it goes alone. */
type Savings = (group: string, unit: Unit) => number;

/**
 * Importances over what the removal of each unit alone saves; a unit that saves nothing is beyond price. Below 0, where
 * removal does good, it is multiplied instead: what saves more goes first there too.
 *
 * @param savings of each unit of a group, where that is measured; it stands in for `per`
 */
export function perCost(
  analysis: Analysis,
  importances: Importances,
  model: CostModel,
  per: Per,
  savings?: ReadonlyMap<string, number>,
): Importances {
  if (per === "unit" && !savings) return importances;
  const saving: Savings = savings
    ? (group) => savings.get(group) ?? 0
    : (_, unit) => (per === "unit" ? 1 : model.saving(unit)[per]);
  const rank = (saved: number, score: number): number =>
    saved > 0 ? (score < 0 ? score * saved : score / saved) : Number.POSITIVE_INFINITY;
  const ranking = new Map<string, Float64Array>();
  for (const { name, units } of analysis.groups) {
    const scores = importances.get(name);
    if (scores)
      ranking.set(
        name,
        Float64Array.from(units, (unit, i) => rank(saving(name, unit), scores[i]!)),
      );
  }
  return ranking;
}

/** Prices as they are, or the share of units with a lower one among those that a unit is compared with. */
export function withinScope(analysis: Analysis, ranking: Importances, scope: Scope): Importances {
  if (scope === "global") return ranking;
  const classes = new Map<string, Group[]>();
  for (const group of analysis.groups) {
    if (!ranking.has(group.name)) continue;
    const key = scope === "local" ? group.name : kindOf(analysis.traced, group);
    const own = classes.get(key);
    if (own) own.push(group);
    else classes.set(key, [group]);
  }
  const ranks = new Map<string, Float64Array>();
  for (const members of classes.values()) {
    const all = members.flatMap(({ name, units }) =>
      units.map((_, unit) => ({ name, unit, rank: ranking.get(name)![unit]! })),
    );
    for (const { name, units } of members) ranks.set(name, new Float64Array(units.length));
    all
      .sort((a, b) => a.rank - b.rank)
      .forEach(({ name, unit }, rank) => {
        ranks.get(name)![unit] = rank / all.length;
      });
  }
  return ranks;
}

/** How a group is built: the operators that touch its units, and where. */
function kindOf(traced: Traced, { axes: places }: Group): string {
  const axes = new Map<string, number[]>();
  for (const { value, axis } of places) axes.set(value, [...(axes.get(value) ?? []), axis]);
  const touches = new Set<string>();
  const touch = (node: Node, side: string, values: readonly string[]): void =>
    values.forEach((value, i) => {
      if (applicationOf(traced, node) === undefined) return;
      for (const axis of axes.get(value) ?? []) touches.add(`${node.op} ${side}${i}:${axis}`);
    });
  for (const node of traced.graph.nodes) {
    touch(node, "in", node.inputs);
    touch(node, "out", node.outputs);
  }
  return [...touches].sort().join(";");
}
