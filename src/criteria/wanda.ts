/** wanda: how much a unit gives to those that read it. */

import type { DataCriterion } from "./criterion.ts";

/**
 * I_m = Σ (w · ‖a_m‖)² over the weights w that read unit m, with ‖a_m‖² the mean of its squared activations:
 * Wanda's |w| · ‖a‖ (Sun et al. 2024, "A Simple and Effective Pruning Approach for Large Language Models", eq. 1)
 * squared and summed over a structure.
 */
export const wanda: DataCriterion<"activations"> = {
  name: "wanda",
  summary: "squared weights that read the unit times its mean squared activation (wanda-like)",
  kind: "data",
  needs: ["activations"],
  sample: ({ activations }) => Float64Array.from(activations.reads),
};
