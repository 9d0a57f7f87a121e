/** taylor-fo-weight: the first-order expansion for each weight by itself, squared and then summed. */

import type { DataCriterion } from "./criterion.ts";

/**
 * I_m = Σ_s (g_s w_s)² over the parameters s that produce unit m: the sum of individual contributions (Molchanov et al.
 * 2019, section 3.2, eq. 9), g the gradient of the mean loss of a minibatch.
 */
export const taylorFoWeight: DataCriterion<"weights"> = {
  name: "taylor-fo-weight",
  summary: "squared product of each weight and its gradient, summed over the unit",
  kind: "data",
  needs: ["weights"],
  sample: ({ weights }) => Float64Array.from(weights.squares),
};
