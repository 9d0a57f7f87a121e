/** onnxruntime with other options for its sessions than Secateur gives. */

import * as ort from "onnxruntime-node";
import { createRuntime } from "../../dist/runtime/onnxruntime.js";

/** @param change the options, or what makes them for each session */
export function runtimeWith(change, threads) {
  const InferenceSession = {
    create: (model, options) =>
      ort.InferenceSession.create(model, { ...options, ...(typeof change === "function" ? change() : change) }),
  };
  return createRuntime({ ...ort, InferenceSession }, { name: "onnxruntime-node", threads, writesOutputs: true });
}
