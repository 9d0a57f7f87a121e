/** The stretches of a graph between the nodes at which removing is not zeroing, and what is compared in them. */

import type { Graph, Node, ValueInfo } from "../../graph/graph.ts";
import { isFloat, sizeOf, type Tensor } from "../../graph/tensor.ts";
import { removeDead } from "../../passes/dead.ts";
import { applicationOf, type Traced } from "../../passes/trace.ts";
import type { Analysis } from "../coupling/analysis.ts";
import { removedIndices, type Removal } from "../coupling/removal.ts";

/** Whether a value holds floats. */
export const holdsFloats = ({ types }: Traced, name: string): boolean => {
  const type = types.get(name);
  return type !== undefined && type.dtype !== "string" && isFloat(type.dtype);
};

/**
 * Nodes that lose something along what their rule says counts zeros, and those among weights that reduce what is
 * removed: a mask zeroes activations, and leaves weights as they are.
 */
export function brokenNodes(analysis: Analysis, removal: Removal): Node[] {
  const counting = analysis.groups.flatMap(({ name, counting: nodes }) =>
    (removal.get(name)?.length ?? 0) > 0 ? nodes : [],
  );
  const { graph, traced, activations } = analysis;
  const removed = removedIndices(analysis, removal);
  const axes = (names: readonly string[]): number =>
    names.reduce((most, name) => Math.max(most, removed.get(name)?.size ?? 0), 0);
  const onWeights = graph.nodes.filter(
    ({ inputs, outputs }) =>
      !outputs.some((name) => activations.has(name) || traced.constants.has(name)) && axes(inputs) > axes(outputs),
  );
  return [...new Set([...counting, ...onWeights])];
}

/** What is run of the cut graph. */
export interface Stretches {
  /** Without the nodes that are left out; what of their outputs is read is given. */
  readonly graph: Graph;
  readonly given: readonly string[];
  /** What is computed and goes out, or into a node that is left out. */
  readonly ends: readonly string[];
}

/** The cut graph without some nodes. */
export function splitAt(small: Graph, { traced, activations }: Analysis, without: readonly Node[]): Stretches {
  const gone = new Set(without.map(({ outputs }) => outputs[0]!));
  const nodes = small.nodes.filter((node) => !gone.has(node.outputs[0]!));
  const given = without.flatMap(({ outputs }) =>
    outputs.filter((name) => nodes.some(({ inputs }) => inputs.includes(name))),
  );
  const into = without.flatMap((node) =>
    node.inputs.filter((name) => activations.has(name) && holdsFloats(traced, name)),
  );
  const from = new Set([...given, ...small.inputs.map(({ name }) => name)]);
  const computed = new Set(nodes.flatMap(({ outputs }) => outputs));
  const ends = [...new Set([...small.outputs.map(({ name }) => name), ...into])];
  return {
    graph: { ...small, nodes },
    given,
    ends: ends.filter((name) => computed.has(name) && !from.has(name) && activations.has(name)),
  };
}

/** The graph with inputs for what is given. */
export function withGiven(graph: Graph, given: Readonly<Record<string, Tensor>>): Graph {
  const infos = Object.entries(given).map(([name, { dtype }]): ValueInfo => ({ name, dtype }));
  return { ...graph, inputs: [...graph.inputs, ...infos] };
}

/** What certain values need of a graph; its inputs stay. The runtime finds their types. */
export const upTo = (graph: Graph, names: readonly string[]): Graph => ({
  ...removeDead({ ...graph, outputs: names.map((name) => ({ name, dtype: "float32" })), info: new Map() }),
  outputs: [],
});

/** So many elements are compared besides the ends. */
const mostElements = 2 ** 22;

/**
 * The floats that are compared. First the ends, and what leads to them from the last nodes with weights, these
 * included: so something is compared in front of what saturates, ranks or counts. Then the results of the other nodes
 * with weights, as far as memory allows.
 */
export function watchedIn({ graph, ends }: Stretches, { graph: whole, traced, activations }: Analysis): string[] {
  const original = new Map(whole.nodes.map((node) => [node.outputs[0], node]));
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const multiplies = (node: Node): boolean => {
    const applied = applicationOf(traced, original.get(node.outputs[0]) ?? node);
    return (applied?.op.macs?.(applied.inputs, applied.outputs, applied.attributes) ?? 0) > 0;
  };
  const watched = new Set(ends);
  let elements = 0;
  const watch = (name: string): void => {
    const type = traced.types.get(name);
    if (type === undefined || watched.has(name) || !activations.has(name) || !holdsFloats(traced, name)) return;
    const size = sizeOf(type.shape);
    if (elements + size > mostElements) return;
    elements += size;
    watched.add(name);
  };
  const seen = new Set(ends);
  const pending = [...ends];
  for (let at = 0; at < pending.length; at++) {
    const name = pending[at]!;
    const node = producers.get(name);
    if (node === undefined) continue;
    watch(name);
    if (multiplies(node)) continue;
    for (const input of node.inputs) {
      if (input === "" || seen.has(input)) continue;
      seen.add(input);
      pending.push(input);
    }
  }
  for (const node of graph.nodes.toReversed()) if (multiplies(node)) node.outputs.forEach(watch);
  return [...watched];
}
