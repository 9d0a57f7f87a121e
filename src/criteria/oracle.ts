/** oracle: what removing a unit really does to the loss. */

import type { DataCriterion } from "./criterion.ts";

/**
 * I_m = (E - E(z_m = 0))² (Molchanov et al. 2019, eq. 2), E the mean loss over all minibatches, by
 * evaluation of the whole net for every unit.
 */
export const oracle: DataCriterion<"losses"> = {
  name: "oracle",
  summary: "squared change of the loss when the unit is really removed",
  kind: "data",
  needs: ["losses"],
  sample: ({ losses }) => losses,
  finish: (average) => average.map((difference) => difference ** 2),
};
