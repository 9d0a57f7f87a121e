/** A model file around a graph that only ever runs. */

import type { Graph } from "../graph/graph.ts";
import { encodeModel } from "../onnx/encode.ts";
import { wrapGraph } from "../onnx/wrap.ts";
import { blockedDomain } from "../ops/blocked.ts";
import { forDevice } from "../passes/for-device.ts";
import type { Device } from "../runtime/port.ts";

export function runnable(graph: Graph, device?: Device): Uint8Array {
  const blocked = graph.nodes.some(({ domain }) => domain === blockedDomain);
  return encodeModel(wrapGraph(forDevice(graph, device), blocked ? { [blockedDomain]: 1 } : {}));
}
