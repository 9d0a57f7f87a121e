/** magnitude: how large the weights are that produce a unit. */

import { fail } from "../graph/error.ts";
import { isFloat, toNumbers, type Tensor } from "../graph/tensor.ts";
import { widenTensor } from "../passes/widen.ts";
import { producingWeights } from "../prune/producers.ts";
import type { WeightCriterion } from "./criterion.ts";

/**
 * I_m = Σ w² over the weights that produce unit m (the "weight magnitude" of Molchanov et al. 2019, section 4; Li et al. 2017
 * with L2): filters and rows of matrices, not biases and normalisations unless the unit has nothing else.
 */
export const magnitude: WeightCriterion = {
  name: "magnitude",
  summary: "sum of the squared weights that produce the unit",
  kind: "weights",
  score(groups, weights) {
    return new Map(
      groups.groups.map((group) => {
        const producing = producingWeights(groups, group);
        const all = producing.filter(({ value }) => isFloat(weights.get(value)?.dtype ?? "string"));
        const filters = all.filter(({ value }) => weights.get(value)!.shape.length > 1);
        const integers = producing.find(({ value }) => /^u?int/.test(weights.get(value)?.dtype ?? ""));
        if (filters.length === 0 && integers)
          fail(
            "unsupported",
            `magnitude compares weights that are numbers, but "${integers.value}" of group "${group.name}" is quantised; use taylor-fo`,
          );
        const used = filters.length > 0 ? filters : all;
        const squares = new Map(used.map((place) => [place, squaresAlong(weights.get(place.value)!, place.axis)]));
        const scores = Float64Array.from(group.units, ({ atoms }) => {
          let sum = 0;
          for (const place of used) {
            const own = squares.get(place)!;
            const first = groups.coupling.first(place.value, place.axis);
            for (const atom of atoms) if (atom >= first && atom < first + own.length) sum += own[atom - first]!;
          }
          return sum;
        });
        return [group.name, scores];
      }),
    );
  },
};

/** Σ w² for each index of an axis. */
function squaresAlong(weight: Tensor, axis: number): Float64Array {
  const { shape } = weight;
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const sums = new Float64Array(shape[axis]!);
  toNumbers(widenTensor(weight)).forEach((w, i) => (sums[Math.floor(i / inner) % shape[axis]!]! += w * w));
  return sums;
}
