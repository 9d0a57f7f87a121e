/**
 * Logarithms of a Sigmoid or Softmax in the form that does not underflow: exporters write log-probabilities as the
 * logarithm of a probability, which is minus infinity from scores of about -88 on.
 */

import { producersOf, type Graph, type Node } from "../graph/graph.ts";
import { namesOf } from "../graph/names.ts";
import { removeDead } from "./dead.ts";

const isOf = (node: Node, op: string): boolean => node.op === op && node.domain === "";

/** log σ(x) as -softplus(-x), and log softmax(x) by the operator for it. */
export function stableLogs(graph: Graph): Graph {
  const producers = producersOf(graph);
  const taken = namesOf(graph);
  const nodes = graph.nodes.flatMap((node): Node[] => {
    const inner = isOf(node, "Log") ? producers.get(node.inputs[0]!) : undefined;
    if (inner && isOf(inner, "Softmax"))
      return [{ ...inner, op: "LogSoftmax", name: node.name, outputs: node.outputs }];
    if (!inner || !isOf(inner, "Sigmoid")) return [node];
    const [minus, soft] = [taken.fresh(`${node.outputs[0]}/minus`), taken.fresh(`${node.outputs[0]}/softplus`)];
    const step = (op: string, input: string, output: string): Node => ({
      op,
      domain: "",
      name: "",
      inputs: [input],
      outputs: [output],
      attributes: {},
    });
    return [step("Neg", inner.inputs[0]!, minus), step("Softplus", minus, soft), step("Neg", soft, node.outputs[0]!)];
  });
  return removeDead({ ...graph, nodes });
}
