/** taylor-2016: the first-order expansion of the ICLR 2017 paper, without a square, normalised layer by layer. */

import { meanOver, type DataCriterion } from "./criterion.ts";

/**
 * I_m = mean over samples of |mean over space of a · ∂E_n/∂a|, divided by the L2 norm of its layer (Molchanov et al.
 * 2017, "Pruning Convolutional Neural Networks for Resource Efficient Inference", eq. 7 and section 2.3). The mean over
 * space is the gate's gradient divided by a number that all units of a layer share, which the norm takes out again.
 */
export const taylor2016: DataCriterion<"gates"> = {
  name: "taylor-2016",
  summary: "mean absolute gradient at the gate, normalised within each group (ICLR 2017)",
  kind: "data",
  needs: ["gates"],
  sample: (evidence) => meanOver(evidence, Math.abs),
  finish(average) {
    const norm = Math.hypot(...average);
    return norm === 0 ? average : average.map((value) => value / norm);
  },
};
