/** The commands as functions on models: what they take, what they tell, and how they end. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { describe, expect, it } from "vitest";
import {
  compare,
  cut,
  encodeModel,
  evaluate,
  finetune,
  inspect,
  load,
  mask,
  newModel,
  plan,
  prune,
  recalibrate,
  score,
  train,
  type EpochEvent,
  type Model,
  type TrainEvent,
} from "../../src/node.ts";
import { prepare } from "../../src/graphs-node.ts";
import { toNumbers } from "../../src/graph/tensor.ts";
import * as browser from "../../src/index.ts";
import { randomDataset } from "../support/datasets.ts";
import { processors } from "../support/processors.ts";

const path = join(import.meta.dirname, "../fixtures/nets/plain-cnn.onnx");
const model: Model = newModel("lenet5", { classes: 10, seed: 1 });
const data = randomDataset(prepare(model), { samples: 48, labels: 10 });
const quick = { data, batchSize: 16, threads: 1 } as const;

describe("load", () => {
  const bytes = new Uint8Array(readFileSync(path));

  it("takes bytes, what promises them, paths and files", async () => {
    const whole = await load(path);
    for (const source of [
      bytes,
      bytes.buffer,
      Promise.resolve(bytes),
      new Response(bytes),
      Promise.resolve(new Response(bytes)),
      new Blob([bytes]),
      pathToFileURL(path),
    ])
      expect((await load(source)).graph.nodes).toEqual(whole.graph.nodes);
    expect((await browser.load(bytes)).graph.nodes).toEqual(whole.graph.nodes);
  });

  it("refuses what is none of these", async () => {
    await expect(load(new Response("", { status: 404 }))).rejects.toThrow(/the server answers 404/);
    await expect(load(new URL("https://example.org/model.onnx"))).rejects.toThrow(
      /^https:\/\/example\.org\/model\.onnx is no file/,
    );
    await expect(browser.load("model.onnx" as never)).rejects.toThrow(/paths are for Node/);
    await expect(browser.load(undefined as never)).rejects.toThrow(/a model is loaded from bytes/);
  });
});

describe("score", () => {
  it("tells of every minibatch, to those who iterate and to those who are told at once", async () => {
    const told: number[] = [];
    const job = score(model, { ...quick, batches: 3, onEvent: ({ done }) => told.push(done) });
    const events: unknown[] = [];
    for await (const event of job) events.push(event);
    expect(events).toEqual([1, 2, 3].map((done) => ({ kind: "minibatches", done, all: 3 })));
    expect(told).toEqual([1, 2, 3]);
    expect(new Map([...(await job)].map(([name, { length }]) => [name, length]))).toEqual(
      new Map((await inspect(model)).groups.map(({ name, units }) => [name, units])),
    );
  });

  it("takes minibatches of what there is where the data has fewer samples", async () => {
    const notes: string[] = [];
    const data = randomDataset(prepare(model), { samples: 5, labels: 10 });
    await score(model, { ...quick, data, batches: 1, batchSize: 8, onNote: (text) => void notes.push(text) });
    expect(notes).toContain("the data has 5 samples to learn from: minibatches are of 5, not of 8");
  });

  it("ends with its signal's reason", async () => {
    const stop = new AbortController();
    const job = score(model, { ...quick, batches: 3, signal: stop.signal, onEvent: () => stop.abort("enough") });
    await expect(job.result).rejects.toBe("enough");
  });

  it("refuses a name that is no criterion, as a failure of the job", async () => {
    await expect(score(model, { ...quick, criterion: "taylor" as never }).result).rejects.toThrow(
      /^score: criterion is "taylor", it must be "taylor-fo", .* or a criterion with score\(\)$/,
    );
  });
});

describe("inspect", () => {
  it("says of each group what the network saves when one of its units goes", async () => {
    const { groups, macs, params, bytes } = await inspect(model);
    for (const { name, saving } of groups) {
      const { after } = await cut(model, new Map([[name, [0]]]), { prove: false });
      expect(saving).toEqual({ macs: macs - after.macs, params: params - after.params, bytes: bytes - after.bytes });
    }
    expect(groups).toHaveLength(4);
  });
});

describe("plan", () => {
  it("removes what scores say, and keeps what is to stay", async () => {
    const scores = new Map(
      (await inspect(model)).groups.map(({ name, units }) => [
        name,
        Float64Array.from({ length: units }, (_, i) => -i),
      ]),
    );
    const { removal, groups } = await plan(model, { ratio: 0.5, scores, keep: ["fc*"], minUnits: 4 });
    expect(removal).toEqual(
      new Map([
        ["conv1.weight", [4, 5]],
        ["conv2.weight", [8, 9, 10, 11, 12, 13, 14, 15]],
      ]),
    );
    expect(groups.map(({ removed, units }) => [removed, units])).toEqual([
      [2, 6],
      [8, 16],
      [0, 120],
      [0, 84],
    ]);
  });

  it("counts importance per what it is told, and makes groups comparable", async () => {
    const widths = async (options: object) =>
      (await plan(model, { ratio: 0.3, scope: "global", ...options })).groups.map(({ removed }) => removed);
    const [units, macs, mean] = [await widths({}), await widths({ per: "macs" }), await widths({ normalise: "mean" })];
    expect(await widths({ per: "unit", normalise: "none" })).toEqual(units);
    for (const other of [macs, mean]) expect(other).not.toEqual(units);
    // A unit of the first convolution costs most: 6 of them are read at 24 x 24 places.
    expect(macs[0]).toBeGreaterThan(units[0]!);
  });

  it("takes shares by patterns alone", async () => {
    const { removal } = await plan(model, { ratios: new Map([["conv2*", 0.5]]) });
    expect([...removal].map(([name, units]) => [name, units.length])).toEqual([["conv2.weight", 8]]);
  });

  it("asks for scores where a criterion takes data", async () => {
    await expect(plan(model, { ratio: 0.5, criterion: "taylor-fo" })).rejects.toThrow(
      /taylor-fo needs data: score the model by it/,
    );
    await expect(plan(model, { ratio: 0.5, normalise: "loss" })).rejects.toThrow(/measured on data, while pruning/);
  });
});

describe("cut and mask", () => {
  it("leave a model of the same outputs, the one smaller and the other not", async () => {
    const { removal } = await plan(model, { ratio: 0.5 });
    const small = await cut(model, removal);
    const masked = await mask(model, removal);
    expect(small.proof!.mismatch).toBeUndefined();
    expect(small.after.params).toBeLessThan(small.before.params / 2);
    expect(masked.after.macs).toBe(masked.before.macs);
    const { data: found, outputs } = await compare(masked.model, small.model, { ...quick, latency: { rounds: 6 } });
    expect([found!.agreement, found!.drop, outputs]).toEqual([1, 0, undefined]);
    expect((await cut(model, removal, { prove: false })).proof).toBeUndefined();
  });

  it("compare on random inputs where there is no data", async () => {
    const same = await compare(model, model);
    expect([...same.outputs!.values()]).toMatchObject([{ largest: 0, difference: 0 }]);
    expect([same.data, same.latency]).toEqual([undefined, undefined]);
  });
});

describe("recalibrate", () => {
  const kept = newModel("vgg11", { input: [3, 32, 32], classes: 5, seed: 1 });
  const some = { data: randomDataset(prepare(kept), { samples: 16, labels: 5 }), batchSize: 8, threads: 1 };

  it("changes the statistics of BatchNormalization and no weight, and tells of every minibatch", async () => {
    const told: number[] = [];
    const tuned = await recalibrate(kept, { ...some, onEvent: ({ done }) => told.push(done) });
    expect(told).toEqual([1, 2]);
    const now = tuned.graph.initializers;
    const changed = [...kept.graph.initializers].flatMap(([name, before]) =>
      isDeepStrictEqual(toNumbers(before), toNumbers(now.get(name)!)) ? [] : [name],
    );
    expect(changed.length).toBe(16);
    expect(changed.every((name) => /mean|var/.test(name))).toBe(true);
  });

  it("refuses a model that keeps none", async () => {
    await expect(recalibrate(model, quick)).rejects.toThrow("there is nothing to recalibrate");
  });
});

describe("prune", () => {
  it.each(processors.filter(({ singleThreaded }) => singleThreaded))(
    "rounds to what the machine takes at a time, and tells it: $name",
    async (one) => {
      const { runtime, block = 1 } = one;
      const options = { ...quick, runtime, budget: { units: 0.75 }, every: 1, epochs: 0 } as const;
      const told = async (roundTo: number | "auto" | undefined) => {
        const job = prune(model, { ...options, roundTo });
        for await (const event of job)
          if (event.kind === "start") return [event.roundTo, encodeModel((await job).model)];
        return [];
      };
      const [auto, number, none] = [await told("auto"), await told(block), await told(undefined)];
      expect([auto[0], number[0], none[0]]).toEqual([block, undefined, undefined]);
      expect(auto[1]).toEqual(number[1]);
      if (block > 1) expect(none[1]).not.toEqual(number[1]);
      expect((await plan(model, { runtime, ratio: 0.5, roundTo: "auto" })).roundTo).toBe(block);
      expect((await plan(model, { ratio: 0.5 })).roundTo).toBe(1);
    },
  );
});

describe("jobs that learn", () => {
  it.each([
    ["train", (memory: number) => train(model, { ...quick, memory, epochs: 1 }).result],
    ["finetune", (memory: number) => finetune(model, { ...quick, memory, epochs: 1 }).result],
    [
      "prune",
      (memory: number) => prune(model, { ...quick, memory, budget: { units: 0.9 }, every: 1, epochs: 1 }).result,
    ],
  ])("stay below a size, or say that they cannot: %s", async (_name, learn) => {
    await expect(learn(100e6)).rejects.toThrow(/`memory` allows less: raise `memory`, or lower `batchSize`$/);
    await expect(learn(1e9)).resolves.toBeDefined();
  });
});

describe("train and finetune", () => {
  it("differ in how long they learn, and find how fast", async () => {
    const lengths: number[] = [];
    const rates: [number, number][] = [];
    const options = { ...quick, data: randomDataset(prepare(model), { samples: 16, labels: 10 }) };
    for (const learn of [train, finetune])
      for await (const event of learn(model, options))
        if (event.kind === "rate") rates.push([event.learningRate, event.learningRate]);
        else if (event.kind === "step" && event.step === 1) {
          lengths.push(event.steps!);
          rates.at(-1)![1] = event.learningRate;
        }
    expect(lengths).toEqual([20, 5]);
    expect(rates).toHaveLength(2);
    for (const [found, used] of rates) expect(used).toBe(found);
  });

  it("take no more in a minibatch than there is", async () => {
    const notes: string[] = [];
    const few = randomDataset(prepare(model), { samples: 7, labels: 10 });
    const job = finetune(model, { ...quick, data: few, epochs: 2, onNote: (note) => void notes.push(note) });
    const steps: number[] = [];
    for await (const event of job) if (event.kind === "step") steps.push(event.steps!);
    expect(steps).toEqual([2, 2]);
    expect(notes).toEqual(["the data has 7 samples to learn from: minibatches are of 7, not of 16"]);
  });

  it("measure at the start and after every epoch, the averages where these are what is taken", async () => {
    const validation = randomDataset(prepare(model), { samples: 32, labels: 10, seed: 2 });
    const job = finetune(model, { ...quick, validation, metric: "top5", epochs: 2, ema: 0.5 });
    const told: EpochEvent[] = [];
    for await (const event of job) if (event.kind === "epoch") told.push(event);
    expect(told.map(({ epoch, step }) => [epoch, step])).toEqual([
      [0, 0],
      [1, 3],
      [2, 6],
    ]);
    const measure = async (of: Model) => (await evaluate(of, { ...quick, data: validation, metric: "top5" })).loss!;
    expect(told[0]!.evaluation.loss).toBe(await measure(model));
    expect(told[2]!.evaluation.loss).toBeCloseTo(await measure(await job), 6);
    expect(told[2]!.evaluation.metric!.name).toBe("top5");
  });

  it("go on from every checkpoint as if they had never stopped", async () => {
    const validation = randomDataset(prepare(model), { samples: 32, labels: 10, seed: 2 });
    const saved: Uint8Array[] = [];
    const options = { ...quick, validation, epochs: 2, ema: 0.9 };
    const events: TrainEvent[][] = [];
    const whole = await train(model, {
      ...options,
      onEvent: (event) => (events[saved.length] ??= []).push(event),
      checkpoints: { every: 0, save: async (pieces) => void saved.push(Buffer.concat(pieces)) },
    });
    expect(saved).toHaveLength(6);
    const lossOf = (event: TrainEvent) =>
      event.kind === "step" ? event.loss : event.kind === "epoch" ? event.evaluation.loss : event.kind;
    for (const [i, bytes] of saved.entries()) {
      const again: TrainEvent[] = [];
      const checkpoints = { from: { name: "checkpoint", bytes }, save: async () => {} };
      const job = await train(model, { ...options, checkpoints, onEvent: (event) => again.push(event) });
      // A difference of so many bytes would be looked for too long.
      expect(Buffer.compare(encodeModel(job), encodeModel(whole)), `from checkpoint ${i}`).toBe(0);
      expect(again.map(lossOf)).toEqual(
        events
          .slice(i + 1)
          .flat()
          .map(lossOf),
      );
    }
  });

  it("leave the given model as it is", async () => {
    const before = await evaluate(model, quick);
    const trained = await train(model, { ...quick, epochs: 8 });
    expect((await evaluate(model, quick)).loss).toBe(before.loss);
    expect((await evaluate(trained, quick)).loss).toBeLessThan(before.loss!);
    expect(trained.graph.inputs).toEqual(model.graph.inputs);
  });

  it("end with their signal's reason", async () => {
    const stop = new AbortController();
    const job = finetune(model, { ...quick, signal: stop.signal, onEvent: () => stop.abort("enough") });
    await expect(job.result).rejects.toBe("enough");
  });
});
