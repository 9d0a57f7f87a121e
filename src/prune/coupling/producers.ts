/** The weights that produce the units of a group, as opposed to those that read or normalise them. */

import type { Analysis } from "./analysis.ts";
import type { AxisReference } from "./axis-references.ts";
import type { Group } from "./groups.ts";

/** The places of some axes by the value they are of. */
export function byValue(places: readonly AxisReference[]): Map<string, AxisReference[]> {
  const found = new Map<string, AxisReference[]>();
  for (const place of places) {
    const known = found.get(place.value);
    if (known) known.push(place);
    else found.set(place.value, [place]);
  }
  return found;
}

/**
 * For each group the axes of initializers along which its units are produced: the weight's axis is the output's, and no
 * activation that the node reads has the unit yet.
 */
export function producingWeights(analysis: Analysis): (group: Group) => readonly AxisReference[] {
  const { graph, activations, producers, links } = analysis;
  return (group) => {
    const carriers = byValue(group.axes.filter(({ value }) => activations.has(value)));
    const weights = byValue(group.axes.filter(({ value }) => graph.initializers.has(value)));
    const found = new Set<AxisReference>();
    for (const [value, places] of carriers) {
      const node = producers.get(value);
      const link = node && links.get(node);
      if (link === undefined) continue;
      const inputs = [...new Set(node!.inputs)];
      const read = (among: ReadonlyMap<string, readonly AxisReference[]>): AxisReference[] =>
        inputs.flatMap((name) => among.get(name) ?? []);
      for (const to of places) {
        if (read(carriers).some((from) => link.passes(from, to))) continue;
        for (const from of read(weights)) if (link.passes(from, to)) found.add(from);
      }
    }
    // Behind a Reshape or a Transpose of the weight, the group still says which one it is.
    return found.size > 0 ? [...found] : (weights.get(group.weight) ?? []);
  };
}
