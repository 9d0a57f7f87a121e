/**
 * Writes operators by others where their object says how, for the sake of kernels that are fast or that exist at all.
 */

import { GraphBuilder } from "../graph/builder.ts";
import { SecateurError } from "../graph/error.ts";
import type { Graph, Node, Type } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import { plainAttributes, type Op, type Value } from "../ops/core/define.ts";
import type { Emit } from "../ops/core/emit.ts";
import { alias, createEmitter, inputsOf } from "../ops/emitter.ts";
import { findOp } from "../ops/table.ts";

/** Kernels that only the runtime at hand may have. */
export interface Capabilities {
  /** Of convolutions, that take so many channels at a time. */
  readonly block?: number | undefined;
  /** Whether those that compute on one thread are there, and no others are wanted. */
  readonly singleThreaded?: boolean;
}

/** The node by others; `undefined` where it has to stay. */
function lowered(
  builder: GraphBuilder,
  g: Emit,
  op: Op,
  node: Node,
  capabilities: Capabilities,
): readonly Value[] | undefined {
  const { block, singleThreaded = false } = capabilities;
  if (!op.decompose && !(op.blocked && block) && !(op.singleThreaded && singleThreaded)) return undefined;
  const inputs = inputsOf(builder, node);
  const attributes = plainAttributes(op, node.attributes);
  try {
    const blocked = block ? op.blocked?.(g, inputs, attributes, block) : undefined;
    if (blocked) return [blocked];
    const whole = singleThreaded ? op.singleThreaded?.(g, inputs, attributes, node.outputs.length) : undefined;
    return whole ?? op.decompose?.(g, inputs, attributes, node.outputs.length);
  } catch (error) {
    // The node itself runs, whether or not anything else can say the same.
    if (error instanceof SecateurError && error.code === "unsupported") return undefined;
    throw error;
  }
}

/** The outputs of a node by others; `undefined` where it has to stay. */
type Rewrite = (builder: GraphBuilder, g: Emit, op: Op, node: Node) => readonly Value[] | undefined;

/**
 * Replaces every node that decomposes. Graph outputs keep their names.
 *
 * @param known values that nodes compute and that are known all the same
 * @param capabilities that the graph may be written for, where only the runtime at hand will run it
 */
export function lower(
  graph: Graph,
  types: ReadonlyMap<string, Type>,
  known?: ReadonlyMap<string, Tensor>,
  capabilities: Capabilities = {},
): { graph: Graph; types: ReadonlyMap<string, Type> } {
  return rewrite(graph, new GraphBuilder(graph, types, known), (builder, g, op, node) =>
    lowered(builder, g, op, node, capabilities),
  );
}

/** Replaces every node that others are written for. Graph outputs keep their names. */
export function rewrite(
  graph: Graph,
  builder: GraphBuilder,
  write: Rewrite,
): { graph: Graph; types: ReadonlyMap<string, Type> } {
  builder.nodes.length = 0;
  const g = createEmitter(builder);
  const outputs = new Set(graph.outputs.map((v) => v.name));
  const renamed = new Map<string, string>();
  for (const old of graph.nodes) {
    const node = old.inputs.some((name) => renamed.has(name))
      ? { ...old, inputs: old.inputs.map((name) => renamed.get(name) ?? name) }
      : old;
    const op = findOp(node.op, node.domain);
    const results = op && write(builder, g, op, node);
    if (results === undefined) {
      builder.nodes.push(node);
      continue;
    }
    node.outputs.forEach((name, i) => {
      if (name === "") return;
      if (outputs.has(name)) alias(builder, results[i]!.name, name);
      else renamed.set(name, results[i]!.name);
    });
  }
  return {
    graph: { ...graph, nodes: builder.nodes, initializers: builder.initializers },
    types: builder.types,
  };
}
