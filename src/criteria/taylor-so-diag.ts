/** taylor-so-diag: the second-order Taylor expansion of the removal of one unit alone. */

import { meanGradient, type DataCriterion } from "./criterion.ts";

/**
 * I_m = (g_m - ½ H_mm)²: (E - E(z_m = 0))² up to second order, exact where E is a quadratic function of the gates. It
 * is what is left of Molchanov et al. 2019, eq. 7, where only the diagonal of the Hessian is kept. E is the mean over
 * all minibatches: the square is taken at the end, so that estimates of curvature may be noisy in each.
 */
export const taylorSoDiag: DataCriterion<"gates" | "diagonal"> = {
  name: "taylor-so-diag",
  summary: "squared second-order expansion of removing one unit alone",
  kind: "data",
  needs: ["gates", "diagonal"],
  means: true,
  sample: (evidence) => meanGradient(evidence).map((gradient, m) => gradient - evidence.diagonal[m]! / 2),
  finish: (average) => average.map((change) => change ** 2),
};
