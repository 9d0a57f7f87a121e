/** The stretches of a graph between the nodes at which removing is not zeroing. */

import type { Graph, Node, ValueInfo } from "../graph/graph.ts";
import { isFloat } from "../graph/tensor.ts";
import { removeDead } from "../passes/dead.ts";
import type { Traced } from "../passes/trace.ts";
import { activations } from "./couple.ts";
import type { Cut } from "./cut.ts";
import type { Groups, Removal } from "./groups.ts";

/** Whether a value holds floats, as what is compared does. */
export const isRunnable = ({ types }: Traced, name: string): boolean => {
  const type = types.get(name);
  return type !== undefined && type.dtype !== "string" && isFloat(type.dtype);
};

/** Nodes that lose something along what their rule says counts zeros. */
export function brokenNodes({ groups }: Groups, removal: Removal): Node[] {
  return [...new Set(groups.flatMap(({ name, counting }) => ((removal.get(name)?.length ?? 0) > 0 ? counting : [])))];
}

/** The cut graph without some nodes, whose outputs become inputs and whose inputs are outputs. */
export function splitAt(small: Cut, traced: Traced, broken: readonly Node[]) {
  const alive = activations(traced);
  const gone = new Set(broken.map(({ outputs }) => outputs[0]!));
  const inputs = broken.flatMap(({ outputs }) => outputs.filter((name) => isRunnable(traced, name)));
  const outputs = [
    ...new Set([
      ...small.graph.outputs.map(({ name }) => name),
      ...broken.flatMap((node) => node.inputs.filter((name) => alive.has(name) && isRunnable(traced, name))),
    ]),
  ];
  const nodes = small.graph.nodes.filter((node) => !gone.has(node.outputs[0]!));
  const graph: Graph = {
    ...small.graph,
    nodes,
    inputs: [...small.graph.inputs, ...inputs.map((name) => infoOf(traced, name))],
  };
  const given = new Set(inputs);
  return { graph, inputs, outputs: outputs.filter((name) => !given.has(name) && alive.has(name)) };
}

/** The type of a value without its sizes, which are another's in every graph. */
const infoOf = (traced: Traced, name: string): ValueInfo => ({ name, dtype: traced.types.get(name)!.dtype });

/** The graph with certain values as its outputs; inputs that nothing needs any more stay. */
export function watching(graph: Graph, traced: Traced, names: readonly string[]): Graph {
  const declared = new Map(graph.outputs.map((info) => [info.name, info]));
  const outputs = [...new Set(names)].map((name) => declared.get(name) ?? infoOf(traced, name));
  return removeDead({ ...graph, outputs, info: new Map() });
}
