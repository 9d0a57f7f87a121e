/** Finds the logits of a classifier that ends in probabilities. */

import type { Graph } from "../graph/graph.ts";
import { producersOf } from "../graph/graph.ts";

/**
 * The value that holds the logits: the output itself, or what stands before a final Softmax. The stated pattern is
 * `Softmax -> (Identity)* -> output`. A LogSoftmax may stay, since it changes nothing that is put through it again.
 */
export function logitsOf(graph: Graph, output: string): string {
  const producers = producersOf(graph);
  let name = output;
  for (;;) {
    const node = producers.get(name);
    if (node?.op === "Softmax" && node.domain === "") return node.inputs[0]!;
    if (node?.op !== "Identity") return output;
    name = node.inputs[0]!;
  }
}
