/** Secateur in Node, as `secateur` and as `secateur/node`: the entry for browsers, files, data sets on disk and onnxruntime-node. */

import { useRuntime } from "./runtime/default.ts";
import { nodeRuntime } from "./runtime/workers-node.ts";

export * from "./index.ts";
export { load, save } from "./jobs/load-node.ts";
export { readModelFile, writeModelFile, type WriteOptions } from "./onnx/files-node.ts";
export { writeFileAtomic } from "./onnx/atomic-node.ts";
export { datasetForms, type OpenOptions } from "./data/spec-node.ts";
export { openDataset } from "./jobs/dataset-node.ts";
export { fetchCifar10, fetchMnist } from "./data/fetch-node.ts";
export { directRuntime } from "./runtime/onnxruntime-node.ts";
export { nodeRuntime } from "./runtime/workers-node.ts";
export { readRun, writeReport, type StoredRun } from "./report/report-node.ts";
export { createRun, readRecords, resumeRun, type Run } from "./report/run-node.ts";

useRuntime(nodeRuntime);
