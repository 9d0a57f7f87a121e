/** A model file around a graph that came from no file. */

import type { Graph, Model } from "../graph/graph.ts";
import { internalOpset } from "./upgrade.ts";

/**
 * The model of a graph in the internal opset; the encoder raises the IR version to what that needs.
 *
 * @param domains versions of the other domains that it takes operators from
 */
export function wrapGraph(graph: Graph, domains: Readonly<Record<string, number>> = {}): Model {
  return {
    graph,
    irVersion: 11,
    opsets: { "": internalOpset, ...domains },
    producerName: "secateur",
    producerVersion: "",
    domain: "",
    modelVersion: 0,
    doc: "",
    metadata: {},
  };
}
