/** Constants that stand in nodes become initializers. */

import { fail } from "../graph/error.ts";
import { describe, type Graph, type Node } from "../graph/graph.ts";
import { float32, type Tensor } from "../graph/tensor.ts";
import { toInt64 } from "./proto.ts";

/** What a Constant node holds. */
export function constantOf(node: Node): Tensor {
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
