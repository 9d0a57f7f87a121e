/** What an output ends in: the Softmax or Sigmoid that makes probabilities of it, and what stands before. */

import { producersOf, type Graph, type Node } from "../graph/graph.ts";

/** Activations that losses have inside. */
export type Activation = "softmax" | "sigmoid";

export interface Head {
  readonly activation: Activation;
  /** The value before the activation; absent where the output is made of several, or moved, behind it. */
  readonly logits?: string;
  /** The axis of a Softmax. */
  readonly axis?: number;
}

/** Operators that put the values of what they read elsewhere, and change none. */
const moving: ReadonlySet<string> = new Set([
  "Identity",
  "Reshape",
  "Transpose",
  "Concat",
  "Flatten",
  "Squeeze",
  "Unsqueeze",
]);

/**
 * What an output ends in. The stated patterns are `Softmax -> (Identity)* -> output`, and `Sigmoid`, behind which
 * values may be moved and joined. A LogSoftmax may stay, since it changes nothing that is put through it again.
 */
export function headOf(graph: Graph, output: string): Head | undefined {
  const producers = producersOf(graph);
  return direct(producers, output) ?? (endsInSigmoids(producers, output) ? { activation: "sigmoid" } : undefined);
}

function direct(producers: ReadonlyMap<string, Node>, output: string): Head | undefined {
  let name = output;
  for (;;) {
    const node = producers.get(name);
    if (node === undefined || node.domain !== "") return undefined;
    const logits = node.inputs[0]!;
    if (node.op === "Sigmoid") return { activation: "sigmoid", logits };
    if (node.op === "Softmax") {
      const axis = node.attributes["axis"];
      return { activation: "softmax", logits, axis: axis?.type === "int" ? axis.value : -1 };
    }
    if (node.op !== "Identity") return undefined;
    name = logits;
  }
}

/** Whether all that an output is made of are sigmoids. */
function endsInSigmoids(producers: ReadonlyMap<string, Node>, name: string): boolean {
  const node = producers.get(name);
  if (node === undefined || node.domain !== "") return false;
  if (node.op === "Sigmoid") return true;
  if (!moving.has(node.op)) return false;
  const values = node.op === "Concat" ? node.inputs : node.inputs.slice(0, 1);
  return values.every((value) => endsInSigmoids(producers, value));
}
