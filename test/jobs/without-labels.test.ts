/** Learning from the original alone: what is tried, what it begins with, and what is said where it is lost. */

import { describe, expect, it } from "vitest";
import { batchToLearn } from "../../src/jobs/opened.ts";
import { describeRuin, ruinedOutputs } from "../../src/jobs/ruined.ts";
import { optimiserFor } from "../../src/jobs/optimiser-for.ts";
import { prune } from "../../src/jobs/prune.ts";
import { finetune, type FinetuneJobOptions, type TrainJobEvent } from "../../src/jobs/train.ts";
import type { PruneJobEvent } from "../../src/jobs/prune-events.ts";
import type { PruneJobOptions } from "../../src/jobs/prune-options.ts";
import type { Dataset } from "../../src/data/batches.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { randomDataset } from "../support/datasets.ts";
import { modelOf } from "../support/graphs.ts";
import { linear, netOf } from "../support/heads.ts";

const detector = netOf((net, hidden) => ({
  scores: net.g.Sigmoid(linear(net, hidden, "scores", 3)),
  boxes: linear(net, hidden, "boxes", 4),
}));
const data = randomDataset(detector, { samples: 128 });

/** The same data, so many times as large. */
const times = (factor: number): Dataset => ({
  ...data,
  async *batches(options) {
    for await (const batch of data.batches(options))
      yield {
        ...batch,
        inputs: Object.fromEntries(
          Object.entries(batch.inputs).map(([name, value]) => [
            name,
            { ...value, data: Float32Array.from(value.data as Float32Array, (x) => x * factor) } as typeof value,
          ]),
        ),
      };
  },
});

const given = { data, targets: "teacher", batchSize: 16, threads: 1, workers: 1, runtime: directRuntime } as const;

async function pruned(options: Partial<PruneJobOptions>) {
  const events: PruneJobEvent[] = [];
  const onEvent = (event: PruneJobEvent): void => void events.push(event);
  const outcome = await prune(modelOf(detector), { ...given, epochs: 0, ...options, onEvent });
  return { outcome, events };
}

describe("a run that learns from the original alone", () => {
  it("learns nothing before the first removal, and tries rates on what that leaves", async () => {
    const { events } = await pruned({ budget: { units: 6 }, every: 2 });
    const steps = events.filter((event) => event.kind === "step");
    expect(steps.slice(0, 2).map(({ learningRate }) => learningRate)).toEqual([0, 0]);
    expect(steps.slice(0, 2).map(({ loss }) => Math.abs(loss) < 1e-6)).toEqual([true, true]);
    const rate = events.find((event) => event.kind === "rate")!;
    expect(steps.slice(2).every(({ learningRate }) => learningRate === rate.learningRate)).toBe(true);
    // From a distance of 0 on, any rate that is felt would seem to do harm.
    expect(rate.learningRate).toBeGreaterThan(1e-4);
  });

  it("says which output is lost, does not end as met, and says what to do", async () => {
    const { outcome } = await pruned({ budget: { units: 0.1 }, pruneLearningRate: 1e-9, validation: data });
    expect(outcome.end).toBe("ruined");
    expect(outcome.ruined!.map(({ output }) => output)).toContain("boxes");
    expect(outcome.distance!.loss).toBeGreaterThan(0.5);
    expect(outcome.distance!.chance).toBeCloseTo(2, 0);
    const { outcome: kept } = await pruned({ budget: { units: 7 }, pruneLearningRate: 1e-9, validation: data });
    expect([kept.end, kept.ruined]).toEqual(["met", undefined]);
  });

  it("has no share to distil, and no labels to smooth", async () => {
    const budget = { units: 7 };
    await expect(pruned({ budget, distil: 0.5 })).rejects.toThrow(/comes from the original, and `distil: 0.5`/);
    const phases: string[] = [];
    const onEvent = (event: PruneJobEvent): void => void phases.push(event.kind);
    const smoothed = prune(modelOf(detector), {
      ...given,
      targets: "labels",
      loss: "bce",
      budget,
      labelSmoothing: 0.1,
      onEvent,
    });
    await expect(smoothed).rejects.toThrow(/needs the loss cross-entropy/);
    expect(phases).toEqual([]);
    await expect(pruned({ budget, labelSmoothing: 0.1 })).rejects.toThrow(/`targets: "teacher"` has none/);
  });

  it("takes steps in units of each weight's size where inputs are large", async () => {
    const asked = { targets: "teacher", seed: 0 } as const;
    expect(await optimiserFor({ ...asked, data })).toBeUndefined();
    expect(await optimiserFor({ ...asked, data: times(200) })).toEqual({ kind: "adamw", relative: true });
    expect(await optimiserFor({ ...asked, targets: "labels", data: times(200) })).toBeUndefined();
    expect(await optimiserFor({ ...asked, optimiser: { kind: "sgd" }, data: times(200) })).toEqual({ kind: "sgd" });
  });
});

it("outputs are lost where a quarter or less of their rare decisions, or of their variance, is left", () => {
  const yes = (both: number, before: number) =>
    ({ of: "yes-no", kept: 0.98, decisions: 1000, rare: { before, both, either: before, answer: "yes" } }) as const;
  const numbers = (apart: number) => ({ of: "numbers", apart, r2: 1 - apart ** 2, elements: 10 }) as const;
  const outputs = {
    a: yes(0, 3716),
    b: yes(200, 600),
    c: yes(0, 2),
    d: numbers(0.99),
    e: numbers(0.5),
    f: yes(70, 350),
  };
  const lost = ruinedOutputs(outputs);
  expect(lost.map(({ output, words }) => [output, words])).toEqual([
    ["a", "0 of 3,716 yes are left"],
    ["d", "its numbers are 0.99 standard deviations off"],
    ["f", "70 of 350 yes are left"],
  ]);
  const text = describeRuin({ ruined: lost, distance: { loss: 5.5, chance: 6 } }, "prune");
  expect(text).toMatch(/"a": 0 of 3,716 yes are left; .* 5\.50, where a constant answer has 6\.00\. Give more data/);
});

it("minibatches are smaller where an epoch would have next to no steps, but not of a loss that compares samples", () => {
  const sized = (size: number | undefined): Dataset => ({ ...data, size });
  const sizes = [10, 270, 1000, 2048, 50_000, undefined].map((size) => batchToLearn({ data: sized(size) }));
  expect(sizes).toEqual([16, 16, 32, 128, 128, 128]);
  expect(batchToLearn({ data: sized(270), batchSize: 64 })).toBe(64);
  expect(batchToLearn({ data: sized(270), loss: "info-nce" })).toBe(128);
});

describe("fine-tuning towards a teacher alone", () => {
  const teacher = modelOf(detector);
  const half = modelOf(
    netOf((net, hidden) => ({
      scores: net.g.Sigmoid(linear(net, hidden, "scores", 3)),
      boxes: net.g.Mul(linear(net, hidden, "boxes", 4), net.g.scalar(-1)),
    })),
  );

  async function told(options: Partial<FinetuneJobOptions>) {
    const events: TrainJobEvent[] = [];
    const asked = { ...given, teacher, epochs: 1, optimiser: { kind: "sgd" }, ...options } as const;
    await finetune(half, { ...asked, onEvent: (event) => void events.push(event) });
    return events.find((event) => event.kind === "ruined");
  }

  it("tells at its end which output is lost, and what to do", async () => {
    const ruined = (await told({ learningRate: 1e-9, validation: data }))!;
    expect(ruined.ruined!.map(({ output }) => output)).toEqual(["boxes"]);
    expect(describeRuin(ruined, "finetune")).toMatch(
      /^little is left of what the original said: "boxes": its numbers are .* Give more data, learn longer by `epochs`, or begin/,
    );
  });

  it("tells so by the distance alone, where there is nothing to validate by", async () => {
    const ruined = (await told({ learningRate: 1e-9 }))!;
    expect(ruined.ruined).toBeUndefined();
    expect(ruined.distance!.loss).toBeGreaterThan(0.7 * ruined.distance!.chance);
  });

  it("tells nothing where it has learned, or learns from labels too", async () => {
    expect(await told({ learningRate: 0.05, epochs: 40, validation: data })).toBeUndefined();
    const labelled = randomDataset(detector, { samples: 128, labels: [3] });
    const both = { data: labelled, targets: "labels", distil: 0.5, loss: "mse" } as const;
    expect(await told({ learningRate: 1e-9, ...both })).toBeUndefined();
  });
});
