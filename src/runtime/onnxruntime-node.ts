/** onnxruntime on the processor of this machine. */

import { availableParallelism } from "node:os";
import * as ort from "onnxruntime-node";
import { createRuntime } from "./onnxruntime.ts";
import type { Runtime } from "./port.ts";

/** onnxruntime-node on all cores, in the thread that asks: a run blocks it until it is done. */
export const directRuntime: Runtime = createRuntime("onnxruntime-node", ort, availableParallelism(), true);
