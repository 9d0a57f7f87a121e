/** Writes a graph in float32 and without steps, so that two of them that compute the same can be told from two that do not. */

import { GraphBuilder } from "../graph/builder.ts";
import type { Graph, Type } from "../graph/graph.ts";
import { isFloat } from "../graph/tensor.ts";
import { plainAttributes } from "../ops/define.ts";
import { alias, createEmitter, valueIn } from "../ops/emitter.ts";
import { findOp } from "../ops/table.ts";
import { widen } from "./widen.ts";

export interface InFloat {
  readonly graph: Graph;
  /** Whether any operator is written by others, so that integers have become floats. */
  readonly unrounded: boolean;
}

/**
 * The graph with 16-bit floats as float32, and operators that round to integers by others that do not. Values keep their names.
 *
 * @param types of the graph's values, of which the ranks count
 */
export function inFloat(graph: Graph, types: ReadonlyMap<string, Type>): InFloat {
  const wide = widen(graph);
  const all = new Map(
    [...types].map(([name, { dtype, shape }]): [string, Type] => [
      name,
      { dtype: isFloat(dtype) && dtype !== "float64" ? "float32" : dtype, shape },
    ]),
  );
  for (const [name, { dtype, shape }] of wide.initializers) all.set(name, { dtype, shape });
  const builder = new GraphBuilder(wide, all);
  builder.nodes.length = 0;
  const g = createEmitter(builder);
  let unrounded = false;
  for (const node of wide.nodes) {
    const op = findOp(node.op, node.domain);
    const typed = node.inputs.every((name) => name === "" || builder.types.has(name));
    // Integers that are weights are numbers as good as others.
    const weight = wide.initializers.has(node.inputs[0] ?? "");
    const results =
      op?.unrounded && typed && !weight
        ? op.unrounded(
            g,
            node.inputs.map((name) => (name === "" ? undefined : valueIn(builder, name))),
            plainAttributes(op, node.attributes),
          )
        : undefined;
    if (results === undefined) builder.nodes.push(node);
    else {
      unrounded = true;
      node.outputs.forEach((name, i) => alias(builder, results[i]!.name, name));
    }
  }
  return { graph: { ...wide, nodes: builder.nodes, initializers: builder.initializers }, unrounded };
}
