/** Removals that were made once, made again. */

import type { Graph } from "../graph/graph.ts";
import { trace } from "../passes/trace.ts";
import { widen } from "../passes/widen.ts";
import { cut, type Cut } from "./cut.ts";
import { findGroups, type Removal } from "./groups.ts";

/** Removes the units of all removals, one after the other, each in the numbering of before it. */
export function replay(graph: Graph, removals: readonly Removal[]): Cut {
  const steps: Cut[] = [];
  let smaller = widen(graph);
  for (const removal of removals) {
    const step = cut(smaller, findGroups(trace(smaller)), removal);
    steps.push(step);
    smaller = step.graph;
  }
  return oneAfterAnother(steps, smaller);
}

/**
 * Cuts of what the one before left as one cut.
 *
 * @param graph what they leave
 */
export const oneAfterAnother = (cuts: readonly Cut[], graph: Graph): Cut => ({
  graph,
  shrink: (name, whole) => cuts.reduce((rest, cut) => cut.shrink(name, rest), whole),
  grow: (name, small) => cuts.reduceRight((whole, cut) => cut.grow(name, whole), small),
});
