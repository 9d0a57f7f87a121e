/** activation-mean: how large the activations of a unit are. */

import type { DataCriterion } from "./criterion.ts";

/**
 * I_m = mean of |a| over samples, space and the places where the unit is read (the criterion "mean activation" in
 * Molchanov et al. 2017, section 2.2, of the absolute value, since not all activations are positive).
 */
export const activationMean: DataCriterion<"activations"> = {
  name: "activation-mean",
  summary: "mean absolute activation of the unit where it is read",
  kind: "data",
  needs: ["activations"],
  sample: ({ activations }) => Float64Array.from(activations.magnitudes),
};
