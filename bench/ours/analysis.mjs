/** How long it takes to find what can be removed from a network, from its file on. */

import { analyse } from "../../dist/graphs-node.js";
import { readNet } from "./net.mjs";

export function open(side) {
  return {
    async step() {
      const graph = await readNet(side);
      const { groups, units } = analyse(graph);
      return { nodes: graph.nodes.length, groups: groups.length, units };
    },
  };
}
