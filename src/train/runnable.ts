/** A model file around a graph that only ever runs. */

import type { Graph } from "../graph/graph.ts";
import { encodeModel } from "../onnx/encode.ts";
import { wrapGraph } from "../onnx/wrap.ts";

export function runnable(graph: Graph): Uint8Array {
  return encodeModel(wrapGraph(graph));
}
