/** The table of criteria, as documentation and the command line show it. */

import type { Criterion, Need } from "../criteria/criterion.ts";
import { criteria } from "../criteria/table.ts";

const costs: Readonly<Record<Need, string>> = {
  gates: "a backward pass",
  weights: "a backward pass",
  scales: "a backward pass",
  activations: "a forward pass",
  row: "a Hessian-vector product",
  diagonal: "many Hessian-vector products",
  losses: "an evaluation of each unit",
  subsets: "an evaluation of each subset",
};

/** What a minibatch is put through for a criterion. */
export function costOf(criterion: Criterion): string {
  if (criterion.kind === "weights") return "no data";
  return [...new Set(criterion.needs.map((need) => costs[need]))].join(", ");
}

/** Rows of name, summary and cost. */
export const criteriaRows = (): string[][] =>
  [...criteria.values()].map((criterion) => [criterion.name, costOf(criterion), criterion.summary]);
