/** What is known of a graph at one batch and sizes: each part is found when it is first asked for, and once. */

import { producersOf, readersOf, type Graph, type Node } from "../../graph/graph.ts";
import { lazily, once } from "../../graph/lazy.ts";
import { costsOf, type Costs } from "../../passes/costs.ts";
import { trace, type Traced, type TraceOptions } from "../../passes/trace.ts";
import { activations } from "./couple.ts";
import { findGroups, type Groups } from "./groups.ts";
import { linksOf, type Links } from "./links.ts";

/** A graph with all that follows from it. The first look at a part may throw what finding it throws. */
export interface Analysis extends Groups {
  readonly graph: Graph;
  /** The graph with every size fixed. */
  readonly traced: Traced;
  /** Values that depend on an input of the model, as opposed to weights and what is computed from them alone. */
  readonly activations: ReadonlySet<string>;
  /** For every value that a node computes, that node. */
  readonly producers: ReadonlyMap<string, Node>;
  /** For every value, the nodes that read it. */
  readonly readers: ReadonlyMap<string, readonly Node[]>;
  /** For every node, which axes it passes on. */
  readonly links: Links;
  readonly costs: Costs;
  /** The number of units of all groups. */
  readonly units: number;
}

/**
 * Looks at a graph.
 *
 * @param setting the batch and sizes that it is looked at with; default a batch of 1, and the sizes that {@link normalise} has chosen
 */
export function analyse(graph: Graph, setting: TraceOptions = {}): Analysis {
  const found = once(() => findGroups(analysis.traced));
  const analysis: Analysis = lazily<Analysis>({
    graph: () => graph,
    traced: () => trace(graph, setting),
    activations: () => activations(analysis.traced),
    producers: () => producersOf(graph),
    readers: () => readersOf(graph),
    links: () => linksOf(analysis.traced),
    coupling: () => found().coupling,
    groups: () => found().groups,
    frozen: () => found().frozen,
    costs: () => costsOf(analysis.traced),
    units: () => analysis.groups.reduce((sum, { units }) => sum + units.length, 0),
  });
  return analysis;
}
