/** What a graph costs: multiply-accumulates, parameters and bytes. */

import { byteLength, isFloat, sizeOf, type Tensor } from "../graph/tensor.ts";
import { bodies, reads, type Graph, type Node } from "../graph/graph.ts";
import { foldConstants } from "../onnx/constants.ts";
import { quantisedOf } from "./quantised.ts";
import { applicationOf, type Application, type Traced } from "./trace.ts";
import { statesOf } from "./training.ts";

export interface Costs {
  /** Multiply-accumulates of one sample. */
  readonly macs: number;
  /**
   * Learned numbers: elements of float initializers that are neither statistics nor scales of quantised weights, and of
   * integers in the place of weights; those of bodies (If, Loop, Scan) too.
   */
  readonly params: number;
  /** Bytes of all initializers, those of bodies too. */
  readonly bytes: number;
}

/** The costs of a traced graph. */
export function costsOf(traced: Traced): Costs {
  let macs = 0;
  for (const own of macsByNode(traced).values()) macs += own;
  let params = 0;
  let bytes = 0;
  const graphs: Graph[] = [traced.graph];
  for (const graph of graphs) {
    graphs.push(...graph.nodes.flatMap(bodies).map(foldConstants));
    const isParameter = parametersIn(graph);
    for (const [name, value] of graph.initializers) {
      if (isParameter(name, value)) params += sizeOf(value.shape);
      bytes += byteLength(value);
    }
  }
  return { macs, params, bytes };
}

/** The multiply-accumulates of one sample that each node takes, as {@link costsOf} sums them. */
export function macsByNode(traced: Traced): Map<Node, number> {
  const { batch, times } = repetitions(traced);
  return new Map(traced.graph.nodes.map((node) => [node, (macsOf(applicationOf(traced, node)) * times(node)) / batch]));
}

/** Whether an initializer of a graph holds learned numbers, be it as integers. */
export function parametersIn(graph: Graph): (name: string, value: Tensor) => boolean {
  const states = statesOf(graph);
  const { weights, settings } = quantisedOf(graph);
  return (name, { dtype, shape }) =>
    weights.has(name) || (isFloat(dtype) && shape.length > 0 && !states.has(name) && !settings.has(name));
}

/**
 * The batch, and how often a node would run if every sample were run alone: what no input
 * reaches runs once whatever the batch is.
 */
export function repetitions({ graph, types }: Traced): { readonly batch: number; times(node: Node): number } {
  const batch = types.get(graph.inputs[0]?.name ?? "")?.shape[0] || 1;
  const reached = new Set(graph.inputs.map(({ name }) => name));
  const own = new Set<Node>();
  for (const node of graph.nodes) {
    if (!reads(node).some((name) => reached.has(name))) continue;
    own.add(node);
    for (const name of node.outputs) reached.add(name);
  }
  return { batch, times: (node) => (own.has(node) ? 1 : batch) };
}

/** The multiply-accumulates of one node; none where its rules are not known. */
export const macsOf = (applied: Application | undefined): number =>
  applied?.op.macs?.(applied.inputs, applied.outputs, applied.attributes) ?? 0;
