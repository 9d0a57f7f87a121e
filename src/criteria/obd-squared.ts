/** obd-squared: optimal brain damage at a gate, squared. */

import type { DataCriterion } from "./criterion.ts";

/**
 * I_m = (½ H_mm)²: obd squared, as the other criteria of Molchanov et al. 2019 are (section 4.2).
 */
export const obdSquared: DataCriterion<"diagonal"> = {
  name: "obd-squared",
  summary: "squared half of the curvature at the gate",
  kind: "data",
  needs: ["diagonal"],
  sample: ({ diagonal }) => diagonal.map((value) => value / 2),
  finish: (average) => average.map((change) => change ** 2),
};
