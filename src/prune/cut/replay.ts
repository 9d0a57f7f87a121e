/** Removals that were made once, made again. */

import type { Graph } from "../../graph/graph.ts";
import { widen } from "../../passes/widen.ts";
import { cut, type Cut } from "./cut.ts";
import { analyse } from "../coupling/analysis.ts";
import type { Removal } from "../coupling/removal.ts";

/** Removes the units of all removals, one after the other, each in the numbering of before it. */
export function replay(graph: Graph, removals: readonly Removal[]): Pick<Cut, "graph" | "shrink"> {
  const steps: Cut[] = [];
  let smaller = widen(graph);
  for (const removal of removals) {
    const step = cut(smaller, analyse(smaller), removal);
    steps.push(step);
    smaller = step.graph;
  }
  return { graph: smaller, shrink: (name, whole) => steps.reduce((rest, step) => step.shrink(name, rest), whole) };
}
