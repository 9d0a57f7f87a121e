/** taylor-fo-weight-group: the first-order expansion for all weights of a unit at once, summed and then squared. */

import type { DataCriterion } from "./criterion.ts";

/**
 * I_m = (Σ_s g_s w_s)² over the parameters s that produce unit m: the group contribution (Molchanov et al. 2019,
 * section 3.2, eq. 8), which a gate directly behind them has too. Weights in front of a BatchNormalization in training
 * mode have none: their scale does not matter.
 */
export const taylorFoWeightGroup: DataCriterion<"weights"> = {
  name: "taylor-fo-weight-group",
  summary: "square of the summed products of weights and gradients of the unit",
  kind: "data",
  needs: ["weights"],
  sample: ({ weights }) => Float64Array.from(weights.sums, (sum) => sum ** 2),
};
