/** magnitude: how large the weights are that produce a unit. */

import { fail } from "../graph/error.ts";
import { isFloat, sizeOf, type Tensor } from "../graph/tensor.ts";
import { widenTensor } from "../passes/widen.ts";
import { keyOf } from "../prune/places.ts";
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
    const producers = producingWeights(groups);
    return new Map(
      groups.groups.map((group) => {
        const producing = producers(group);
        const all = producing.filter(({ value }) => isFloat(weights.get(value)?.dtype ?? "string"));
        const filters = all.filter(({ value }) => weights.get(value)!.shape.length > 1);
        const integers = producing.find(({ value }) => /^u?int/.test(weights.get(value)?.dtype ?? ""));
        if (filters.length === 0 && integers)
          fail(
            "unsupported",
            `magnitude compares weights that are numbers, but "${integers.value}" of group "${group.name}" is quantised; use taylor-fo`,
          );
        const used = filters.length > 0 ? filters : all;
        const squares = new Map(
          used.map((place) => [keyOf(place), squaresAlong(weights.get(place.value)!, place.axis)]),
        );
        const scores = Float64Array.from(group.units, ({ atoms }) => {
          let sum = 0;
          for (const atom of atoms) {
            const place = groups.coupling.locate(atom);
            sum += squares.get(keyOf(place))?.[place.index] ?? 0;
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
  const { shape, data } = widenTensor(weight);
  const inner = sizeOf(shape.slice(axis + 1));
  const sums = new Float64Array(shape[axis]!);
  const numbers = data as Float32Array;
  let at = 0;
  while (at < numbers.length)
    for (let i = 0; i < sums.length; i++) {
      let sum = 0;
      for (const end = at + inner; at < end; at++) sum += numbers[at]! * numbers[at]!;
      sums[i]! += sum;
    }
  return sums;
}
