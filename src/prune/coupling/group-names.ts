/** The names of groups: those of weights, as the program had them. */

import type { Graph, Node } from "../../graph/graph.ts";
import { isMadeUp, moduleOf } from "../../onnx/modules.ts";

/**
 * Tells for a weight, and the node that computes on data with it, what the program called it. An exporter that folds or
 * transposes a weight counts its name up (`val_155`, `onnx::MatMul_2151`): then the bias beside it, or the module that
 * the node says it is of, tells the name. What is no better known keeps the name that it has.
 */
export function namerOf(
  graph: Graph,
  readers: ReadonlyMap<string, readonly Node[]>,
): (weight: string, node: Node) => string {
  /** A bias that bears a name, where the node takes it, or where all that comes of the node is added to it. */
  const biasOf = (node: Node): string | undefined => {
    const after = readers.get(node.outputs[0] ?? "") ?? [];
    const beside = after.length === 1 ? after[0]!.inputs.filter((name) => graph.initializers.has(name)) : [];
    const given = [...node.inputs, ...(beside.length === 1 ? beside : [])];
    return given.find((name) => graph.initializers.has(name) && /(^|[._])bias$/.test(name) && !isMadeUp(name));
  };
  return (weight, node) => {
    const module = moduleOf(node);
    // The newer exporter calls what it computes by the function that does it; what a
    // module has bears the module's name.
    const counted = isMadeUp(weight) || (node.metadata !== undefined && module !== undefined && !weight.includes("."));
    if (!counted) return weight;
    const named = biasOf(node)?.replace(/bias$/, "weight") ?? (module === undefined ? weight : `${module}.weight`);
    return graph.initializers.has(named) ? weight : named;
  };
}
