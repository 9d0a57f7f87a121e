/** taylor-fo: the first-order Taylor expansion at a gate, averaged over the minibatch before it is squared. */

import type { GateCriterion } from "./criterion.ts";

/**
 * I_m = (∂E/∂z_m)², E the mean loss of the minibatch (Molchanov et al. 2019, eq. 8 at a gate); the mean over minibatches is the
 * paper's default. It depends on the batch size: its expectation is μ² + σ²/B.
 */
export const taylorFo: GateCriterion = {
  name: "taylor-fo",
  summary: "squared gradient of the mean loss of a minibatch at the gate (the paper's default)",
  kind: "gates",
  sample(gradients, samples, units) {
    const mean = new Float64Array(units);
    for (let n = 0; n < samples; n++) for (let m = 0; m < units; m++) mean[m]! += gradients[n * units + m]!;
    return mean.map((sum) => (sum / samples) ** 2);
  },
};
