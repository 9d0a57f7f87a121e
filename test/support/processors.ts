/** Processors that this one may not be: runtimes that have, or lack, the kernels of others. */

import type { Attribute, Graph, Node } from "../../src/graph/graph.ts";
import { tensor, type Tensor } from "../../src/graph/tensor.ts";
import { decodeModel } from "../../src/onnx/decode.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { blockedDomain } from "../../src/ops/gradients/channel-block.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import type { ModelFiles, Runtime } from "../../src/runtime/port.ts";

export interface Processor {
  readonly name: string;
  /** Channels that its convolutions take at a time. */
  readonly block: number | undefined;
  /** Whether the runtime has kernels that compute on one thread. */
  readonly singleThreaded: boolean;
  readonly runtime: Runtime;
}

/**
 * onnxruntime as it is elsewhere. What is written for blocks of channels is written back as a plain convolution between the layouts that onnxruntime's
 * kernels take for that block: a graph for another block computes something else, as it does there.
 */
export function processor(name: string, block: number | undefined, singleThreaded: boolean): Processor {
  const load: Runtime["load"] = (model, options) => {
    const { bytes, external }: ModelFiles = model instanceof Uint8Array ? { bytes: model, external: [] } : model;
    const text = new TextDecoder("latin1").decode(bytes);
    if (!singleThreaded && text.includes("training_mode")) throw new Error("not implemented: BatchNormalization");
    if (!text.includes(blockedDomain)) return directRuntime.load(model, options);
    if (block === undefined) throw new Error(`not implemented: ${blockedDomain}`);
    if (external.length > 0) throw new Error("a processor for tests takes small models");
    const read = decodeModel(bytes);
    return directRuntime.load(encodeModel({ ...read, graph: inPlainLayout(read.graph, block) }), options);
  };
  return { name, block, singleThreaded, runtime: { name, threads: directRuntime.threads, load } };
}

/** What tests that depend on a processor are run on, wherever they run. */
export const processors: readonly Processor[] = [
  processor("AVX2", 8, true),
  processor("AVX-512", 16, true),
  processor("no blocks", undefined, true),
  processor("the standard alone", undefined, false),
];

function inPlainLayout(graph: Graph, block: number): Graph {
  const initializers = new Map(graph.initializers);
  const nodes: Node[] = [];
  let count = 0;
  const keep = (value: Tensor): string => {
    const name = `layout/${count++}`;
    initializers.set(name, value);
    return name;
  };
  const ints = (...values: number[]): string => keep(tensor("int64", [values.length], values));
  const emit = (op: string, inputs: readonly string[], attributes: Node["attributes"] = {}): string => {
    const name = `layout/${count++}`;
    nodes.push({ op, domain: "", name, inputs, outputs: [name], attributes });
    return name;
  };
  const int = (value: number): Attribute => ({ type: "int", value });
  const sizes = (of: string, start: number, end: number): string =>
    emit("Shape", [of], { start: int(start), end: int(end) });
  /** `x` with its sizes split as `target` says, its axes moved, and its own sizes again. */
  const moved = (x: string, target: readonly string[], perm: readonly number[]): string => {
    const split = emit("Reshape", [x, emit("Concat", target, { axis: int(0) })]);
    return emit("Reshape", [emit("Transpose", [split], { perm: { type: "ints", value: perm } }), sizes(x, 0, 4)]);
  };
  const size = ints(block);
  const rest = ints(-1);
  const toBlocks = (x: string): string => moved(x, [sizes(x, 0, 1), rest, size, sizes(x, 2, 4)], [0, 1, 3, 4, 2]);
  const fromBlocks = (x: string): string => moved(x, [sizes(x, 0, 1), rest, sizes(x, 2, 4), size], [0, 1, 4, 2, 3]);
  const filterFrom = (w: string, both: boolean): string =>
    both
      ? moved(w, [rest, emit("Div", [sizes(w, 1, 2), size]), sizes(w, 2, 4), size, size], [0, 5, 1, 4, 2, 3])
      : moved(w, [rest, sizes(w, 1, 4), size], [0, 4, 1, 2, 3]);

  const inBlocks = new Set<string>();
  for (const node of graph.nodes) {
    if (node.domain !== blockedDomain) {
      nodes.push(node);
      continue;
    }
    const [x, w, ...bias] = node.inputs as [string, string];
    const [y] = node.outputs as [string];
    const last = (made: string): void =>
      void nodes.push({ ...node, op: "Identity", domain: "", inputs: [made], attributes: {} });
    if (node.op === "ReorderInput") {
      last(toBlocks(x));
      inBlocks.add(y);
    } else if (node.op === "ReorderOutput") {
      const channels = (node.attributes["channels"] as { value: number }).value;
      last(emit("Slice", [fromBlocks(x), ints(0), ints(channels), ints(1)]));
    } else if (node.op === "Conv") {
      const groups = (node.attributes["group"] as { value: number }).value;
      const blocked = inBlocks.has(x);
      const plain = [blocked ? fromBlocks(x) : x, filterFrom(w, blocked && groups === 1), ...bias];
      last(toBlocks(emit("Conv", plain, node.attributes)));
      inBlocks.add(y);
    } else throw new Error(`not implemented: ${blockedDomain} ${node.op}`);
  }
  return { ...graph, nodes, initializers };
}
