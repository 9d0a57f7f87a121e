/** taylor-so: the second-order Taylor expansion at a gate with the full row of the Hessian. */

import { meanGradient, type DataCriterion } from "./criterion.ts";

/**
 * I_m = (g_m - ½ Σ_k H_mk)² (Molchanov et al. 2019, eq. 7 at gates z = 1): g_m w_m - ½ w_m H_m W with w = z. H·1 is one
 * Hessian-vector product. The expansion of removing m alone is E(z_m = 0) - E = -g_m + ½ H_mm - …, so the row adds half
 * of what m shares with every other unit. E is the mean over all minibatches: the square is taken at the end, so that
 * estimates of curvature may be noisy in each.
 */
export const taylorSo: DataCriterion<"gates" | "row"> = {
  name: "taylor-so",
  summary: "squared second-order expansion at the gate, with the whole row of the Hessian",
  kind: "data",
  needs: ["gates", "row"],
  means: true,
  sample: (evidence) => meanGradient(evidence).map((gradient, m) => gradient - evidence.row[m]! / 2),
  finish: (average) => average.map((change) => change ** 2),
};
