/** Biases that are corrected after a cut, and what operators say is a bias. */

import { describe, expect, it } from "vitest";
import type { Graph } from "../../src/graph/graph.ts";
import { float32, tensor, toNumbers, type Tensor } from "../../src/graph/tensor.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { trace } from "../../src/passes/trace.ts";
import { cut } from "../../src/prune/cut/cut.ts";
import { findGroups, type Removal } from "../../src/prune/coupling/groups.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { correctBias } from "../../src/train/correct-bias.ts";
import { prepare } from "../../src/execute/prepare.ts";
import { randomDataset } from "../support/datasets.ts";
import { runGraph } from "../support/graphs.ts";
import { readNetModel, relativeError } from "../support/reference.ts";

/** Every third unit of each group goes, and then the first of what is left. */
function cutTwice(graph: Graph): { smaller: Graph; removals: Removal[] } {
  let smaller = graph;
  const removals = [3, 1000].map((step) => {
    const groups = findGroups(trace(smaller));
    const removal: Removal = new Map(
      groups.groups
        .filter(({ units }) => units.length > 2)
        .map(({ name, units }) => [name, units.flatMap((_, i) => (i % step === 0 ? [i] : []))]),
    );
    smaller = cut(smaller, groups, removal).graph;
    return removal;
  });
  return { smaller, removals };
}

/** The mean of each channel, along the axis 1. */
function channelMeans({ shape, data }: Tensor): number[] {
  const [n, channels, ...rest] = shape as [number, number, ...number[]];
  const inner = rest.reduce((a, b) => a * b, 1);
  const means = Array.from({ length: channels }, () => 0);
  (data as Float32Array).forEach((x, i) => (means[Math.floor(i / inner) % channels]! += x / (n * inner)));
  return means;
}

/** The nodes whose third input is a bias. */
const biased = (graph: Graph) =>
  graph.nodes.filter(({ op, inputs }) => /Conv|Gemm|BatchNormalization/.test(op) && inputs.length > 2);

describe.each(["residual-conv-folded", "vgg-folded", "depthwise-folded", "dense"])("%s", (name) => {
  const graph = prepare(loadModel(readNetModel(name)));
  const { smaller, removals } = cutTwice(graph);
  const data = randomDataset(graph, { samples: 24 });
  const options = { removals, batchSize: 8, threads: 1 };
  const nodes = biased(smaller);
  const run = async (one: Graph): Promise<Map<string, number[]>> => {
    const outputs = nodes.map(({ outputs: [output] }) => ({ name: output!, dtype: "float32" as const }));
    const means = new Map<string, number[]>();
    for await (const { inputs } of data.batches({ batchSize: 24 }))
      for (const [key, value] of Object.entries(await runGraph({ ...one, outputs }, inputs)))
        means.set(key, channelMeans(value));
    return means;
  };
  /** The channels of the original that are left at a bias. */
  const left = (bias: string): number[] => {
    let rest = tensor("int32", graph.initializers.get(bias)!.shape, graph.initializers.get(bias)!.data.keys());
    let now = graph;
    for (const removal of removals) {
      const step = cut(now, findGroups(trace(now)), removal);
      rest = step.shrink(bias, rest);
      now = step.graph;
    }
    return toNumbers(rest);
  };

  it("has the original's means at each channel that is left", async () => {
    const corrected = await correctBias(directRuntime, smaller, graph, data, options);
    const [before, off, after] = [await run(graph), await run(smaller), await run(corrected)];
    expect(nodes.length).toBeGreaterThan(1);
    let worst = 0;
    for (const { inputs, outputs } of nodes) {
      const wanted = left(inputs[2]!).map((channel) => before.get(outputs[0]!)![channel]!);
      expect(relativeError(after.get(outputs[0]!)!, wanted), outputs[0]).toBeLessThan(1e-4);
      worst = Math.max(worst, relativeError(off.get(outputs[0]!)!, wanted));
    }
    expect(worst).toBeGreaterThan(0.01);
    for (const [key, value] of corrected.initializers)
      if (!nodes.some(({ inputs }) => inputs[2] === key)) expect(value, key).toEqual(smaller.initializers.get(key));
  });

  it("stays as it is where nothing was removed", async () => {
    const same = await correctBias(directRuntime, graph, graph, data, { ...options, removals: [] });
    for (const [key, value] of same.initializers)
      expect(relativeError(toNumbers(value), toNumbers(graph.initializers.get(key)!)), key).toBeLessThan(1e-5);
  });

  it("refuses removals that lead elsewhere", () =>
    expect(
      correctBias(directRuntime, smaller, graph, data, { ...options, removals: removals.slice(0, 1) }),
    ).rejects.toThrow("do not lead from the original"));
});

it("a product with a sum behind it has a bias too", async () => {
  const node = (op: string, inputs: string[], output: string) =>
    ({ op, domain: "", name: output, inputs, outputs: [output], attributes: {} }) as const;
  const graph: Graph = {
    name: "",
    nodes: [
      node("MatMul", ["x", "v"], "product"),
      node("Add", ["b", "product"], "sum"),
      node("Relu", ["sum"], "relu"),
      node("MatMul", ["relu", "w"], "last"),
      node("Add", ["last", "c"], "y"),
    ],
    inputs: [{ name: "x", dtype: "float32", shape: ["N", 1] }],
    outputs: [{ name: "y", dtype: "float32", shape: ["N", 1] }],
    initializers: new Map([
      ["v", float32([1, 2], [0, 0])],
      ["b", float32([2], [3, 5])],
      ["w", float32([2, 1], [10, 1])],
      ["c", float32([1], [0.5])],
    ]),
    info: new Map(),
  };
  const groups = findGroups(trace(graph));
  const removal: Removal = new Map([[groups.groups[0]!.name, [0]]]);
  const { graph: smaller } = cut(graph, groups, removal);
  const data = randomDataset({ inputs: [{ name: "x", dtype: "float32", shape: [4, 1] }] }, { samples: 8 });
  const options = { removals: [removal], batchSize: 4, threads: 1 };
  const corrected = await correctBias(directRuntime, smaller, graph, data, options);
  expect(toNumbers(corrected.initializers.get("b")!)).toEqual([5]);
  // The unit that went gave 10 · relu(3).
  expect(toNumbers(corrected.initializers.get("c")!)).toEqual([30.5]);
});
