/** taylor-fo-variance: the variance over samples of the gradient at a gate. */

import { meanGradient, meanOver, type DataCriterion } from "./criterion.ts";

/**
 * I_m = Var_n ∂E_n/∂z_m = (mean of squares) - (square of the mean), within each minibatch of N samples, by N - 1. At
 * convergence, where the mean is 0, it is taylor-fo-fg (Molchanov et al. 2019, section 3.2, on the Fisher information);
 * what it leaves out is the pull of the mean.
 */
export const taylorFoVariance: DataCriterion<"gates"> = {
  name: "taylor-fo-variance",
  summary: "variance over samples of the gradient at the gate",
  kind: "data",
  needs: ["gates"],
  sample(evidence) {
    const { samples } = evidence;
    const mean = meanGradient(evidence);
    return meanOver(evidence, (gradient) => gradient ** 2).map(
      (square, m) => ((square - mean[m]! ** 2) * samples) / Math.max(1, samples - 1),
    );
  },
};
