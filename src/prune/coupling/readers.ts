/**
 * Where units are read: activations that a node takes a unit from without handing
 * it on, and the weights it takes it by.
 */

import type { Analysis } from "./analysis.ts";
import type { Group } from "./groups.ts";
import type { AxisReference } from "./axis-references.ts";

/** An activation that carries units, and the axes of weights along which its readers take them. */
export interface Reading {
  readonly place: AxisReference;
  readonly weights: readonly AxisReference[];
}

/**
 * For each group the activations from which a node takes its units, so that they end
 * there: convolutions, matrix products.
 */
export function readings(analysis: Analysis): (group: Group) => readonly Reading[] {
  const { activations, elementReaders, links } = analysis;
  return (group) =>
    group.axes.flatMap((place): Reading[] => {
      if (!activations.has(place.value)) return [];
      const last = (elementReaders.get(place.value) ?? []).flatMap((reader) => {
        const link = links.get(reader);
        const onward = group.axes.some((to) => reader.outputs.includes(to.value) && link?.passes(place, to));
        return link === undefined || onward ? [] : [{ reader, link }];
      });
      if (last.length === 0) return [];
      const weights = last.flatMap(({ reader, link }) =>
        group.axes.filter(
          (one) => reader.inputs.includes(one.value) && !activations.has(one.value) && link.passes(one, place),
        ),
      );
      return [{ place, weights }];
    });
}
