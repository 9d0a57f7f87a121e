/** Which positions of the model at the start are left in values that are compared with it. */

import { producersOf, type AxisPositions, type Graph, type Positions } from "../../graph/graph.ts";
import type { Traced } from "../../passes/trace.ts";
import type { Removed } from "./whole-group.ts";

/** The graph with an account of these values, of which nothing has been cut yet. */
export const withPositions = (graph: Graph, values: Iterable<string>): Graph => ({
  ...graph,
  positions: new Map(Array.from(values, (name) => [name, new Map()])),
});

/**
 * What is left after a cut. A value that no node computes any more is left out: it went with a whole group.
 *
 * @param removed what goes, in the numbering of before the cut
 * @param smaller the graph after it
 */
export function positionsAfter(
  positions: Positions,
  { types }: Traced,
  removed: Removed,
  byName: (name: string, axis: number) => readonly number[],
  smaller: Graph,
): Positions {
  const computed = producersOf(smaller);
  return new Map(
    [...positions].flatMap(([name, before]) => {
      if (!computed.has(name)) return [];
      const axes = new Map(before);
      for (const axis of removed.get(name)?.keys() ?? []) {
        const known: AxisPositions | undefined = before.get(axis);
        const left = byName(name, axis);
        axes.set(
          axis,
          known
            ? { of: known.of, left: left.map((index) => known.left[index]!) }
            : { of: types.get(name)!.shape[axis]!, left },
        );
      }
      return [[name, axes] as const];
    }),
  );
}
