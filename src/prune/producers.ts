/** The weights that produce the units of a group, as opposed to those that read or normalise them. */

import { activations } from "./couple.ts";
import type { Place } from "./places.ts";
import type { Group, Groups } from "./groups.ts";
import { linksOf } from "./links.ts";

/**
 * Axes of initializers along which the units of a group are produced: the weight's axis is the output's, and no activation that
 * the node reads has the unit yet.
 */
export function producingWeights(groups: Groups, group: Group): readonly Place[] {
  const { traced } = groups.coupling;
  const alive = activations(traced);
  const carriers = group.places.filter(({ value }) => alive.has(value));
  const weights = group.places.filter(({ value }) => traced.graph.initializers.has(value));
  const found = new Set<Place>();
  for (const [node, { passes }] of linksOf(traced)) {
    for (const to of carriers.filter(({ value }) => node.outputs.includes(value))) {
      if (carriers.some((from) => node.inputs.includes(from.value) && passes(from, to))) continue;
      for (const from of weights) if (node.inputs.includes(from.value) && passes(from, to)) found.add(from);
    }
  }
  // Behind a Reshape or a Transpose of the weight, its name still says which one it is.
  return found.size > 0
    ? [...found]
    : weights.filter(({ value }) => group.name === value || group.name.startsWith(`${value}#`));
}
