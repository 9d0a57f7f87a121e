/** A model file around a graph that came from no file. */

import type { Graph, Model } from "../graph/graph.ts";
import { internalOpset } from "./upgrade.ts";

/** The model of a graph in the internal opset; the encoder raises the IR version to what that needs. Other domains are taken in their first version. */
export function wrapGraph(graph: Graph): Model {
  return {
    graph,
    irVersion: 11,
    opsets: { ...Object.fromEntries(graph.nodes.map(({ domain }) => [domain, 1])), "": internalOpset },
    producerName: "secateur",
    producerVersion: "",
    domain: "",
    modelVersion: 0,
    doc: "",
    metadata: {},
  };
}
