/** Model files around a graph that only ever runs. */

import { producersOf, type Attribute, type Graph, type Node, type Type, type ValueInfo } from "../graph/graph.ts";
import { encodeForRuntime } from "../onnx/encode.ts";
import { wrapGraph } from "../onnx/wrap.ts";
import { blockedDomain } from "../ops/gradients/channel-block.ts";
import { removeDead } from "../passes/dead.ts";
import { forDevice } from "../passes/for-device.ts";
import type { Device, ModelFiles } from "../runtime/port.ts";

export function executable(graph: Graph, device?: Device): ModelFiles {
  const domains = new Set(graph.nodes.map(({ domain }) => domain));
  const own = [blockedDomain, contribDomain].filter((domain) => domains.has(domain));
  return encodeForRuntime(wrapGraph(forDevice(graph, device), Object.fromEntries(own.map((domain) => [domain, 1]))));
}

/** Operators of onnxruntime's own. */
const contribDomain = "com.microsoft";

/**
 * Products as nodes that take transposed values, as the optimiser would write them; those that add nothing too, whose
 * own operator tells the runtime that they have two axes.
 */
export function fuseProducts(graph: Graph, types: ReadonlyMap<string, Type>): Graph {
  const producers = producersOf(graph);
  /** What is transposed along its last two axes to give a value. */
  const straight = (name: string): string | undefined => {
    const made = producers.get(name);
    const perm =
      made?.op === "Transpose" ? (made.attributes["perm"]?.value as readonly number[] | undefined) : undefined;
    const rank = perm?.length ?? 0;
    const swapped = perm?.every((from, to) => from === (to < rank - 2 ? to : 2 * rank - 3 - to));
    return rank > 1 && swapped ? made!.inputs[0] : undefined;
  };
  const nodes = graph.nodes.map((node): Node => {
    const { op, inputs, attributes } = node;
    // The fused kernel is there for this type alone.
    if (types.get(node.outputs[0]!)?.dtype !== "float32") return node;
    const fused = { ...node, op: "FusedMatMul", domain: contribDomain };
    if (op === "Gemm" && inputs.length === 2) {
      const { beta: _, ...same } = attributes;
      return { ...fused, attributes: same };
    }
    const [a, b] = op === "MatMul" ? inputs.map(straight) : [];
    if (a === undefined && b === undefined) return node;
    const flag = (on: boolean): Attribute => ({ type: "int", value: on ? 1 : 0 });
    return {
      ...fused,
      inputs: [a ?? inputs[0]!, b ?? inputs[1]!],
      attributes: { transA: flag(a !== undefined), transB: flag(b !== undefined) },
    };
  });
  return removeDead({ ...graph, nodes });
}

/**
 * The graph as one of whose shapes the runtime knows nothing before it runs. It would plan which value takes over whose
 * memory by comparing each with all that are free, which takes most of the time of loading after a cut, when hardly two
 * widths are the same. Its pool finds memory as fast without a plan. Integers become inputs with a default, as shapes
 * would follow from constants; but not where they go with constants alone, whose shapes are known anyway.
 */
function withoutShapes(graph: Graph): Graph {
  const bare = ({ name, dtype }: ValueInfo): ValueInfo => ({ name, dtype });
  const { initializers } = graph;
  const known = new Set(
    graph.nodes.flatMap(({ inputs }) => (inputs.every((name) => name === "" || initializers.has(name)) ? inputs : [])),
  );
  const integers = [...initializers].filter(([name, { dtype }]) => dtype === "int64" && !known.has(name));
  return {
    ...graph,
    inputs: [...graph.inputs, ...integers.map(([name, { dtype }]) => ({ name, dtype }))].map(bare),
    outputs: graph.outputs.map(bare),
    info: new Map(),
  };
}

/**
 * A graph that is loaded anew after every cut, and whether the runtime's optimiser is to rewrite it, which takes most
 * of the time of loading. On the CPU, where kernels are inputs, as weights that learn are, it finds one thing to gain,
 * and that is written here: products of transposed values.
 */
export function loadable(
  { graph, types }: { readonly graph: Graph; readonly types: ReadonlyMap<string, Type> },
  device: Device = "cpu",
): { readonly model: ModelFiles; readonly optimise: boolean } {
  return device === "cpu"
    ? { model: executable(withoutShapes(fuseProducts(graph, types))), optimise: false }
    : { model: executable(graph, device), optimise: true };
}
