/** Where units are read: activations that a node takes a unit from without handing it on, and the weights it takes it by. */

import { readersOf, type Node } from "../../graph/graph.ts";
import type { Traced } from "../../passes/trace.ts";
import { activations } from "./couple.ts";
import type { Group, Groups } from "./groups.ts";
import { linksOf } from "./links.ts";
import type { AxisReference } from "./axis-references.ts";

/** An activation that carries units, and the axes of weights along which its readers take them. */
export interface Reading {
  readonly place: AxisReference;
  readonly weights: readonly AxisReference[];
}

/** For every value, the nodes that read its elements, as opposed to its shape alone. */
export function elementReaders({ graph, constants }: Traced): Map<string, Node[]> {
  const isKnown = ({ outputs }: Node): boolean => outputs.every((name) => name === "" || constants.has(name));
  return new Map([...readersOf(graph)].map(([name, readers]) => [name, readers.filter((node) => !isKnown(node))]));
}

/** For each group the activations from which a node takes its units, so that they end there: convolutions, matrix products. */
export function readings(groups: Groups): (group: Group) => readonly Reading[] {
  const { traced } = groups.coupling;
  const alive = activations(traced);
  const readers = elementReaders(traced);
  const links = linksOf(traced);
  return (group) =>
    group.axes.flatMap((place): Reading[] => {
      if (!alive.has(place.value)) return [];
      const last = (readers.get(place.value) ?? []).flatMap((reader) => {
        const link = links.get(reader);
        const onward = group.axes.some((to) => reader.outputs.includes(to.value) && link?.passes(place, to));
        return link === undefined || onward ? [] : [{ reader, link }];
      });
      if (last.length === 0) return [];
      const weights = last.flatMap(({ reader, link }) =>
        group.axes.filter(
          (one) => reader.inputs.includes(one.value) && !alive.has(one.value) && link.passes(one, place),
        ),
      );
      return [{ place, weights }];
    });
}
