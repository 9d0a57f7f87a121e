/** random: the baseline that every criterion must beat. */

import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { randomStream } from "../graph/random.ts";
import type { WeightCriterion } from "./criterion.ts";

/** I_m is drawn from [0, 1); the same seed gives the same numbers. */
export const random: WeightCriterion = {
  name: "random",
  summary: "a random number (the baseline)",
  kind: "weights",
  score(analysis, _weights, seed) {
    const generator = randomStream(seed);
    return new Map(
      analysis.groups.map((group) => [group.name, Float64Array.from(group.units, () => uniformFloat64(generator))]),
    );
  },
};
