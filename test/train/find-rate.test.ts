/** The learning rate that a trial finds. */

import { describe, expect, it } from "vitest";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import type { RateEvent, TrialEvent } from "../../src/train/events.ts";
import { evaluate } from "../../src/evaluate/evaluate.ts";
import { findRate, roundedDown } from "../../src/train/find-rate.ts";
import { finetune, type FinetuneOptions, type FinetunePoint } from "../../src/train/finetune.ts";
import { stepOptions } from "../../src/train/options.ts";
import { encodeCheckpoint, decodeCheckpoint } from "../../src/loop/checkpoint.ts";
import { prepare } from "../../src/execute/prepare.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { newModel } from "../../src/zoo/zoo.ts";
import { quarters } from "../support/quarters.ts";

const data = quarters(160);
const learn = { loss: "cross-entropy", batchSize: 16, seed: 1, threads: 1 } as const;
const untrained = prepare(newModel("lenet3", { input: [1, 16, 16], classes: 4, seed: 2 }));
const trained = finetune(directRuntime, untrained, data, { ...learn, epochs: 8, learningRate: 0.05 });

const find = (graph: Graph, options: Partial<FinetuneOptions> = {}, steps = 160) => {
  const all = { ...learn, ...options };
  return findRate(directRuntime, graph, data, { step: stepOptions(all), stream: all, steps });
};
const accuracy = async (graph: Graph): Promise<number> =>
  (await evaluate(directRuntime, graph, data, { ...learn, batchSize: 40 })).top1!;

it.each([
  [0.1, 0.1],
  [0.0999, 0.05],
  [0.03, 0.02],
  [1.9e-5, 1e-5],
  [7, 5],
])("%d is rounded down to %d", (rate, rounded) => expect(roundedDown(rate)).toBe(rounded));

describe("a trial", () => {
  it("leaves the model as it is, and finds the same again", async () => {
    const graph = await trained;
    const before = [...graph.initializers.values()].map(({ data }) => data.toString());
    const found = await find(graph);
    expect(await find(graph)).toEqual(found);
    expect([...graph.initializers.values()].map(({ data }) => data.toString())).toEqual(before);
    expect(found.learningRate).toBe(roundedDown(found.learningRate));
  });

  it.each([
    ["SGD", { kind: "sgd" }],
    ["AdamW", { kind: "adamw" }],
  ] as const)("finds a rate of %s that ruins nothing, and at which a new model learns", async (_name, optimiser) => {
    const options = { ...learn, optimiser, epochs: 4, learningRate: "auto" } as const;
    expect(await accuracy(await finetune(directRuntime, await trained, data, options))).toBeGreaterThan(0.95);
    const rates: RateEvent[] = [];
    const onRate = (event: TrialEvent | RateEvent) => void (event.kind === "rate" && rates.push(event));
    const learned = await finetune(directRuntime, untrained, data, { ...options, epochs: 12, onRate });
    expect(await accuracy(learned)).toBeGreaterThan(0.9);
    expect(rates).toMatchObject([{ phase: "finetune" }]);
  });

  it("that falls, of steps in units of each weight's size, is the highest that does no harm", async () => {
    const all = { ...learn, optimiser: { kind: "adamw", relative: true } } as const;
    const rateOf = async (graph: Graph, falls: boolean): Promise<number> => {
      const trial = { step: stepOptions(all), stream: all, steps: 160, falls };
      return (await findRate(directRuntime, graph, data, trial)).learningRate;
    };
    // Biases of 3000 change no class, and a step that is a share of them is a long one.
    const bias = untrained.initializers.get("fc3.bias")!;
    const lifted: Graph = {
      ...untrained,
      initializers: new Map(untrained.initializers).set("fc3.bias", {
        ...bias,
        dtype: "float32",
        data: Float32Array.from(bias.data as Float32Array, (one) => one + 3000),
      }),
    };
    expect(await rateOf(untrained, true)).toBe(0.002);
    const [falling, level] = [await rateOf(lifted, true), await rateOf(lifted, false)];
    expect(falling).toBeLessThan(0.001);
    expect(falling).toBeGreaterThan(level);
  });

  it("goes by how steep the loss is: weights that act a hundred times as much are learned more slowly", async () => {
    const graph = untrained;
    const names = [...graph.initializers.keys()];
    const last = names.findLast((name) => graph.initializers.get(name)!.shape.length > 1)!;
    const value = graph.initializers.get(last)!;
    const steep: Graph = {
      ...graph,
      initializers: new Map(graph.initializers).set(last, {
        ...value,
        dtype: "float32",
        data: Float32Array.from(value.data as Float32Array, (weight) => weight * 100),
      }),
    };
    const [plain, other] = [await find(graph), await find(steep)];
    expect(other.learningRate).toBeLessThan(plain.learningRate);
  });

  it("is multiplied where that does no harm, and no further", async () => {
    const all = { ...learn, optimiser: { kind: "sgd" } } as const;
    const told: TrialEvent[] = [];
    const timesOf = async (graph: Graph, times: number) => {
      const trial = {
        step: stepOptions(all),
        stream: all,
        steps: 160,
        times,
        onTrial: (event: TrialEvent) => told.push(event),
      };
      return findRate(directRuntime, graph, data, trial);
    };
    const alone = await find(untrained);
    expect(alone).not.toHaveProperty("times");
    const twice = await timesOf(untrained, 2);
    expect(twice).toMatchObject({ learningRate: 2 * alone.learningRate, times: 2 });
    expect(twice.minibatches).toBeGreaterThan(alone.minibatches);
    const irrational = await timesOf(untrained, Math.SQRT2);
    expect(irrational.learningRate).toBe(Number((Math.SQRT2 * alone.learningRate).toPrecision(3)));
    const far = await timesOf(untrained, 4096);
    expect(far.times).toBeLessThan(4096);
    expect(far.learningRate).toBeCloseTo(alone.learningRate * far.times!, 3);
    expect(told.at(-1)!.done).toBeLessThanOrEqual(told.at(-1)!.all);
  });

  it("tells of each of its minibatches", async () => {
    const told: TrialEvent[] = [];
    const all = { ...learn, onTrial: (event: TrialEvent) => void told.push(event) };
    const trial = { step: stepOptions(learn), stream: learn, steps: 160, ...all };
    const { minibatches } = await findRate(directRuntime, await trained, data, trial);
    expect(told.map(({ done }) => done)).toEqual(Array.from({ length: minibatches }, (_one, i) => i + 1));
    expect(told[0]!.all).toBeGreaterThanOrEqual(minibatches);
  });

  it("is short for a short run", async () => {
    const graph = await trained;
    const [short, long] = [await find(graph, {}, 20), await find(graph, {}, 10_000)];
    expect(short.minibatches).toBeLessThan(long.minibatches / 2);
  });

  it("takes 20 samples", async () => {
    const few = quarters(20);
    const graph = await finetune(directRuntime, await trained, few, { ...learn, epochs: 2, learningRate: "auto" });
    expect(await accuracy(graph)).toBeGreaterThan(0.9);
  });

  it("learns from a teacher, from mixtures and by workers as the run does", async () => {
    const graph = await trained;
    const teacher = { graph, weight: 1, temperature: 4 };
    const taught = { ...learn, mixup: 0.4, workers: 2, teacher, epochs: 2, learningRate: "auto" } as const;
    expect(await accuracy(await finetune(directRuntime, graph, data, taught))).toBeGreaterThan(0.9);
  });
});

it("a run that goes on takes the rate that it began with", async () => {
  const graph = await trained;
  const points: FinetunePoint[] = [];
  const rates: RateEvent[] = [];
  const options = {
    ...learn,
    epochs: 1,
    learningRate: "auto",
    onRate: (event) => void (event.kind === "rate" && rates.push(event)),
  } as const satisfies FinetuneOptions;
  const whole = await finetune(directRuntime, graph, data, {
    ...options,
    onPoint: async (take) => void points.push(await take()),
  });
  const bytes = Buffer.concat(encodeCheckpoint({ point: points[3]!, note: {} }));
  const from = decodeCheckpoint(bytes, graph, "checkpoint").point as FinetunePoint;
  const again = await finetune(directRuntime, graph, data, { ...options, from });
  expect(rates).toHaveLength(1);
  expect(from.learningRate).toBe(rates[0]!.learningRate);
  expect([...again.initializers]).toEqual([...whole.initializers]);
});
