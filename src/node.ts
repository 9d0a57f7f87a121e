/**
 * Secateur in Node, as `secateur` and as `secateur/node`: the entry for browsers, files,
 * data sets on disk and onnxruntime-node.
 */

import { load } from "./jobs/load-node.ts";
import { useReader } from "./jobs/reader.ts";
import { useRuntime } from "./runtime/default.ts";
import { nodeRuntime } from "./runtime/workers-node.ts";

export * from "./index.ts";
export { load, save } from "./jobs/load-node.ts";
export type { WriteOptions as SaveOptions } from "./onnx/files-node.ts";
export { openDataset } from "./jobs/dataset-node.ts";
export type { OpenOptions as OpenDatasetOptions } from "./data/spec-node.ts";
export { nodeRuntime } from "./runtime/workers-node.ts";

useRuntime(nodeRuntime);
useReader(load);
