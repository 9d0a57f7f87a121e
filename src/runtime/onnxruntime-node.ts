/** onnxruntime on the processor of this machine, or on another device that it has. */

import { availableParallelism } from "node:os";
import * as ort from "onnxruntime-node";
import { keepFloat32 } from "./float32-node.ts";
import { createRuntime } from "./onnxruntime.ts";
import type { Runtime } from "./port.ts";

const plain = createRuntime(ort, {
  name: "onnxruntime-node",
  threads: availableParallelism(),
  writesOutputs: true,
});

/** onnxruntime-node on all cores, in the thread that asks: a run blocks it until it is done. */
export const directRuntime: Runtime = {
  ...plain,
  load(model, options) {
    beQuiet();
    keepFloat32(options?.device);
    return plain.load(model, options);
  },
};

/**
 * What onnxruntime says before there is a session, of a device's library that is not there, is thrown too. A level that
 * somebody has set stays; it counts until the first session of the process.
 */
function beQuiet(): void {
  if (ort.env.logLevel === "warning") ort.env.logLevel = "fatal";
}
