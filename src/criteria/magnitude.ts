/** magnitude: how large the weights are that produce a unit. */

import type { WeightCriterion } from "./criterion.ts";
import { filtersOf } from "./filters.ts";

function createMagnitude(name: string, summary: string, size: (weight: number) => number): WeightCriterion {
  return {
    name,
    summary,
    kind: "weights",
    score(analysis, weights) {
      const filters = filtersOf(analysis, weights, name);
      const total = (filter: Float32Array): number => {
        let sum = 0;
        for (const weight of filter) sum += size(weight);
        return sum;
      };
      return new Map(analysis.groups.map((group) => [group.name, Float64Array.from(filters(group), total)]));
    },
  };
}

/**
 * I_m = Σ w² over the weights that produce unit m (the "weight magnitude" of Molchanov et al. 2019, section 4): filters
 * and rows of matrices, not biases and normalisations unless the unit has nothing else.
 */
export const magnitude: WeightCriterion = createMagnitude(
  "magnitude",
  "sum of the squared weights that produce the unit",
  (weight) => weight * weight,
);

/** I_m = Σ |w| over the same weights (Li et al. 2017, "Pruning Filters for Efficient ConvNets", section 3.1). */
export const magnitudeL1: WeightCriterion = createMagnitude(
  "magnitude-l1",
  "sum of the absolute weights that produce the unit",
  Math.abs,
);
