/** obd: optimal brain damage at a gate. */

import type { DataCriterion } from "./criterion.ts";

/**
 * I_m = ½ H_mm z_m², z = 1 (LeCun et al. 1990, "Optimal Brain Damage", eq. 5): the second order alone, as if the
 * gradient were 0. It may be negative: such units go first (Molchanov et al. 2019, section 4.2, "OBD").
 */
export const obd: DataCriterion<"diagonal"> = {
  name: "obd",
  summary: "half the curvature at the gate (signed)",
  kind: "data",
  needs: ["diagonal"],
  sample: ({ diagonal }) => diagonal.map((value) => value / 2),
};
