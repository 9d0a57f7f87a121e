/**
 * Reads a part that was joined with others where it comes from, so that parts which nobody reads are not tied to it.
 */

import { producersOf, type Graph, type Node } from "../graph/graph.ts";
import { namesOf } from "../graph/names.ts";
import { tensor, toNumbers, type Tensor } from "../graph/tensor.ts";
import { valueOf, type Traced } from "./trace.ts";

/**
 * The stated pattern is a Concat and a Gather of one index along its axis: PyTorch's `h_n[-1]` of stacked recurrent
 * layers, which joins the last states of all layers and takes one.
 *
 * @param traces of the graph at several sizes, which tell what is joined along an axis that is open
 */
export function pickSlices(graph: Graph, traces: readonly Traced[]): Graph {
  const [traced, ...others] = traces as readonly [Traced, ...Traced[]];
  const producers = producersOf(graph);
  const initializers = new Map<string, Tensor>(graph.initializers);
  const taken = namesOf(graph);
  const axisOf = (node: Node, rank: number): number => {
    const axis = Number(node.attributes["axis"]?.value ?? 0);
    return axis < 0 ? axis + rank : axis;
  };
  const nodes = graph.nodes.map((node): Node => {
    const [from = "", index = ""] = node.inputs;
    const joined = producers.get(from);
    const whole = valueOf(traced, from);
    const one = graph.initializers.get(index);
    if (node.op !== "Gather" || joined?.op !== "Concat" || whole === undefined || one?.data.length !== 1) return node;
    const axis = axisOf(node, whole.shape.length);
    if (axisOf(joined, whole.shape.length) !== axis) return node;
    if (others.some((other) => valueOf(other, from)?.shape[axis] !== whole.shape[axis])) return node;
    let at = toNumbers(one)[0]!;
    if (at < 0) at += whole.shape[axis]!;
    for (const part of joined.inputs) {
      const size = valueOf(traced, part)?.shape[axis];
      if (size === undefined) return node;
      if (at < size) {
        const name = taken.fresh(`${index}_part`);
        initializers.set(name, tensor("int64", one.shape, [at]));
        return { ...node, inputs: [part, name] };
      }
      at -= size;
    }
    return node;
  });
  return { ...graph, nodes, initializers };
}
