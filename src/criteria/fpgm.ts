/** fpgm: how far the weights of a unit are from those of the others. */

import type { WeightCriterion } from "./criterion.ts";
import { filtersOf } from "./filters.ts";

/**
 * I_m = Σ_k ‖w_m - w_k‖ over the units k of the group (He et al. 2019, "Filter Pruning via Geometric Median", eq. 6): a
 * unit near the geometric median of its group is one that the others can stand in for.
 */
export const fpgm: WeightCriterion = {
  name: "fpgm",
  summary: "summed distance of the unit's weights from those of the other units of its group",
  kind: "weights",
  score(analysis, weights) {
    const filters = filtersOf(analysis, weights, "fpgm");
    return new Map(analysis.groups.map((group) => [group.name, summedDistances(filters(group))]));
  },
};

function summedDistances(rows: readonly Float32Array[]): Float64Array {
  const sums = new Float64Array(rows.length);
  rows.forEach((row, m) => {
    for (let k = m + 1; k < rows.length; k++) {
      const distance = Math.sqrt(squaredDistance(row, rows[k]!));
      sums[m]! += distance;
      sums[k]! += distance;
    }
  });
  return sums;
}

function squaredDistance(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return sum;
}
