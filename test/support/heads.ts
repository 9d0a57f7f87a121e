/** Small nets with several outputs, for tests. */

import type { Graph } from "../../src/graph/graph.ts";
import type { Value } from "../../src/ops/core/define.ts";
import { tinyNet } from "./graphs.ts";

type Net = ReturnType<typeof tinyNet>;

/** A net with a hidden layer of 12, and outputs named for what they are. */
export function netOf(outputs: (net: Net, hidden: Value) => Readonly<Record<string, Value>>): Graph {
  const net = tinyNet([8, 6]);
  const { g, weight } = net;
  const hidden = g.Relu(g.Gemm(net.x, weight("w1", [6, 12]), weight("b1", [12])));
  const named = Object.entries(outputs(net, hidden));
  const graph = net.finish(...named.map(([, value]) => value));
  const names = new Map(named.map(([name, value]) => [value.name, name]));
  const renamed = (all: readonly string[]): string[] => all.map((name) => names.get(name) ?? name);
  return {
    ...graph,
    inputs: graph.inputs.map((input) => ({ ...input, shape: ["batch", 6] })),
    nodes: graph.nodes.map((node) => ({ ...node, inputs: renamed(node.inputs), outputs: renamed(node.outputs) })),
    outputs: graph.outputs.map(({ name, dtype, shape }) => ({
      name: names.get(name)!,
      dtype,
      shape: ["batch", ...shape!.slice(1)],
    })),
  };
}

export const linear = ({ g, weight }: Net, hidden: Value, name: string, size: number): Value =>
  g.Gemm(hidden, weight(`w/${name}`, [12, size]), weight(`b/${name}`, [size]));
