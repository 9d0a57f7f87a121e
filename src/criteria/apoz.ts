/** apoz: how often a unit is active. */

import type { DataCriterion } from "./criterion.ts";

/**
 * I_m = 1 - APoZ, the share of activations that are not zero (Hu et al. 2016, "Network Trimming", eq. 1: the average
 * percentage of zeros). It tells units apart only behind an activation that gives exact zeros, such as Relu.
 */
export const apoz: DataCriterion<"activations"> = {
  name: "apoz",
  summary: "share of the unit's activations that are not zero",
  kind: "data",
  needs: ["activations"],
  sample: ({ activations }) => Float64Array.from(activations.nonzero),
};
