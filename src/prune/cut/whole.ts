/** Removals tried on shapes alone: which groups can go as a whole, and what is left. */

import { SecateurError } from "../../graph/error.ts";
import { lazyTensor, type NumericDType, type Tensor, type TypedArray } from "../../graph/tensor.ts";
import { cut } from "./cut.ts";
import type { Analysis } from "../coupling/analysis.ts";
import type { Removal } from "../coupling/removal.ts";

/**
 * The groups that are left without units among which are all of some group, or why
 * these cannot go. No weight is copied.
 */
export function groupsWithout(analysis: Analysis, removal: Removal): Analysis | string {
  const { graph } = analysis;
  const initializers = new Map([...graph.initializers].map(([name, value]) => [name, onDemand(value)]));
  try {
    const { matched } = cut({ ...graph, initializers }, analysis, removal);
    if (matched === undefined) return analysis;
    const [torn] = matched.regrouped;
    return torn === undefined ? matched.groups : `the units of "${torn}" would not go together as they do now`;
  } catch (error) {
    if (!(error instanceof SecateurError) || error.code !== "bad-plan") throw error;
    return error.cause instanceof SecateurError ? error.cause.message : error.message;
  }
}

/** Why groups cannot go as a whole, all of them at once; `undefined` where they can. */
export function whyNotWhole(analysis: Analysis, names: Iterable<string>): string | undefined {
  const wanted = new Set(names);
  const wholes = analysis.groups.filter(({ name }) => wanted.has(name));
  const removal = new Map(wholes.map(({ name, units }) => [name, units.map((_, unit) => unit)]));
  const left = groupsWithout(analysis, removal);
  return typeof left === "string" ? left : undefined;
}

const onDemand = (value: Tensor): Tensor =>
  value.dtype === "string"
    ? value
    : lazyTensor(value.dtype as NumericDType, value.shape, () => value.data as TypedArray);
