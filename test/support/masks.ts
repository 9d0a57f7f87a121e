/** Masked graphs of which only some masks count. */

import type { Graph } from "../../src/graph/graph.ts";

/** The masked graph without the masks of values that bear no gate. */
export function onlyAtGates(masked: Graph, gated: ReadonlySet<string>): Graph {
  const nodes = masked.nodes.map((node) => {
    const isMask =
      node.op === "Where" && node.inputs[0]!.includes("_mask") && !/_silent(_\d+)?$/.test(node.outputs[0]!);
    const own = node.outputs[0]!.replace(/_masked(_\d+)?$/, "");
    return isMask && !gated.has(own) ? { ...node, op: "Identity", inputs: [node.inputs[1]!] } : node;
  });
  return { ...masked, nodes };
}
