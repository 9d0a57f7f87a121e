/** What can be removed from each pattern of layers, and that what is cut then is proved, at every batch. */

import { describe, expect, it } from "vitest";
import { encodeModel } from "../../src/onnx/encode.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { analyse, type Analysis } from "../../src/prune/coupling/analysis.ts";
import { normalise } from "../../src/passes/normalise.ts";
import { cut } from "../../src/prune/cut/cut.ts";
import type { Removal } from "../../src/prune/coupling/removal.ts";
import { assertProved, prove } from "../../src/prune/proof/prove.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { random, shuffled } from "../support/graphs.ts";
import { readNetModel } from "../support/reference.ts";

interface Pattern {
  /** Units by group, in the order of the graph. Groups of a single unit, which stays, are left out. */
  readonly groups: Readonly<Record<string, number>>;
  /** Weights beside the head's that can not be pruned, each with a part of the reason. */
  readonly frozen?: Readonly<Record<string, RegExp>>;
}

const patterns: Readonly<Record<string, Pattern>> = {
  // The factors for channels go with the channels; those for pixels are one channel that all others need.
  gates: {
    groups: { "0.weight": 8, "2.down.weight": 3, "4.weight": 6 },
    frozen: { "3.conv.weight": /needs axis 1 of .* whole/ },
  },
  // Two groups of four: places 0 and 2 of a group are shuffled to places of different groups, and so are 1 and 3.
  "shuffle-v1": { groups: { "0.weight": 3, "2.body.0.weight": 2, "3.body.0.weight": 2 } },
  // 16 channels shuffled in two groups are 8 pairs, of which the later shuffles unite some; inside a block each channel is one.
  "shuffle-v2": {
    groups: {
      "0.weight": 6,
      "2.left.1.weight": 2,
      "2.left.1.weight#2": 2,
      "2.left.1.weight#3": 4,
      "2.right.0.weight": 8,
      "3.body.0.weight": 8,
      "4.body.0.weight": 8,
      "5.weight": 6,
    },
  },
  // The mean and the maximum of all channels are theirs.
  "gates-pooled": {
    groups: { "0.weight": 8, "2.down.weight": 3, "4.weight": 6 },
    frozen: { "3.conv.weight": /needs axis 1 of .* whole/ },
  },
  // Every layer's channels are read by all that follow.
  dense: {
    groups: {
      "0.weight": 6,
      "1.layers.0.2.weight": 4,
      "1.layers.1.2.weight": 4,
      "1.layers.2.2.weight": 4,
      "2.0.weight": 9,
      "4.layers.0.2.weight": 4,
      "4.layers.1.2.weight": 4,
    },
  },
  // The first half of a C2f's convolution is free; the second goes with what its blocks add to it. SPPF reads its convolution four times.
  c2f: {
    groups: {
      "0.0.weight": 6,
      "1.first.0.weight": 3,
      "1.first.0.weight#2": 3,
      "1.blocks.0.body.0.0.weight": 3,
      "1.blocks.1.body.0.0.weight": 3,
      "1.last.0.weight": 6,
      "2.first.0.weight": 4,
      "2.last.0.weight": 6,
    },
  },
  // 6 channels in 3 groups are 2 units; the 12 channels that groups of 4 give and, doubled, groups of 12 read are 2.
  "grouped-uneven": { groups: { "0.weight": 2, "2.weight": 2, "6.weight": 4 } },
  // Four channels of the convolution for each of the 2 x 2 pixels are one channel after it.
  "pixel-shuffle": { groups: { "0.weight": 6, "2.weight": 4 } },
  "pixel-shuffle-views": { groups: { "0.weight": 6, "2.weight": 4 } },
  "pixel-unshuffle": { groups: { "0.weight": 4, "3.weight": 6 } },
  "unet-transpose": { groups: { "first.weight": 4, "second.weight": 6, "up.weight": 5, "last.weight": 4 } },
  "unet-nearest": { groups: { "first.weight": 4, "second.weight": 6, "up.weight": 5, "last.weight": 4 } },
  "unet-bilinear": { groups: { "first.weight": 4, "second.weight": 6, "up.weight": 5, "last.weight": 4 } },
  shared: { groups: { "stem.weight": 6, "embed.weight": 8 } },
  // Side by side in space, both branches have the same channels.
  "concat-axes": { groups: { "left.weight": 6, "below.weight": 5 } },
  "concat-itself": { groups: { "stem.weight": 6, "next.weight": 5 } },
  boxes: {
    groups: { "first.weight": 6, "second.weight": 8 },
    frozen: { "places.0.weight": /output/, "scores.0.weight": /output/ },
  },
  // The width of the model; the inner width of every head (of q, k and v where one layer makes them); whole heads; the hidden width.
  "attention-merged": {
    groups: { "embed.weight": 8, "attention.qkv.weight": 4, "attention.qkv.weight#2": 3, "up.weight": 12 },
  },
  // Where q, k and v are layers of their own, the inner width of q and k is not that of v.
  "attention-separate": {
    groups: {
      "embed.weight": 8,
      "attention.q.weight": 4,
      "attention.q.weight#2": 3,
      "attention.v.weight": 4,
      "up.weight": 12,
    },
  },
  // Behind LayerNormalization the width goes as well, with what it counts.
  transformer: {
    groups: { "embed.weight": 8, "attention.qkv.weight": 4, "attention.qkv.weight#2": 3, "up.weight": 12 },
  },
  "transformer-13": {
    groups: {
      "embed.weight": 8,
      "attention.q.weight": 4,
      "attention.q.weight#2": 3,
      "attention.v.weight": 4,
      "up.weight": 12,
    },
  },
  // The width, and the hidden width of both mixes.
  mixer: {
    groups: { "patch.weight": 8, "tokens.0.weight": 7, "channels.0.weight": 10 },
    frozen: { "tokens.2.weight": /needs axis 2 of .* whole/ },
  },
  // The width with the depthwise convolution, both scales and what is added; the hidden width.
  convnext: { groups: { "stem.weight": 8, "up.weight": 12 } },
  "convnext-13": { groups: { "stem.weight": 8, "up.weight": 12 } },
  // Two heads of k and v for four of q: a head of k with both of its heads of q, or the first of every two heads of q alone.
  "attention-grouped": {
    groups: {
      "embed.weight": 8,
      "attention.q.weight": 2,
      "attention.q.weight#2": 4,
      "attention.q.weight#3": 2,
      "attention.v.weight": 4,
      "up.weight": 12,
    },
  },
  // One layer makes q, k and v, but slices of it, so that v's inner width is its own; heads share an axis with the batch.
  "attention-torch": {
    groups: {
      "embed.weight": 8,
      "attention.in_proj_weight": 4,
      "attention.in_proj_weight#2": 4,
      "attention.in_proj_weight#3": 2,
      "up.weight": 12,
    },
  },
  // As attention-merged; a head takes its column of the table of biases along.
  windows: {
    groups: { "embed.weight": 8, "attention.qkv.weight": 4, "attention.qkv.weight#2": 2 },
    frozen: { table: /stays whole/ },
  },
  // Two rolls of slices and concatenations, and a mask for each window that is repeated for each image.
  "windows-shifted": {
    groups: { "embed.weight": 8, "attention.qkv.weight": 4, "attention.qkv.weight#2": 2 },
    frozen: { mask: /axis 2/ },
  },
  "class-token": {
    groups: { "patch.weight": 8, "attention.qkv.weight": 4, "attention.qkv.weight#2": 2 },
    frozen: { token: /needs axis 1/, places: /needs axis 1/ },
  },
};

const load = (name: string) => {
  const model = loadModel(readNetModel(name));
  return { ...model, graph: normalise(model.graph) };
};

/** About half of the units of some groups. */
function halfOf(groups: Analysis, names: readonly string[], seed: number): Map<string, number[]> {
  const next = random(seed);
  const chosen = groups.groups.filter(({ name, units }) => names.includes(name) && units.length > 1);
  return new Map(
    chosen.map(({ name, units }) => [name, shuffled(units.length, next).slice(0, Math.ceil(units.length / 2.5))]),
  );
}

for (const [name, pattern] of Object.entries(patterns))
  describe(name, () => {
    const model = load(name);
    const groups = analyse(model.graph, { batch: 2 });
    const names = groups.groups.map((group) => group.name);

    it("has the units that the pattern allows", () => {
      const sizes = groups.groups.map((group) => [group.name, group.units.length] as const);
      expect(Object.fromEntries(sizes.filter(([, units]) => units > 1))).toEqual(pattern.groups);
      const frozen = new Map(groups.frozen.map((group) => [group.name, group.reasons.join("; ")]));
      for (const [weight, reason] of Object.entries(pattern.frozen ?? {})) expect(frozen.get(weight)).toMatch(reason);
      const others = [...frozen].filter(([weight]) => !(weight in (pattern.frozen ?? {})));
      // Classes are not units.
      for (const [, reason] of others) expect(reason).toContain('"output" is an output of the model');
    });

    const check = async (removal: Removal) => {
      expect(removal.size).toBeGreaterThan(0);
      assertProved(await prove(directRuntime, model, groups, removal, { threads: 1 }));
      // What is written does not know the batch of the trace.
      const files = [1, 2, 3, 4].map((batch) => {
        const others = analyse(model.graph, { batch });
        return Buffer.from(encodeModel({ ...model, graph: cut(model.graph, others, removal).graph }));
      });
      for (const file of files.slice(1)) expect(file.equals(files[0]!)).toBe(true);
    };
    it("is proved for each of its groups", async () => {
      for (const one of Object.keys(pattern.groups)) await check(halfOf(groups, [one], 3));
    });
    it("is proved for all of its groups at once", () => check(halfOf(groups, names, 5)));
  });

it("a head of window attention takes its column of the table of biases along", () => {
  const { graph } = load("windows");
  const groups = analyse(graph, { batch: 2 });
  const { initializers } = cut(graph, groups, new Map([["attention.qkv.weight#2", [1]]])).graph;
  expect([graph, { initializers }].map((one) => one.initializers.get("table")!.shape)).toEqual([
    [9, 2],
    [9, 1],
  ]);
});
