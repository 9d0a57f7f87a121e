/** Model files around a graph that only ever runs. */

import type { Graph } from "../graph/graph.ts";
import { encodeForRuntime } from "../onnx/encode.ts";
import { wrapGraph } from "../onnx/wrap.ts";
import { blockedDomain } from "../ops/blocked.ts";
import { forDevice } from "../passes/for-device.ts";
import type { Device, ModelFiles } from "../runtime/port.ts";

export function runnable(graph: Graph, device?: Device): ModelFiles {
  const blocked = graph.nodes.some(({ domain }) => domain === blockedDomain);
  return encodeForRuntime(wrapGraph(forDevice(graph, device), blocked ? { [blockedDomain]: 1 } : {}));
}
