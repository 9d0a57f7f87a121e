/** oracle-combinatorial: what removing every subset of the units of a group does to the loss. */

import { fail } from "../graph/error.ts";
import type { DataCriterion } from "./criterion.ts";

/** 2^16 subsets are evaluated in minutes; each unit more doubles that. */
export const mostCombined = 16;

/**
 * The subsets of each size that hurt least: for k = 0, 1, ... the bit mask of k units
 * whose removal changes the loss least.
 */
export function bestSubsets(subsets: Float64Array, units: number): number[] {
  if (subsets.length !== 2 ** units)
    fail("internal", `${units} units have ${2 ** units} subsets, not ${subsets.length}`);
  const best = Array.from({ length: units + 1 }, () => -1);
  subsets.forEach((change, mask) => {
    const size = countBits(mask);
    const known = best[size]!;
    if (known < 0 || change ** 2 < subsets[known]! ** 2) best[size] = mask;
  });
  return best;
}

function countBits(mask: number): number {
  let count = 0;
  for (let rest = mask; rest > 0; rest &= rest - 1) count++;
  return count;
}

/**
 * I_m = the share of sizes k = 1 … M - 1 for which the best subset of k units to remove spares unit m. The best is the
 * one of least (E - E(z_S = 0))² (the combinatorial oracle of Molchanov et al. 2019, section 4.1). Where the best
 * subsets are nested it is their order. Groups of more than 16 units have too many subsets and get no importance.
 */
export const oracleCombinatorial: DataCriterion<"subsets"> = {
  name: "oracle-combinatorial",
  summary: `how long the best of all subsets spare the unit (groups of up to ${mostCombined} units)`,
  kind: "data",
  needs: ["subsets"],
  sample: ({ subsets }) => subsets,
  finish(average) {
    const units = Math.log2(average.length);
    const best = bestSubsets(average, units).slice(1, -1);
    return Float64Array.from({ length: units }, (_, m) =>
      best.length === 0 ? 1 : best.filter((mask) => (mask & (1 << m)) === 0).length / best.length,
    );
  },
};
