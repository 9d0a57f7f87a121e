/** taylor-so-diag-plus: taylor-so-diag with the sign that belongs to a gradient at the pruned point. */

import { meanGradient, type DataCriterion } from "./criterion.ts";

/**
 * I_m = (g_m + ½ H_mm)². It would be the expansion around z_m = 0; with the gradient at the present weights the sign is
 * minus (taylor-so-diag). This form is here to be measured beside it.
 */
export const taylorSoDiagPlus: DataCriterion<"gates" | "diagonal"> = {
  name: "taylor-so-diag-plus",
  summary: "taylor-so-diag with a plus, for comparison",
  kind: "data",
  needs: ["gates", "diagonal"],
  means: true,
  sample: (evidence) => meanGradient(evidence).map((gradient, m) => gradient + evidence.diagonal[m]! / 2),
  finish: (average) => average.map((change) => change ** 2),
};
