/** bn-scale: the scale that BatchNormalization gives a unit. */

import { fail } from "../graph/error.ts";
import { widenTensor } from "../passes/widen.ts";
import { scalesOf } from "../prune/coupling/scales.ts";
import type { WeightCriterion } from "./criterion.ts";

/**
 * I_m = |γ_m|, averaged over the BatchNormalizations of unit m (Liu et al. 2017, "Network Slimming", section 3; the "BN
 * scale" of Molchanov et al. 2019, section 4.2). Groups without BatchNormalization get no importance and stay whole.
 */
export const bnScale: WeightCriterion = {
  name: "bn-scale",
  summary: "absolute scale of BatchNormalization",
  kind: "weights",
  score(analysis, weights) {
    const scales = scalesOf(analysis);
    const scores = new Map<string, Float64Array>();
    for (const group of analysis.groups) {
      const own = new Map(
        scales(group).map(({ scale }) => [scale.value, widenTensor(weights.get(scale.value)!).data as Float32Array]),
      );
      if (own.size === 0) continue;
      const mean = group.units.map(({ atoms }) => {
        let [sum, count] = [0, 0];
        for (const atom of atoms) {
          const { value, index } = analysis.coupling.locate(atom);
          const scale = own.get(value)?.[index];
          if (scale === undefined) continue;
          sum += Math.abs(scale);
          count++;
        }
        return sum / count;
      });
      scores.set(group.name, Float64Array.from(mean));
    }
    if (scores.size === 0)
      fail(
        "unsupported",
        "bn-scale needs BatchNormalization, and no unit of the model passes through one: it has none, or all " +
          "are folded",
      );
    return scores;
  },
};
