/** Whether an output without a Softmax holds a score for each class, as classifiers have it that end in logits. */

import { producersOf, type Graph, type Node } from "../graph/graph.ts";

/** What may stand behind the last layer of a classifier. */
const passing: ReadonlySet<string> = new Set([
  "Identity",
  "Flatten",
  "Reshape",
  "Squeeze",
  "GlobalAveragePool",
  "AveragePool",
  "ReduceMean",
  "Dropout",
  "Add",
  "Cast",
]);
/** What the last layer of a classifier may be, with an activation behind a convolution. */
const last: ReadonlySet<string> = new Set(["Gemm", "MatMul", "Conv", "Relu", "DequantizeLinear"]);

/**
 * A stated pattern: an output [N, C] or [N, C, 1, 1] that is a linear layer, or a convolution and the mean over its
 * places. What ends in a normalisation, as embeddings do, is none.
 */
export function endsInClasses(graph: Graph, output: string): boolean {
  const shape = graph.outputs.find(({ name }) => name === output)?.shape;
  const isFlat = shape === undefined || (shape.length >= 2 && shape.slice(2).every((dim) => dim === 1));
  const producers = producersOf(graph);
  let node: Node | undefined = producers.get(output);
  while (node && node.domain === "" && passing.has(node.op)) node = next(producers, node);
  return isFlat && node !== undefined && last.has(node.op);
}

/** Of a sum with constants the part that is computed. */
const next = (producers: ReadonlyMap<string, Node>, { inputs }: Node): Node | undefined =>
  inputs.map((name) => producers.get(name)).find((one) => one !== undefined);
