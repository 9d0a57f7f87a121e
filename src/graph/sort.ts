/** Nodes in an order in which every value is produced before it is read. */

import { fail } from "./error.ts";
import { bodies, describe, producersOf, reads, type Attribute, type Graph, type Node } from "./graph.ts";

/** The node with every body of its attributes replaced; the node itself where it has none. */
export function mapBodies(node: Node, change: (body: Graph) => Graph): Node {
  if (bodies(node).length === 0) return node;
  const entries = Object.entries(node.attributes).map(([name, attribute]): [string, Attribute] => {
    if (attribute.type === "graph") return [name, { type: "graph", value: change(attribute.value) }];
    if (attribute.type === "graphs") return [name, { type: "graphs", value: attribute.value.map(change) }];
    return [name, attribute];
  });
  return { ...node, attributes: Object.fromEntries(entries) };
}

/**
 * The graph with its nodes, and those of bodies, in topological order; nodes keep their place where they can.
 *
 * @throws SecateurError `bad-model` naming a node that reads what it produces, by whatever way round.
 */
export function sortNodes(graph: Graph): Graph {
  const nodes = graph.nodes.map((node) => mapBodies(node, sortNodes));
  const producers = producersOf({ ...graph, nodes });
  const state = new Map<Node, "open" | "done">();
  const sorted: Node[] = [];
  const stack: { readonly node: Node; readonly needs: readonly string[]; next: number }[] = [];
  const enter = (node: Node): void => {
    state.set(node, "open");
    stack.push({ node, needs: reads(node), next: 0 });
  };
  for (const root of nodes) {
    if (!state.has(root)) enter(root);
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const name = top.needs[top.next++];
      if (name === undefined) {
        state.set(top.node, "done");
        sorted.push(top.node);
        stack.pop();
        continue;
      }
      const producer = producers.get(name);
      if (!producer) continue;
      const seen = state.get(producer);
      if (seen === "open")
        fail(
          "bad-model",
          `the graph has a cycle: ${describe(top.node)} reads "${name}", which depends on its own output`,
        );
      if (seen === undefined) enter(producer);
    }
  }
  return { ...graph, nodes: sorted };
}
