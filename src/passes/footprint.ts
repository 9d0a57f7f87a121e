/** How much memory a graph takes while it runs. */

import type { Graph, Type } from "../graph/graph.ts";
import { byteLength } from "../graph/tensor.ts";
import { bytesOf, timelineOf } from "./timeline.ts";
import { trace } from "./trace.ts";

/** In bytes. */
export interface Footprint {
  /** What the graph holds all the time. */
  readonly constants: number;
  /** What it is fed with, which whoever feeds it holds. */
  readonly inputs: number;
  /** The most that is computed and still to be read at the same time. */
  readonly activations: number;
}

/**
 * The footprint of a graph whose sizes are all fixed: every value is there from the node that
 * computes it to the last one that reads it.
 *
 * @param types of its values; default: what tracing finds
 * @param elsewhere outputs that are written to memory which is there already
 */
export function footprintOf(
  graph: Graph,
  types: ReadonlyMap<string, Type> = trace(graph).types,
  elsewhere?: ReadonlySet<string>,
): Footprint {
  return {
    constants: [...graph.initializers.values()].reduce((sum, value) => sum + byteLength(value), 0),
    inputs: graph.inputs.reduce((sum, { name }) => sum + bytesOf(types.get(name)), 0),
    activations: timelineOf(graph, types, elsewhere).most,
  };
}
