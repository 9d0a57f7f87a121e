/** Constants that stand in nodes become initializers, each value its own: what exporters shared is taken apart. */

import { fail } from "../graph/error.ts";
import { describe, readersOf, type Graph, type Node } from "../graph/graph.ts";
import { byteLength, float32, type Tensor } from "../graph/tensor.ts";
import { toInt64 } from "./proto.ts";

function constantOf(node: Node): Tensor {
  const [[name, attribute] = []] = Object.entries(node.attributes);
  const what = describe(node);
  const int64 = (values: readonly number[], shape: readonly number[]): Tensor => {
    return { dtype: "int64", shape, data: BigInt64Array.from(values, (v) => toInt64(v, what)) };
  };
  if (attribute?.type === "tensor") return attribute.value;
  if (attribute?.type === "float") return float32([], [attribute.value]);
  if (attribute?.type === "floats") return float32([attribute.value.length], attribute.value);
  if (attribute?.type === "int") return int64([attribute.value], []);
  if (attribute?.type === "ints") return int64(attribute.value, [attribute.value.length]);
  if (attribute?.type === "string") return { dtype: "string", shape: [], data: [attribute.value] };
  if (attribute?.type === "strings")
    return { dtype: "string", shape: [attribute.value.length], data: [...attribute.value] };
  fail(
    "bad-model",
    `${what} holds ${name === undefined ? "nothing" : `a "${name}" that is no constant`}; export the model again`,
  );
}

/** The graph with every Constant node of its top level turned into an initializer under the name of its output. */
export function foldConstants(graph: Graph): Graph {
  const initializers = new Map(graph.initializers);
  const nodes = graph.nodes.filter((node) => {
    if (node.op !== "Constant" || node.domain !== "") return true;
    const [output = ""] = node.outputs;
    if (output === "") fail("bad-model", `${describe(node)} has no output; export the model again`);
    if (initializers.has(output)) fail("bad-model", `two values are named "${output}"; rename one`);
    initializers.set(output, constantOf(node));
    return false;
  });
  return nodes.length === graph.nodes.length ? graph : { ...graph, nodes, initializers };
}

/** Copies beyond this many bytes in all are refused: a small file must not ask for endless memory. */
const copyLimit = 4 * 2 ** 30;

function copyOf(value: Tensor): Tensor {
  return { ...value, data: value.data.slice() };
}

/**
 * The graph with every Identity of an initializer replaced by an initializer of its own, a copy of the data.
 * Exporters share equal weights in this way; shared, two layers could only be cut alike. Chains of Identity are
 * followed. An Identity that makes an output of the graph stays.
 */
export function unshareIdentities(graph: Graph): Graph {
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const isCandidate = (node: Node): boolean =>
    node.op === "Identity" && node.domain === "" && node.outputs.length === 1 && !outputs.has(node.outputs[0]!);
  const waiting = new Map<string, Node[]>();
  for (const node of graph.nodes.filter(isCandidate)) {
    const source = node.inputs[0] ?? "";
    const known = waiting.get(source);
    if (known) known.push(node);
    else waiting.set(source, [node]);
  }
  if (waiting.size === 0) return graph;

  const initializers = new Map(graph.initializers);
  const removed = new Set<Node>();
  const sources = [...graph.initializers.keys()].filter((name) => waiting.has(name));
  let copied = 0;
  for (let at = 0; at < sources.length; at++) {
    const source = sources[at]!;
    const value = initializers.get(source)!;
    for (const node of waiting.get(source) ?? []) {
      const [output] = node.outputs as [string];
      if (initializers.has(output)) fail("bad-model", `two values are named "${output}"; rename one`);
      copied += byteLength(value);
      if (copied > copyLimit)
        fail("unsupported", `the initializer "${source}" is shared by too many Identity nodes to copy`);
      initializers.set(output, copyOf(value));
      removed.add(node);
      if (waiting.has(output)) sources.push(output);
    }
  }
  if (removed.size === 0) return graph;

  const rest = { ...graph, nodes: graph.nodes.filter((node) => !removed.has(node)), initializers };
  const readers = readersOf(rest);
  for (const source of sources) if (!readers.has(source) && !outputs.has(source)) initializers.delete(source);
  return rest;
}
