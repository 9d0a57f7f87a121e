/** taylor-so-plus: taylor-so with the sign that belongs to a gradient at the pruned point. */

import { meanGradient, type DataCriterion } from "./criterion.ts";

/**
 * I_m = (g_m + ½ Σ_k H_mk)². With the gradient at the present weights the sign of the second order is minus
 * (taylor-so); this form is here to be measured beside it.
 */
export const taylorSoPlus: DataCriterion<"gates" | "row"> = {
  name: "taylor-so-plus",
  summary: "taylor-so with a plus, for comparison",
  kind: "data",
  needs: ["gates", "row"],
  means: true,
  sample: (evidence) => meanGradient(evidence).map((gradient, m) => gradient + evidence.row[m]! / 2),
  finish: (average) => average.map((change) => change ** 2),
};
