/** The networks of the zoo: what they look like, that they run, and that they can be pruned. */

import { describe, expect, it } from "vitest";
import { SecateurError } from "../../src/graph/error.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { sizeOf, type Tensor } from "../../src/graph/tensor.ts";
import { decodeModel } from "../../src/onnx/decode.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { analyse, type Analysis } from "../../src/prune/coupling/analysis.ts";
import { enterTraining } from "../../src/passes/training.ts";
import { cut } from "../../src/prune/cut/cut.ts";
import { mask } from "../../src/prune/cut/mask.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { newModel, zoo, zooNames, type NewModelOptions, type ZooName } from "../../src/zoo/zoo.ts";
import { difference, random, runGraph, shuffled } from "../support/graphs.ts";

const cutTolerance = 1e-5;

const isStatistic = (name: string) => /\.running_(mean|var)$/.test(name);

/** Elements of the initializers that are learned: neither running statistics nor sizes. */
function countParameters(graph: Graph): number {
  let count = 0;
  for (const [name, { dtype, shape }] of graph.initializers)
    if (dtype === "float32" && !isStatistic(name)) count += sizeOf(shape);
  return count;
}

function numbersOf(graph: Graph, name: string): Float32Array {
  return graph.initializers.get(name)!.data as Float32Array;
}

/** Images of numbers that are spread evenly between -1 and 1. */
function imagesOf(batch: number, input: readonly number[], seed: number): Tensor {
  const next = random(seed);
  const shape = [batch, ...input];
  return { dtype: "float32", shape, data: Float32Array.from({ length: sizeOf(shape) }, () => 2 * next() - 1) };
}

const groupsOf = (graph: Graph): Analysis => analyse(graph);
const sizesOf = ({ groups }: Analysis) => Object.fromEntries(groups.map(({ name, units }) => [name, units.length]));

// By hand: 16*3*25+16 + 32*16*25+32 + 800*120+120 + 120*84+84 + 84*10+10.
const lenet3Parameters = 1_216 + 12_832 + 96_120 + 10_164 + 850;
// By hand: 6*25+6 + 16*6*25+16 + 400*120+120 + 120*84+84 + 84*10+10.
const lenet5Parameters = 156 + 2_416 + 48_120 + 10_164 + 850;
// The known count of VGG11 with one layer of 512 inputs, less the 2,752 biases of its convolutions.
const vgg11Parameters = 9_231_114 - 2_752;

const parameters: Readonly<Record<ZooName, number>> = {
  lenet3: lenet3Parameters,
  lenet5: lenet5Parameters,
  resnet20: 269_722,
  resnet56: 853_018,
  vgg11: vgg11Parameters,
};

/** One group inside each block, and one for what each stage adds to the residual stream. */
const resnetGroups = (blocks: number): Record<string, number> => {
  const inner = [16, 32, 64].flatMap((channels, stage) =>
    Array.from({ length: blocks }, (_, block) => [`layer${stage + 1}.${block}.conv1.weight`, channels] as const),
  );
  const streams = [
    ["conv1.weight", 16],
    ["layer2.0.conv2.weight", 16],
    ["layer3.0.conv2.weight", 32],
  ] as const;
  return Object.fromEntries([...inner, ...streams]);
};

const groupSizes: Readonly<Record<ZooName, Record<string, number>>> = {
  lenet3: { "conv1.weight": 16, "conv2.weight": 32, "fc1.weight": 120, "fc2.weight": 84 },
  lenet5: { "conv1.weight": 6, "conv2.weight": 16, "fc1.weight": 120, "fc2.weight": 84 },
  resnet20: resnetGroups(3),
  resnet56: resnetGroups(9),
  vgg11: Object.fromEntries(
    [64, 128, 256, 256, 512, 512, 512, 512].map((channels, i) => [
      `features.${[0, 4, 8, 11, 15, 18, 22, 25][i]}.weight`,
      channels,
    ]),
  ),
};

describe.each(zooNames)("%s", (name) => {
  const model = newModel(name, { classes: 10, seed: 7 });
  const { graph } = model;
  const { input } = zoo[name];

  it("declares an open batch, and the opset that the library works in", () => {
    expect(graph.inputs).toEqual([{ name: "input", dtype: "float32", shape: ["batch", ...input] }]);
    expect(graph.outputs).toEqual([{ name: "logits", dtype: "float32", shape: ["batch", 10] }]);
    expect(graph.info.size).toBe(0);
    expect({ ...model, graph: undefined }).toMatchObject({
      producerName: "secateur",
      irVersion: 11,
      opsets: { "": 23 },
    });
  });

  it("runs at any batch, and each image by itself", async () => {
    const images = imagesOf(3, input, 5);
    const session = await directRuntime.load(encodeModel(model), { threads: 1 });
    try {
      const three = (await session.run({ input: images }))["logits"]!;
      expect(three.shape).toEqual([3, 10]);
      const first = (images.data as Float32Array).slice(0, sizeOf(input));
      const one = (await session.run({ input: { ...images, shape: [1, ...input], data: first } }))["logits"]!;
      expect(one.shape).toEqual([1, 10]);
      const logits = three.data as Float32Array;
      const { largest, range } = difference(one, { ...one, data: logits.slice(0, 10) });
      expect(largest).toBeLessThan(1e-4 * range);
      expect(logits.every(Number.isFinite)).toBe(true);
    } finally {
      await session.dispose();
    }
  });

  it("starts to learn with logits around 1", async () => {
    // In training mode: until the statistics are learned, each residual block doubles the variance of what it evaluates.
    const start = enterTraining(graph).graph;
    const logits = (await runGraph(start, { input: imagesOf(8, input, 5) }))["logits"]!.data as Float32Array;
    expect(deviationOf(logits)).toBeGreaterThan(0.01);
    expect(deviationOf(logits)).toBeLessThan(10);
  });

  it("has the known number of parameters", () => {
    expect(countParameters(graph)).toBe(parameters[name]);
  });

  it("gives every node and value a name of its own, and every weight that of its node", () => {
    const nodes = graph.nodes.map((node) => node.name);
    expect(nodes).not.toContain("");
    expect(new Set(nodes).size).toBe(nodes.length);
    for (const node of graph.nodes) {
      const weights = node.inputs.filter((value) => graph.initializers.has(value));
      for (const weight of weights.filter((value) => graph.initializers.get(value)!.dtype === "float32"))
        expect(weight.slice(0, weight.lastIndexOf("."))).toBe(node.name);
    }
    const values = [...graph.initializers.keys(), ...graph.nodes.flatMap((node) => node.outputs)];
    expect(new Set(values).size).toBe(values.length);
  });

  it("has the groups that its shape suggests", () => {
    expect(sizesOf(groupsOf(graph))).toEqual(groupSizes[name]);
  });

  it("cut equals masked", async () => {
    const groups = groupsOf(graph);
    const next = random(11);
    const removal = new Map(
      groups.groups.map(({ name: group, units }) => [
        group,
        shuffled(units.length, next).slice(0, Math.floor(units.length * (0.1 + 0.4 * next()))),
      ]),
    );
    const small = cut(graph, groups, removal).graph;
    expect(countParameters(small)).toBeLessThan(countParameters(graph));
    const feeds = { input: imagesOf(2, input, 3) };
    const masked = (await runGraph(mask(graph, groups, removal), feeds))["logits"]!;
    const pruned = (await runGraph(small, feeds))["logits"]!;
    const whole = (await runGraph(graph, feeds))["logits"]!;
    const { largest, range } = difference(masked, pruned);
    expect(largest).toBeLessThan(cutTolerance * Math.max(1, range));
    expect(difference(whole, pruned).largest).toBeGreaterThan(1e-3 * range);
  });
});

describe("weights", () => {
  it.each(["lenet3", "resnet20"] as const)("of %s depend on the seed alone", (name) => {
    const bytes = (seed: number) => encodeModel(newModel(name, { classes: 10, seed }));
    expect(Buffer.compare(bytes(3), bytes(3))).toBe(0);
    expect(Buffer.compare(bytes(3), bytes(4))).not.toBe(0);
  });

  it("of the LeNets are uniform within 1/sqrt(fan_in)", () => {
    const { graph } = newModel("lenet3", { classes: 10, seed: 1 });
    for (const [name, fanIn] of [
      ["conv2", 400],
      ["fc1", 800],
    ] as const) {
      const bound = 1 / Math.sqrt(fanIn);
      const weights = numbersOf(graph, `${name}.weight`);
      const biases = numbersOf(graph, `${name}.bias`);
      expect(Math.max(...weights.map(Math.abs), ...biases.map(Math.abs))).toBeLessThanOrEqual(Math.fround(bound));
      expect(new Set(biases).size).toBe(biases.length);
      expect(meanOf(weights) / bound).toBeCloseTo(0, 1);
      expect(deviationOf(weights) / (bound / Math.sqrt(3))).toBeCloseTo(1, 1);
    }
  });

  it("of the ResNets are normal with a variance of 2/fan_in", () => {
    const { graph } = newModel("resnet20", { classes: 10, seed: 1 });
    const weights = numbersOf(graph, "layer3.1.conv2.weight");
    const deviation = Math.sqrt(2 / (64 * 9));
    expect(Math.abs(meanOf(weights)) / deviation).toBeLessThan(0.02);
    expect(Math.abs(deviationOf(weights) / deviation - 1)).toBeLessThan(0.02);
    const within = weights.filter((x) => Math.abs(x) < deviation).length / weights.length;
    expect(Math.abs(within - 0.6827)).toBeLessThan(0.01);
    for (const [suffix, value] of [
      ["weight", 1],
      ["bias", 0],
      ["running_mean", 0],
      ["running_var", 1],
    ] as const)
      expect(new Set(numbersOf(graph, `layer3.1.bn2.${suffix}`))).toEqual(new Set([value]));
    const head = Math.max(...numbersOf(graph, "fc.bias").map(Math.abs));
    expect(head).toBeGreaterThan(0);
    expect(head).toBeLessThanOrEqual(1 / 8);
  });
});

describe("options", () => {
  const codeAndMessage = (name: string, options: NewModelOptions): string => {
    try {
      newModel(name as ZooName, options);
    } catch (error) {
      if (error instanceof SecateurError) return `${error.code}: ${error.message}`;
      throw error;
    }
    return "no error";
  };

  it.each(zooNames)("the smallest image of %s runs, and of other sizes too", async (name) => {
    const { smallest } = zoo[name];
    for (const size of [
      [smallest, smallest],
      [smallest + 5, smallest + 2],
    ] as const) {
      const input = [2, ...size];
      const { graph } = newModel(name, { classes: 3, input, seed: 0 });
      const logits = (await runGraph(graph, { input: imagesOf(2, input, 1) }))["logits"]!;
      expect(logits.shape).toEqual([2, 3]);
      expect(Array.from(logits.data as Float32Array).every(Number.isFinite)).toBe(true);
    }
  });

  it.each(zooNames)("an image too small for %s is refused", (name) => {
    const { smallest } = zoo[name];
    for (const input of [
      [3, smallest - 1, 64],
      [3, 64, smallest - 1],
    ]) {
      const error = codeAndMessage(name, { classes: 10, input, seed: 0 });
      expect(error).toBe(
        `bad-option: the input of ${name} is [${input.join(", ")}], which is too small; ` +
          `give a height and width of at least ${smallest}`,
      );
    }
  });

  it("names what is wrong, all of it together", () => {
    const error = codeAndMessage("lenet3", { classes: 0, input: [3, 32], seed: 0.5 });
    expect(error).toContain("bad-option: the number of classes of lenet3 is 0");
    expect(error).toContain("the seed of lenet3 is 0.5");
    expect(error).toContain("the input of lenet3 is [3, 32]");
    expect(codeAndMessage("lenet4", { classes: 10, seed: 0 })).toBe(
      `bad-option: there is no network "lenet4"; choose one of lenet3, lenet5, resnet20, resnet56, vgg11`,
    );
    expect(codeAndMessage("toString", { classes: 10, seed: 0 })).toContain("there is no network");
  });

  it("survive a file", () => {
    const model = newModel("resnet20", { classes: 4, input: [1, 8, 8], seed: 2 });
    const read = decodeModel(encodeModel(model));
    expect(read.graph.nodes).toEqual(model.graph.nodes);
    expect(read.graph.inputs).toEqual(model.graph.inputs);
    expect([...read.graph.initializers.keys()].toSorted()).toEqual([...model.graph.initializers.keys()].toSorted());
  });
});

function meanOf(values: Float32Array): number {
  return values.reduce((sum, x) => sum + x, 0) / values.length;
}

function deviationOf(values: Float32Array): number {
  const mean = meanOf(values);
  return Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length);
}
