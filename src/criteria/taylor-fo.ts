/** taylor-fo: the first-order Taylor expansion at a gate, averaged over the minibatch before it is squared. */

import { meanGradient, type DataCriterion } from "./criterion.ts";

/**
 * I_m = (∂E/∂z_m)², E the mean loss of the minibatch (Molchanov et al. 2019, eq. 8 at a gate); the mean over
 * minibatches is the paper's default. It depends on the batch size: its expectation is μ² + σ²/B.
 */
export const taylorFo: DataCriterion<"gates"> = {
  name: "taylor-fo",
  summary: "squared gradient of the mean loss of a minibatch at the gate (the paper's default)",
  kind: "data",
  needs: ["gates"],
  means: true,
  sample: (evidence) => meanGradient(evidence).map((gradient) => gradient ** 2),
};
