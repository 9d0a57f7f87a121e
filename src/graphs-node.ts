/**
 * `secateur/graph` in Node: what works on graphs, model files, and onnxruntime-node in a worker thread and in this one.
 */

export * from "./graphs.ts";
export { readModelFile, writeModelFile, type WriteOptions as SaveOptions } from "./onnx/files-node.ts";
export { directRuntime } from "./runtime/onnxruntime-node.ts";
export { nodeRuntime } from "./runtime/workers-node.ts";
