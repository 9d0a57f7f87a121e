/** What leaves more open than the batch stays as open, and is cut and masked alike at sizes that nobody looked at before. */

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Graph, Model } from "../../src/graph/graph.ts";
import { float32, int64s, type Tensor } from "../../src/graph/tensor.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { analyse, type Analysis } from "../../src/prune/coupling/analysis.ts";
import { normalise } from "../../src/passes/normalise.ts";
import { cut } from "../../src/prune/cut/cut.ts";
import { mask } from "../../src/prune/cut/mask.ts";
import { assertProved, prove } from "../../src/prune/proof/prove.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { modelOf, node, value } from "../onnx/support.ts";
import { difference, noise } from "../support/graphs.ts";
import { laws } from "../support/laws.ts";
import { addWholes, drawRemoval } from "./support.ts";

interface Net {
  /** Units of the groups that have more than one. */
  readonly units: Readonly<Record<string, number>>;
  /** Inputs at sizes that a user may feed, by the batch. */
  readonly feeds: (batch: number) => readonly Readonly<Record<string, Tensor>>[];
  /** What stays fixed whatever the file says, with the reason. */
  readonly fixed?: RegExp;
}

const images = (n: number) =>
  [
    [12, 20],
    [19, 26],
    [31, 9],
  ].map(([h, w]) => ({ x: noise([n, 3, h!, w!], n) }));
const sequences = (n: number) => [1, 5, 18].map((length) => ({ x: noise([n, length, 6], n) }));
const masked = (n: number) => [{ x: noise([n, 7, 6], n), mask: noise([n, 7], 3) }];
const fixed = /axis 1 of input "x" is fixed to 7: at another size the model can not run \(Reshape/;
const unet = { "a.weight": 6, "b.weight": 8, "c.weight": 10, "up.weight": 8, "end.weight": 6 };
const folded = { "into.weight": 16, "q.weight": 4, "q.weight#2": 4, "v.weight": 4 };
const inProjection = {
  "attention.in_proj_weight": 4,
  "attention.in_proj_weight#2": 4,
  "attention.out_proj.weight": 16,
};

const cached = (n: number) =>
  [
    [1, 5],
    [4, 1],
    [2, 11],
  ].map(([length, past]) => ({
    ids: { ...int64s(Array.from({ length: n * length! }, (_, i) => (7 * i + n) % 20)), shape: [n, length!] },
    mask: {
      ...int64s(Array.from({ length: n * (length! + past!) }, (_, i) => Number(i % 5 > 0))),
      shape: [n, length! + past!],
    },
    key: noise([n, 4, past!, 4], 1),
    value: noise([n, 4, past!, 4], 2),
  }));

const nets: Readonly<Record<string, Net>> = {
  encoder: {
    units: {
      "into.weight": 16,
      "layer.self_attn.in_proj_weight": 4,
      "layer.self_attn.in_proj_weight#2": 4,
      "layer.linear1.weight": 24,
    },
    feeds: sequences,
  },
  masked: { units: { "into.weight": 16, ...inProjection }, feeds: masked, fixed },
  "masked-unnamed": { units: { "into.weight": 16, ...inProjection }, feeds: masked, fixed },
  folded: { units: folded, feeds: sequences },
  "folded-ts": { units: folded, feeds: sequences },
  "unet-sizes": { units: unet, feeds: images },
  "unet-sizes-dynamo": { units: unet, feeds: images },
  "unet-padding": { units: unet, feeds: images },
  windows: { units: { "into.weight": 8, "qkv.weight": 4, "qkv.weight#2": 2, "merge.weight": 8 }, feeds: images },
  cached: { units: { "embed.weight": 16, "up.weight": 24 }, feeds: cached },
  recurrent: { units: { "into.weight": 8, "gru.weight": 10, "gru.weight#2": 10 }, feeds: sequences },
  waves: {
    units: { "a.weight": 8, "b.weight": 10 },
    feeds: (n) => [5, 24, 41].map((time) => ({ x: noise([n, 2, time], n) })),
  },
};

const read = (name: string): Model =>
  loadModel(new Uint8Array(readFileSync(new URL(`../fixtures/open-sizes/${name}.onnx`, import.meta.url))));

/** Written, and read again. */
const asWritten = (model: Model, graph: Graph): Graph => loadModel(encodeModel({ ...model, graph })).graph;

/** Runs graphs on the same inputs and holds them against the first. */
async function compare(graphs: readonly Graph[], net: Net, model: Model): Promise<void> {
  const sessions = [];
  for (const graph of graphs) sessions.push(await directRuntime.load(encodeModel({ ...model, graph }), { threads: 1 }));
  for (const batch of [1, 2, 5])
    for (const feeds of net.feeds(batch)) {
      const results = [];
      for (const session of sessions) results.push(await session.run(feeds));
      for (const { name } of graphs[0]!.outputs)
        for (const result of results.slice(1)) {
          expect(result[name]!.shape).toEqual(results[0]![name]!.shape);
          const { largest, range } = difference(results[0]![name]!, result[name]!);
          expect(largest).toBeLessThanOrEqual(1e-5 * Math.max(range, 1e-3));
        }
    }
  for (const session of sessions) await session.dispose();
}

const exact = (groups: Analysis): Analysis => ({
  ...groups,
  groups: groups.groups.filter(({ inexact }) => inexact.length === 0),
});

describe.each(Object.entries(nets))("%s", (name, net) => {
  const model = read(name);
  const notes: string[] = [];
  const graph = normalise(model.graph, { onNote: (note) => notes.push(note) });
  const groups = analyse(graph);

  it("has the units of a net of one size, and declares what it did", () => {
    const sizes = groups.groups.flatMap(({ name: group, units }) => (units.length > 1 ? [[group, units.length]] : []));
    expect(Object.fromEntries(sizes)).toEqual(net.units);
    const declared = graph.inputs.map(({ shape }) => shape);
    if (net.fixed) expect(notes.join("\n")).toMatch(net.fixed);
    else {
      expect(declared).toEqual(model.graph.inputs.map(({ shape }) => shape));
      expect(notes).toEqual([expect.stringMatching(/^sizes that the file leaves open are counted at .*`shapes`$/)]);
    }
  });

  it("computes what the file does", () => compare([model.graph, graph], net, model));

  it("is cut as it is masked", laws, async () => {
    for (let plan = 0; plan < 3; plan++) {
      const removal = drawRemoval(exact(groups), plan);
      if (plan === 2) addWholes(exact(groups), removal, plan);
      const [small, zeroed] = [cut(graph, groups, removal).graph, mask(graph, groups, removal)];
      expect(small.inputs).toEqual(graph.inputs);
      expect(small.outputs).toEqual(graph.outputs);
      await compare([zeroed, small], net, model);
    }
  });

  it("is proved at two sizes of all that is open, and so is what is cut again", laws, async () => {
    const removal = drawRemoval(groups, 5);
    const proof = await prove(directRuntime, { ...model, graph }, groups, removal, { threads: 1 });
    assertProved(proof);
    for (const { name: input, shape } of graph.inputs)
      shape!.forEach((dim, axis) => {
        const sizes = new Set(proof.at.map((shapes) => shapes[input]![axis]));
        expect(sizes.size > 1).toBe(typeof dim === "string");
      });
    const small = cut(graph, groups, removal).graph;
    const again = normalise(asWritten(model, small));
    expect(again.inputs).toEqual(graph.inputs);
    const left = analyse(again);
    assertProved(await prove(directRuntime, { ...model, graph: again }, left, drawRemoval(left, 6), { threads: 1 }));
  });
});

describe("a norm over groups of channels behind a stride", () => {
  // A little more of an input leaves the output of the pooling as long as it was.
  const model = modelOf(17, {
    inputs: [value("x", ["n", 3, "height", "width"])],
    outputs: [value("y")],
    nodes: [
      node("Conv", ["x", "a"], ["c"], { pads: [1, 1, 1, 1] }),
      node("Relu", ["c"], ["r"]),
      node("MaxPool", ["r"], ["p"], { kernel_shape: [4, 4], strides: [4, 4] }),
      node("Conv", ["p", "b"], ["d"]),
      node("Shape", ["d"], ["size"]),
      node("Reshape", ["d", "grouped"], ["g"]),
      node("InstanceNormalization", ["g", "one", "zero"], ["i"]),
      node("Reshape", ["i", "size"], ["m"]),
      node("Mul", ["m", "scale"], ["s"]),
      node("Conv", ["s", "e"], ["y"]),
    ],
    initializers: new Map<string, Tensor>([
      ["a", noise([8, 3, 3, 3], 1)],
      ["b", noise([12, 8, 1, 1], 2)],
      ["grouped", int64s([0, 4, -1])],
      ["one", float32([4], [1, 1, 1, 1])],
      ["zero", float32([4], [0, 0, 0, 0])],
      ["scale", noise([12, 1, 1], 3)],
      ["e", noise([2, 12, 1, 1], 4)],
    ]),
  });
  const net: Net = { units: {}, feeds: images };
  const graph = normalise(model.graph);
  const groups = analyse(graph);

  it("is looked at where what the stride makes has other sizes too", () => {
    const at = groups.fewest.map(({ traced }) => traced.types.get("d")!.shape);
    const here = groups.traced.types.get("d")!.shape;
    for (const axis of [2, 3]) expect(at.some((shape) => shape[axis] !== here[axis])).toBe(true);
  });

  it("is cut as it is masked, at sizes that make others of the stride", async () => {
    const whole = exact(groups).groups.find(({ name, units }) => name === "b" && units.length === 4);
    const removal = new Map([["b", [1]]]);
    expect(whole).toBeDefined();
    const [small, zeroed] = [cut(graph, groups, removal).graph, mask(graph, groups, removal)];
    expect(small.initializers.get("b")!.shape).toEqual([9, 8, 1, 1]);
    await compare([zeroed, small], net, model);
  });
});

describe("sizes to look at a model with", () => {
  const unetGraph = read("unet-sizes").graph;

  it("are those that are given, and change nothing in what is written", () => {
    const given = normalise(unetGraph, { shapes: { x: [1, 3, 24, 40] } });
    expect(Object.fromEntries(given.sizes!)).toEqual({ height: 24, width: 40 });
    const found = normalise(unetGraph);
    const written = [given, found].map((graph) => encodeModel({ ...read("unet-sizes"), graph }));
    expect(Buffer.from(written[0]!).equals(Buffer.from(written[1]!))).toBe(true);
  });

  it("must fit the file and one another", () => {
    expect(() => normalise(unetGraph, { shapes: { x: [1, 4, 24, 40] } })).toThrow(
      'input "x" is [batch, 3, height, width], which the given [1, 4, 24, 40] does not fit',
    );
    const shapes = { ids: [1, 3], mask: [1, 9], key: [1, 4, 6, 4], value: [1, 4, 7, 4] };
    expect(() => normalise(read("cached").graph, { shapes })).toThrow(
      'the given shapes say that "past" is 6, and that it is 7',
    );
  });

  it("are asked for where none are found", () => {
    const { graph } = read("cached");
    const inputs = graph.inputs.map((input) => (input.name === "mask" ? { ...input, shape: ["batch", 613] } : input));
    expect(() => normalise({ ...graph, inputs })).toThrow(
      /no sizes were found for the open axes of "ids" \[batch, length\], .* that go together \(.*\); give them by `shapes: \{ "ids": \[ "N", "N" \] \}`/,
    );
    const shapes = { ids: [1, 600], key: [1, 4, 13, 4], value: [1, 4, 13, 4] };
    expect(normalise({ ...graph, inputs }, { shapes }).sizes!.get("length")).toBe(600);
  });
});
