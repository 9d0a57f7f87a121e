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

/**
 * Whether onnxruntime's optimiser is worth its time in a graph that is loaded anew after every cut. On the CPU, where kernels are inputs,
 * as weights that learn are, it finds one thing to gain: a product of a transposed value becomes one node, and the transposed value is never made.
 */
export function gainsByOptimiser({ nodes }: Graph, device: Device = "cpu"): boolean {
  if (device !== "cpu") return true;
  const transposed = new Set(nodes.filter(({ op }) => op === "Transpose").flatMap(({ outputs }) => outputs));
  return nodes.some(({ op, inputs }) => op === "MatMul" && inputs.some((name) => transposed.has(name)));
}
