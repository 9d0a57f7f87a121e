/** fisher-cost: the Fisher information of a gate for each multiply-accumulate, or byte, that its unit costs. */

import { meanOver, type DataCriterion } from "./criterion.ts";

function perSaved(name: string, what: "macs" | "bytes", unit: string): DataCriterion<"gates"> {
  return {
    name,
    summary: `taylor-fo-fg divided by the ${unit} that removing the unit saves`,
    kind: "data",
    needs: ["gates"],
    countsCost: true,
    sample: (evidence) => meanOver(evidence, (gradient) => gradient ** 2),
    finish(average, { saving }) {
      return average.map((value, m) => {
        const saved = saving(m)[what];
        return saved > 0 ? value / saved : Number.POSITIVE_INFINITY;
      });
    },
  };
}

/**
 * I_m = (mean over samples of (∂E_n/∂z_m)²) / (multiply-accumulates that the removal of m alone saves): Fisher
 * information normalised by computation (Liu et al. 2021, "Group Fisher Pruning for Practical Network Compression",
 * section 3.3). A unit that saves nothing is beyond price.
 */
export const fisherCost: DataCriterion<"gates"> = perSaved("fisher-cost", "macs", "multiply-accumulates");

/** The same for each byte of weights (the memory of Liu et al. 2021 counted in weights). */
export const fisherCostBytes: DataCriterion<"gates"> = perSaved("fisher-cost-bytes", "bytes", "bytes of weights");
