/**
 * Writes a graph in float32 and without steps, so that two of them that compute the
 * same can be told from two that do not.
 */

import { GraphBuilder } from "../graph/builder.ts";
import type { Graph, Node } from "../graph/graph.ts";
import { float32, toNumbers, type DType } from "../graph/tensor.ts";
import { plainAttributes } from "../ops/core/define.ts";
import { alias, createEmitter, valueIn } from "../ops/emitter.ts";
import { findOp } from "../ops/table.ts";
import { trace, type TraceOptions } from "./trace.ts";
import { widen } from "./widen.ts";

export interface InFloat {
  readonly graph: Graph;
  /** Whether any operator is written by others, so that integers have become floats. */
  readonly unrounded: boolean;
}

/**
 * The graph with 16-bit floats as float32, and operators that round to integers by others
 * that do not. Values keep their names.
 *
 * @param options the sizes at which its types are looked at, of which the ranks count
 */
export function inFloat(graph: Graph, options: TraceOptions = {}): InFloat {
  const wide = widen(graph);
  if (!wide.nodes.some(({ op, domain }) => findOp(op, domain)?.unrounded)) return { graph: wide, unrounded: false };
  const { types } = trace(wide, options);
  const builder = new GraphBuilder(wide, new Map(types));
  builder.nodes.length = 0;
  const g = createEmitter(builder);
  let unrounded = false;
  /** What was of integers and is not any more. */
  const unlike = new Set<string>();
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
    if (results === undefined) {
      const from = node.inputs.find((name) => unlike.has(name));
      const dtype = from === undefined ? undefined : types.get(from)?.dtype;
      builder.nodes.push(dtype === undefined ? node : withSingles(node, dtype, builder));
      for (const name of node.outputs) if (dtype !== undefined && types.get(name)?.dtype === dtype) unlike.add(name);
    } else {
      unrounded = true;
      node.outputs.forEach((name, i) => {
        alias(builder, results[i]!.name, name);
        if (types.get(name)?.dtype !== "float32") unlike.add(name);
      });
    }
  }
  return { graph: { ...wide, nodes: builder.nodes, initializers: builder.initializers }, unrounded };
}

/** The node with its constants of an integer type as floats, as what it takes them together with has become floats. */
function withSingles(node: Node, dtype: DType, { initializers }: GraphBuilder): Node {
  const inputs = node.inputs.map((name) => {
    const value = initializers.get(name);
    if (value?.dtype !== dtype) return name;
    const single = `${name}_single`;
    initializers.set(single, float32(value.shape, toNumbers(value)));
    return single;
  });
  return { ...node, inputs };
}
