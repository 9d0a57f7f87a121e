/** bn-taylor: the first-order expansion over the scale and the shift of BatchNormalization. */

import type { DataCriterion } from "./criterion.ts";

/**
 * I_m = (γ ∂E/∂γ + β ∂E/∂β)² (Molchanov et al. 2019, section 4.2): the gate behind BatchNormalization, from gradients
 * of its parameters. Where a unit has several such gates their products are summed.
 */
export const bnTaylor: DataCriterion<"scales"> = {
  name: "bn-taylor",
  summary: "squared first-order expansion over BatchNormalization's scale and shift",
  kind: "data",
  needs: ["scales"],
  sample: ({ scales }) => Float64Array.from(scales, (sum) => sum ** 2),
};
