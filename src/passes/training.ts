/** Puts a graph into training mode. */

import type { Attribute, Graph, Node, Type, ValueInfo } from "../graph/graph.ts";
import { type Names, namesOf } from "../graph/names.ts";
import type { Tensor } from "../graph/tensor.ts";
import { toAttribute, type Op } from "../ops/core/define.ts";
import { findOp } from "../ops/table.ts";
import { trace } from "./trace.ts";

/**
 * A graph in training mode, and for each initializer that it keeps statistics in the value that holds the next ones.
 */
export interface TrainingGraph {
  readonly graph: Graph;
  readonly states: ReadonlyMap<string, string>;
  /** Inputs that uniform numbers of [0, 1) are to be fed to, other ones in every step. */
  readonly randomInputs: readonly ValueInfo[];
}

/** Initializers that hold statistics, which are kept and not learned. */
export function statesOf(graph: Graph): Set<string> {
  const found = new Set<string>();
  for (const node of graph.nodes)
    for (const input of Object.values(findOp(node.op, node.domain)?.training?.states ?? {}))
      found.add(node.inputs[input]!);
  return found;
}

export interface TrainingOptions {
  /** The batch size for which what is drawn at random comes in through inputs; default: the runtime draws it. */
  readonly randomInputBatch?: number | undefined;
  /** Whether the next statistics are those of the batch alone. */
  readonly batchStatisticsOnly?: boolean;
}

/** Switches every node that behaves differently while learning, as its operator says. */
export function enterTraining(
  graph: Graph,
  { randomInputBatch, batchStatisticsOnly = false }: TrainingOptions = {},
): TrainingGraph {
  const typeOf = randomInputBatch === undefined ? undefined : typesIn(graph, randomInputBatch);
  const taken = namesOf(graph);
  const initializers = new Map(graph.initializers);
  const states = new Map<string, string>();
  const randomInputs: ValueInfo[] = [];
  const fresh = (base: string): string => taken.fresh(base);
  const constant = (base: string, value: Tensor): string => {
    const name = fresh(base);
    initializers.set(name, value);
    return name;
  };
  const nodes = graph.nodes.flatMap((node) => {
    const training = findOp(node.op, node.domain)?.training;
    const like = training?.noise && typeOf?.(node.inputs[training.noise.like]!);
    if (like) {
      const name = fresh(`noise/${node.outputs[0]}`);
      randomInputs.push({ name, dtype: "float32", shape: like.shape });
      return training!.noise!.nodes(node, name, like.dtype, { fresh, constant });
    }
    return training
      ? [train(node, findOp(node.op, node.domain)!, taken, constant, states, batchStatisticsOnly)]
      : [node];
  });
  return { graph: { ...graph, nodes, initializers, inputs: [...graph.inputs, ...randomInputs] }, states, randomInputs };
}

/** The types of a graph's values, found when the first is asked for: most graphs have nothing to draw. */
function typesIn(graph: Graph, batch: number): (value: string) => Type | undefined {
  let types: ReadonlyMap<string, Type> | undefined;
  return (value) => (types ??= trace(graph, { batch }).types).get(value);
}

function train(
  node: Node,
  op: Op,
  taken: Names,
  constant: (base: string, value: Tensor) => string,
  states: Map<string, string>,
  batchStatisticsOnly: boolean,
): Node {
  const { attributes: learning, inputs = {}, states: kept = {} } = op.training!;
  const attributes = { ...learning, ...(batchStatisticsOnly ? op.training!.batchStatisticsOnly : {}) };
  const newAttributes: Record<string, Attribute> = { ...node.attributes };
  for (const [name, value] of Object.entries(attributes))
    newAttributes[name] = toAttribute(op.attributes[name]!.kind, value);
  const newInputs = [...node.inputs];
  for (const [index, value] of Object.entries(inputs)) {
    while (newInputs.length <= Number(index)) newInputs.push("");
    newInputs[Number(index)] = constant(`${node.outputs[0]}_training`, value);
  }
  const outputs = [...node.outputs];
  for (const [output, input] of Object.entries(kept)) {
    const name = outputs[Number(output)] || taken.fresh(`${node.inputs[input]}_next`);
    while (outputs.length <= Number(output)) outputs.push("");
    outputs[Number(output)] = name;
    states.set(node.inputs[input]!, name);
  }
  return { ...node, attributes: newAttributes, inputs: newInputs, outputs };
}
