/** taylor-fo-fg: the first-order Taylor expansion at a gate, squared for every sample. */

import { meanOver, type DataCriterion } from "./criterion.ts";

/**
 * I_m = mean over samples of (∂E_n/∂z_m)² ("full gradient" in Molchanov et al. 2019, table 2): the empirical Fisher
 * information of the gate. It does not depend on the batch size.
 */
export const taylorFoFg: DataCriterion<"gates"> = {
  name: "taylor-fo-fg",
  summary: "squared gradient of each sample's loss at the gate (empirical Fisher information)",
  kind: "data",
  needs: ["gates"],
  sample: (evidence) => meanOver(evidence, (gradient) => gradient ** 2),
};
