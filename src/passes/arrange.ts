/**
 * Puts the nodes of a graph into an order in the file from which onnxruntime runs them
 * with less in memory at the same time.
 */

import type { Graph } from "../graph/graph.ts";
import { leavesOf, sourcesOf, walkBack } from "./timeline.ts";

/**
 * The graph in another order. What nobody reads, as an update of weights, is computed as soon as what it shares with
 * others is there, as the gradient that comes back through the net. What a node reads beside something that takes long
 * is made when that is there. Results are the same.
 */
export function arrange(graph: Graph): Graph {
  const sources = sourcesOf(graph);
  const leaves = leavesOf(sources);
  const order = walkBack(leaves, sources);
  const depth = depthsOf(order, sources);
  const due = dueOf(order, leaves, sources, depth);
  // The runtime begins with what stands last.
  const late = leaves.toSorted((a, b) => due.get(a)! - due.get(b)! || a - b);
  const long = sources.map((some) => some.toSorted((a, b) => depth[b]! - depth[a]! || b - a));
  return { ...graph, nodes: walkBack(late, long).map((at) => graph.nodes[at]!) };
}

/** How many nodes run one after the other until a node is done. */
function depthsOf(order: readonly number[], sources: readonly (readonly number[])[]): Int32Array {
  const depth = new Int32Array(sources.length);
  for (const at of order) for (const source of sources[at]!) depth[at] = Math.max(depth[at]!, depth[source]! + 1);
  return depth;
}

/** For each leaf the depth of the last that it needs and others need too. */
function dueOf(
  order: readonly number[],
  leaves: readonly number[],
  sources: readonly (readonly number[])[],
  depth: Int32Array,
): Map<number, number> {
  const [none, several] = [-1, -2];
  /** The one leaf that needs a node. */
  const needing = new Int32Array(sources.length).fill(none);
  for (const leaf of leaves) needing[leaf] = leaf;
  for (const at of order.toReversed())
    for (const source of sources[at]!)
      needing[source] = needing[source] === none || needing[source] === needing[at] ? needing[at]! : several;
  const due = new Map(leaves.map((leaf) => [leaf, 0]));
  sources.forEach((some, at) => {
    const leaf = needing[at]!;
    if (leaf === several) return;
    for (const source of some) if (needing[source] === several) due.set(leaf, Math.max(due.get(leaf)!, depth[source]!));
  });
  return due;
}
