/** taylor-fo-fg: the first-order Taylor expansion at a gate, squared for every sample. */

import type { GateCriterion } from "./criterion.ts";

/**
 * I_m = mean over samples of (∂E_n/∂z_m)² ("full gradient" in Molchanov et al. 2019, table 2): the empirical Fisher information
 * of the gate. It does not depend on the batch size.
 */
export const taylorFoFg: GateCriterion = {
  name: "taylor-fo-fg",
  summary: "squared gradient of each sample's loss at the gate (empirical Fisher information)",
  kind: "gates",
  sample(gradients, samples, units) {
    const sum = new Float64Array(units);
    for (let n = 0; n < samples; n++) for (let m = 0; m < units; m++) sum[m]! += gradients[n * units + m]! ** 2;
    return sum.map((value) => value / samples);
  },
};
