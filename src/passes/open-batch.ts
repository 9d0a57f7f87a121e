/** Lets a model that was written for a fixed batch run on any. */

import { SecateurError, fail } from "../graph/error.ts";
import type { Graph, Node, ValueInfo } from "../graph/graph.ts";
import { freshName, namesOf } from "../graph/graph.ts";
import { int64s, toNumbers, type Tensor } from "../graph/tensor.ts";
import { followSizes, sizesInput } from "./sizes.ts";
import { trace, valueOf } from "./trace.ts";

/** The batch size that the inputs of a graph fix; `undefined` where it is open. */
export function fixedBatch(graph: Graph): number | undefined {
  const first = graph.inputs[0]?.shape?.[0];
  return typeof first === "number" ? first : undefined;
}

/**
 * The graph with an open batch: the first axes of inputs and outputs, and the targets of Reshape and the sizes of Resize
 * that state the batch (the stated patterns).
 *
 * @throws SecateurError `unsupported` where the model fixes its batch elsewhere too
 */
export function openBatch(graph: Graph): Graph {
  const batch = fixedBatch(graph);
  if (batch === undefined) return graph;
  const traced = trace(graph);
  const taken = namesOf(graph);
  const initializers = new Map<string, Tensor>(graph.initializers);
  const nodes = graph.nodes.map((node): Node => {
    // Nobody has looked at what a refused node states.
    if (traced.refused.has(node)) return node;
    const values = node.inputs.map((name) => valueOf(traced, name));
    const [data, target] = values;
    const stated = node.op === "Resize" ? values[sizesInput]?.constant : undefined;
    if (stated !== undefined && data?.constant === undefined && data?.shape[0] === batch) {
      const base = node.inputs[sizesInput]!;
      const open = followSizes(node, [{ data: data.shape, sizes: stated }], () => freshName(taken, `${base}_open`));
      if (open) initializers.set(open.name, open.sizes);
      return open?.node ?? node;
    }
    if (
      node.op !== "Reshape" ||
      target?.constant === undefined ||
      data?.constant !== undefined ||
      data?.shape[0] !== batch
    )
      return node;
    const sizes = toNumbers(target.constant);
    if (sizes[0] !== batch) return node;
    const name = freshName(taken, `${target.name}_open`);
    initializers.set(name, int64s(sizes.with(0, 0)));
    return { ...node, inputs: [data.name, name] };
  });
  const open = (value: ValueInfo): ValueInfo =>
    value.shape?.[0] === batch ? { ...value, shape: ["batch", ...value.shape.slice(1)] } : value;
  // What the file and a trial run say of values holds at the fixed batch.
  const { found: _, ...rest } = graph;
  const opened: Graph = {
    ...rest,
    nodes,
    initializers,
    inputs: graph.inputs.map(open),
    outputs: graph.outputs.map(open),
    info: new Map(),
  };
  const why = checkOpen(opened, batch);
  if (why !== undefined)
    fail(
      "unsupported",
      `the model is fixed to a batch of ${batch} (${why}); use --batch-size ${batch} or export it with an open batch`,
    );
  return opened;
}

function checkOpen(graph: Graph, batch: number): string | undefined {
  try {
    const twice = trace(graph, { batch: 2 * batch });
    const short = graph.outputs.find(({ name }) => twice.types.get(name)?.shape[0] !== 2 * batch);
    return short && `its output "${short.name}" does not follow the batch`;
  } catch (error) {
    if (error instanceof SecateurError) return error.message;
    throw error;
  }
}
