/** Removes what no output depends on. */

import { captures, type Graph, type Node } from "../graph/graph.ts";

/** The graph without nodes, initializers and declarations that no output needs. Inputs stay. */
export function removeDead(graph: Graph): Graph {
  const live = new Set(graph.outputs.map((v) => v.name));
  const kept: Node[] = [];
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const node = graph.nodes[i]!;
    if (!node.outputs.some((name) => live.has(name))) continue;
    kept.push(node);
    for (const name of node.inputs) live.add(name);
    for (const name of captures(node)) live.add(name);
  }
  const keepLive = <T>(map: ReadonlyMap<string, T>): Map<string, T> =>
    new Map([...map].filter(([name]) => live.has(name)));
  return {
    ...graph,
    nodes: kept.reverse(),
    initializers: keepLive(graph.initializers),
    info: keepLive(graph.info),
  };
}
