/** Writes operators by others for a device whose kernels compute them wrongly or not at all. */

import { GraphBuilder } from "../graph/builder.ts";
import { fail } from "../graph/error.ts";
import { describe, type Graph, type Type } from "../graph/graph.ts";
import { plainAttributes } from "../ops/core/define.ts";
import { valueIn } from "../ops/emitter.ts";
import { rewrite } from "./lower.ts";
import { trace } from "./trace.ts";

/**
 * The graph for a device to run; where the device needs nothing else, the graph itself. An open batch stays open.
 *
 * @param types of the graph's values, of which the ranks count; default: what tracing finds
 * @throws SecateurError `unsupported` where it is not known what an operator that the
 * device computes wrongly is applied to
 */
export function forDevice(graph: Graph, device: string | undefined, types?: ReadonlyMap<string, Type>): Graph {
  if (device === undefined || device === "cpu") return graph;
  const builder = new GraphBuilder(graph, types ?? trace(graph).types);
  return rewrite(graph, builder, (_builder, g, op, node) => {
    if (!op.deviceFallback) return undefined;
    const inputs = node.inputs.map((name) => {
      if (name !== "" && !builder.types.has(name))
        fail("unsupported", `${describe(node)} cannot be computed on ${device}: the shape of "${name}" is not known`);
      return name === "" ? undefined : valueIn(builder, name);
    });
    return op.deviceFallback(g, inputs, plainAttributes(op, node.attributes), device, node.outputs.length);
  }).graph;
}
