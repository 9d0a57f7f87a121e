/** What users of other pruning tools complain about, each as a test that such a thing does not happen here. */

import { describe, expect, it } from "vitest";
import type { Graph, Node } from "../../src/graph/graph.ts";
import { toNumbers, type Tensor } from "../../src/graph/tensor.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { analyse, type Analysis } from "../../src/prune/coupling/analysis.ts";
import { normalise } from "../../src/passes/normalise.ts";
import { trace } from "../../src/passes/trace.ts";
import { costsOf } from "../../src/passes/costs.ts";
import { cut } from "../../src/prune/cut/cut.ts";
import { mask } from "../../src/prune/cut/mask.ts";
import { findGates } from "../../src/prune/gates/gates.ts";
import type { Removal } from "../../src/prune/coupling/removal.ts";
import { assertProved, prove } from "../../src/prune/proof/prove.ts";
import { selectShare } from "../../src/prune/select/select.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { difference, random, runGraph, tinyNet } from "../support/graphs.ts";
import { listNets, readNetModel } from "../support/reference.ts";

const tolerance = 1e-5;

const load = (name: string) => {
  const model = loadModel(readNetModel(name));
  return { ...model, graph: normalise(model.graph) };
};
const groupsOf = (graph: Graph): Analysis => analyse(graph, { batch: 2 });
const sizesOf = ({ groups }: Analysis) => Object.fromEntries(groups.map(({ name, units }) => [name, units.length]));
const drawn = (groups: Analysis, seed = 1) => {
  const next = random(seed);
  return new Map(groups.groups.map(({ name, units }) => [name, units.map(() => next())]));
};
/** A share of every group, the least important by numbers drawn at random. */
const share = (groups: Analysis, ratio: number): Removal =>
  selectShare(groups, drawn(groups), { ratio, scope: "local" });

/** How far what is cut is from what is masked, and how far both are from the whole net. */
async function compare(graph: Graph, removal: Removal, feeds: Record<string, Tensor>) {
  const groups = analyse(graph);
  const [whole, masked, pruned] = [
    await runGraph(graph, feeds),
    await runGraph(mask(graph, groups, removal), feeds),
    await runGraph(cut(graph, groups, removal).graph, feeds),
  ];
  const apart = (a: Record<string, Tensor>, b: Record<string, Tensor>) =>
    Math.max(...graph.outputs.map(({ name }) => difference(a[name]!, b[name]!).largest));
  return { error: apart(masked, pruned), effect: apart(whole, masked) };
}

describe("networks that others crash on, time out on, or cut wrongly", () => {
  const hard = [
    ["channel shuffle of ShuffleNet v1", "shuffle-v1"],
    ["channel shuffle and split of ShuffleNet v2", "shuffle-v2"],
    ["Swin's windows and their table of positions", "windows"],
    ["Swin's shifted windows", "windows-shifted"],
    ["pixel shuffle", "pixel-shuffle"],
    ["pixel shuffle by views", "pixel-shuffle-views"],
    ["LSTM", "lstm"],
    ["two layers of LSTM in both directions", "lstm-bidirectional"],
    ["GRU", "gru"],
    ["depthwise convolution with multiplier 2", "grouped-uneven"],
    ["C2f: chunk and concatenation", "c2f"],
    ["MLP-Mixer", "mixer"],
    ["q, k and v of one layer", "attention-merged"],
    ["PyTorch's multi-head attention", "attention-torch"],
    ["heads of k and v that several heads of q share", "attention-grouped"],
    ["a class token before the patches", "class-token"],
    ["ConvNeXt's block", "convnext"],
    ["SSD's head", "boxes"],
    ["a concatenation of one value with itself", "concat-itself"],
    ["squeeze and excitation beside a spatial gate", "gates"],
    ["a U-Net", "unet-nearest"],
  ] as const;
  it.each(hard)("%s", async (_what, name) => {
    const model = load(name);
    const groups = groupsOf(model.graph);
    const removal = share(groups, 0.5);
    expect(removal.size).toBeGreaterThan(0);
    const proof = await prove(directRuntime, model, groups, removal, { threads: 1 });
    assertProved(proof);
    const [before, after] = [model.graph, cut(model.graph, groups, removal).graph].map((graph) =>
      costsOf(trace(graph, { batch: 2 })),
    );
    expect(after!.params).toBeLessThan(before!.params);
    expect(after!.macs).toBeLessThanOrEqual(before!.macs);
  });
});

describe("channels behind a change of shape", () => {
  it("take along their own columns of the layer behind Flatten", () => {
    const { g, weight, x, finish } = tinyNet([2, 1, 3, 3]);
    const flat = g.Flatten(g.Relu(g.Conv(x, weight("conv", [4, 1, 1, 1]))));
    const graph = finish(g.Gemm(flat, weight("linear", [2, 36]), undefined, { transB: 1 }));
    const small = cut(graph, analyse(graph), new Map([["conv", [1]]])).graph;
    const rows = (one: Graph) => {
      const { data } = one.initializers.get("linear")!;
      return [0, 1].map((row) =>
        Array.from(data as Float32Array).slice((row * data.length) / 2, ((row + 1) * data.length) / 2),
      );
    };
    expect(rows(small)).toEqual(rows(graph).map((row) => row.filter((_, at) => Math.floor(at / 9) !== 1)));
  });

  it("are one unit each where a shuffle writes them in groups and back, and each takes its own place along", async () => {
    const { g, weight, x, finish, feeds } = tinyNet([2, 3, 4, 4]);
    const y = g.Relu(g.Conv(x, weight("first", [6, 3, 1, 1])));
    const apart = g.Transpose(g.Reshape(y, g.ints([2, 2, 3, 4, 4])), { perm: [0, 2, 1, 3, 4] });
    const graph = finish(g.Conv(g.Reshape(apart, g.ints([2, 6, 4, 4])), weight("second", [2, 6, 1, 1])));
    const groups = analyse(graph);
    // The same place of both groups, or one whole group.
    expect(groups.groups.map(({ units }) => units.length)).toEqual([3, 2]);
    const small = cut(graph, groups, new Map([["first", [0]]])).graph;
    const columns = (one: Graph) =>
      toNumbers(one.initializers.get("second")!).slice(0, one.initializers.get("second")!.shape[1]);
    // Channels 0 and 3 are 0 and 1 after the shuffle.
    expect(columns(small)).toEqual(columns(graph).slice(2));
    for (const removal of [new Map([["first", [1, 2]]]), new Map([["first#2", [1]]])]) {
      const { error, effect } = await compare(graph, removal, feeds);
      expect(error).toBeLessThan(tolerance);
      expect(effect).toBeGreaterThan(1e-2);
    }
  });
});

describe("an operator that is not known", () => {
  const mystery = (): Graph => {
    const { builder, g, weight, x, finish } = tinyNet([2, 3, 4, 4]);
    const first = g.Relu(g.Conv(x, weight("first", [6, 3, 1, 1])));
    const odd: Node = {
      op: "Mystery",
      domain: "com.example",
      name: "the odd one",
      inputs: [first.name],
      outputs: ["odd"],
      attributes: {},
    };
    builder.nodes.push(odd);
    builder.types.set("odd", { dtype: "float32", shape: [2, 6, 4, 4] });
    const second = g.Relu(g.Conv({ ...first, name: "odd" }, weight("second", [5, 6, 1, 1])));
    const graph = finish(g.Conv(second, weight("third", [2, 5, 1, 1])));
    return { ...graph, info: new Map([["odd", { name: "odd", dtype: "float32", shape: [2, 6, 4, 4] }]]) };
  };

  it("keeps what it touches whole, is named, and stops nothing else", () => {
    const groups = analyse(mystery());
    expect(sizesOf(groups)).toEqual({ second: 5 });
    const frozen = groups.frozen.find(({ name }) => name === "first")!;
    expect(frozen.units).toBe(6);
    expect(frozen.reasons.join()).toMatch(/Mystery "the odd one": operator com\.example\.Mystery is not known/);
    expect(() => cut(mystery(), groups, new Map([["first", [0]]]))).toThrow(/"first" can not be pruned: .*the odd one/);
  });

  it("leaves the rest to be cut even where no shape is declared behind it", () => {
    const graph: Graph = { ...mystery(), info: new Map() };
    const groups = analyse(graph);
    expect(groups.groups).toEqual([]);
    expect(trace(graph).refusals[0]!.node.name).toBe("the odd one");
  });
});

describe("inputs and outputs", () => {
  it.each(listNets())("of %s stay however much is removed", (name) => {
    const { graph } = load(name);
    const groups = groupsOf(graph);
    const small = cut(graph, groups, share(groups, 0.9)).graph;
    expect(small.inputs).toEqual(graph.inputs);
    expect(small.outputs).toEqual(graph.outputs);
    const [before, after] = [graph, small].map((one) => trace(one, { batch: 2 }).types);
    for (const { name: output } of graph.outputs) expect(after!.get(output)).toEqual(before!.get(output));
  });

  it("all stay where there are several", () => {
    const { g, weight, x, finish } = tinyNet([2, 3]);
    const hidden = g.Relu(g.MatMul(x, weight("hidden", [3, 6])));
    const graph = finish(g.MatMul(hidden, weight("one", [6, 4])), g.MatMul(hidden, weight("other", [6, 5])), hidden);
    const groups = analyse(graph);
    expect(groups.groups).toEqual([]);
    expect(groups.frozen.map(({ name }) => name).toSorted()).toEqual(["hidden", "one", "other"]);
  });
});

describe("what is pruned is what is masked", () => {
  it("although BatchNormalization makes something of nothing", async () => {
    const { g, weight, x, finish, feeds } = tinyNet([2, 3, 4, 4]);
    const y = g.Conv(x, weight("first", [4, 3, 1, 1]));
    const normal = g.BatchNormalization(
      y,
      weight("scale", [4], 0.5),
      weight("shift", [4], 0.5),
      weight("mean", [4]),
      weight("var", [4], 0.5),
    );
    const graph = finish(g.Conv(g.Relu(normal), weight("second", [2, 4, 1, 1])));
    const { error, effect } = await compare(graph, new Map([["first", [2]]]), feeds);
    expect(error).toBeLessThan(tolerance);
    expect(effect).toBeGreaterThan(1e-2);
    // Zeros in the convolution alone leave the shift, which the readers would miss.
    const zeroed = (graph.initializers.get("first")!.data as Float32Array).map((w, i) =>
      Math.floor(i / 3) === 2 ? 0 : w,
    );
    const filter: Graph = {
      ...graph,
      initializers: new Map(graph.initializers).set("first", { ...graph.initializers.get("first")!, data: zeroed }),
    };
    const groups = analyse(graph);
    const output = graph.outputs[0]!.name;
    const [leaky, masked] = [
      await runGraph(filter, feeds),
      await runGraph(mask(graph, groups, new Map([["first", [2]]])), feeds),
    ];
    expect(difference(leaky[output]!, masked[output]!).largest).toBeGreaterThan(1e-2);
    // So the gate that importance is measured at stands behind it.
    expect(
      findGates(groups)
        .get("first")!
        .map(({ value }) => value),
    ).toEqual([normal.name]);
  });

  it("although a weight is used twice", async () => {
    const { g, weight, x, finish, feeds } = tinyNet([2, 3, 4, 4]);
    const same = weight("same", [4, 4, 1, 1]);
    const once = g.Relu(g.Conv(g.Relu(g.Conv(x, weight("stem", [4, 3, 1, 1]))), same));
    const graph = finish(g.Conv(g.Relu(g.Conv(once, same)), weight("head", [2, 4, 1, 1])));
    const groups = analyse(graph);
    expect(sizesOf(groups)).toEqual({ stem: 4 });
    expect(cut(graph, groups, new Map([["stem", [1]]])).graph.initializers.get("same")!.shape).toEqual([3, 3, 1, 1]);
    expect((await compare(graph, new Map([["stem", [1, 3]]]), feeds)).error).toBeLessThan(tolerance);
  });

  it("although an exporter stored equal weights once", () => {
    const groups = groupsOf(load("vgg-shared").graph);
    // The scales of all normalisations are equal, and still each layer has its own units.
    expect(groups.groups.map(({ units }) => units.length)).toEqual([8, 8, 12, 12, 16]);
  });
});
