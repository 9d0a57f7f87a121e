/** What units are compared by: their importance, for what they cost, among all units or their like. */

import { applicationOf, type Traced } from "../passes/trace.ts";
import type { Node } from "../graph/graph.ts";
import type { CostModel } from "./costs.ts";
import type { Group, Groups, Unit } from "./groups.ts";

export type Importances = ReadonlyMap<string, ArrayLike<number>>;

export const scopes = ["local", "global", "isomorphic"] as const;
/**
 * `global` compares all units of the net, `local` the units of a group only, so that the same share of every group goes; `isomorphic` compares the
 * units of groups that are built alike (Fang et al. 2024, "Isomorphic Pruning for Vision Models").
 */
export type Scope = (typeof scopes)[number];

/** What importance is counted per: a unit, or what its removal alone saves. */
export const pers = ["unit", "macs", "params", "bytes"] as const;
export type Per = (typeof pers)[number];

/** Importances divided by what the removal of each unit alone saves; a unit that saves nothing is beyond price. */
export function perCost(groups: Groups, importances: Importances, model: CostModel, per: Per): Importances {
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

/** Prices as they are, or the share of units with a lower one among those that a unit is compared with. */
export function withinScope(groups: Groups, prices: Importances, scope: Scope): Importances {
  if (scope === "global") return prices;
  const classes = new Map<string, Group[]>();
  for (const group of groups.groups) {
    if (!prices.has(group.name)) continue;
    const key = scope === "local" ? group.name : kindOf(groups.coupling.traced, group);
    const own = classes.get(key);
    if (own) own.push(group);
    else classes.set(key, [group]);
  }
  const ranks = new Map<string, Float64Array>();
  for (const members of classes.values()) {
    const all = members.flatMap(({ name, units }) =>
      units.map((_, unit) => ({ name, unit, price: prices.get(name)![unit]! })),
    );
    for (const { name, units } of members) ranks.set(name, new Float64Array(units.length));
    all
      .sort((a, b) => a.price - b.price)
      .forEach(({ name, unit }, rank) => {
        ranks.get(name)![unit] = rank / all.length;
      });
  }
  return ranks;
}

/** How a group is built: the operators that touch its units, and where. */
function kindOf(traced: Traced, { places }: Group): string {
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
