/** Labels that cannot be right: what is said of them, what stops, and what goes on. */

import { describe, expect, it } from "vitest";
import {
  compare,
  evaluate,
  finetune,
  newModel,
  presets,
  preprocessingOf,
  prune,
  score,
  train,
  withPreprocessing,
} from "../../src/node.ts";
import { withClasses } from "../../src/data/class-list.ts";
import type { Dataset } from "../../src/data/batches.ts";
import { parseClasses } from "../../src/data/class-list.ts";
import { random } from "../support/graphs.ts";
import { nearest, nearOnes } from "../support/prototypes.ts";

const net = await nearest(10, presets.imagenet);
const right = nearOnes(10, 240, presets.imagenet);
const quick = { batchSize: 32, epochs: 1, learningRate: 1e-6, threads: 1, workers: 1 } as const;

/** The class that each sample is said to be of. */
const labelled = (labelOf: (label: number, i: number) => number): Dataset =>
  nearOnes(
    10,
    240,
    presets.imagenet,
    Array.from({ length: 240 }, (_, i) => labelOf(i % 10, i)),
  );
const order = [3, 7, 0, 9, 1, 8, 2, 6, 5, 4];
const otherOrder = labelled((label) => order[label]!);
const next = random(5);
const atRandom = labelled(() => Math.floor(next() * 10));

/** What a job says, and the message that it ends with. */
async function ran(job: (onNote: (text: string) => void) => PromiseLike<unknown>) {
  const notes: string[] = [];
  try {
    await job((text) => notes.push(text));
    return { notes, error: undefined };
  } catch (error) {
    return { notes, error: error as { readonly code: string; readonly message: string } };
  }
}

describe("a model that knows its data", () => {
  it("learns, is pruned and is measured without a word of labels", async () => {
    for (const job of [
      (onNote: (text: string) => void) => finetune(net, { data: right, ...quick, onNote }),
      (onNote: (text: string) => void) => train(net, { data: right, ...quick, onNote }),
      (onNote: (text: string) => void) =>
        prune(net, { data: right, ...quick, pruneLearningRate: 1e-6, budget: { units: 0.8 }, onNote }),
      (onNote: (text: string) => void) => evaluate(net, { data: right, onNote }),
    ])
      expect(await ran(job)).toEqual({ notes: [], error: undefined });
  });
});

describe("pixels in another form", () => {
  it.each([
    ["none", 'With `preset: "imagenet"` 100.0% of 128 are right; now they are given with `preset: "none"`'],
    ["unit", 'are right as they are now, with `preset: "unit"`; with `preset: "imagenet"` 100.0% are'],
  ] as const)("of preset %s are told with the option that makes them right", async (name, message) => {
    const data = nearOnes(10, 240, presets[name]);
    for (const job of [finetune, train]) {
      const { error } = await ran((onNote) => job(net, { data, ...quick, onNote }));
      expect(error).toMatchObject({ code: "bad-labels", message: expect.stringContaining(message) });
    }
    const pruned = await ran((onNote) => prune(net, { data, ...quick, budget: { macs: 0.8 }, onNote }));
    expect(pruned.error).toMatchObject({ code: "bad-labels", message: expect.stringContaining(message) });
    for (const job of [
      (onNote: (text: string) => void) => score(net, { data, batchSize: 32, batches: 1, onNote }),
      (onNote: (text: string) => void) => compare(net, net, { data, onNote }),
    ]) {
      const { notes, error } = await ran(job);
      expect(error).toBeUndefined();
      expect(notes).toEqual([expect.stringContaining(message)]);
    }
    const { notes } = await ran((onNote) => evaluate(net, { data, batchSize: 128, onNote }));
    expect(notes).toEqual([expect.stringContaining('`preset: "imagenet"` 100.0%')]);
  });

  it("and in another order of colours are told of both", async () => {
    const data = nearOnes(10, 240, { ...presets.none, channels: "bgr" });
    const { error } = await ran((onNote) => finetune(net, { data, ...quick, onNote }));
    expect(error?.message).toContain('With `preset: "imagenet"` `channels: "rgb"` 100.0%');
  });

  it("are looked for no more where the model's file says which they are", async () => {
    const data = nearOnes(10, 240, presets.unit);
    const stated = withPreprocessing(net, data);
    expect(await ran((onNote) => evaluate(stated, { data, onNote }))).toEqual({ notes: [], error: undefined });
  });
});

describe("classes in another order", () => {
  it("are told as the list that makes them right", async () => {
    const { error } = await ran((onNote) => finetune(net, { data: otherOrder, ...quick, onNote }));
    const list = /with `classes: (.*?)` 100\.0% of 120 are right/.exec(error!.message)![1]!;
    expect(JSON.parse(list)).toEqual(order.map((label) => `kind${label}`));
    const data = withClasses(otherOrder, parseClasses(list, "the list"));
    expect((await evaluate(net, { data })).top1).toBe(1);
    expect(await ran((onNote) => finetune(net, { data, ...quick, onNote }))).toEqual({ notes: [], error: undefined });
  });

  it("are told together with the form of the pixels", async () => {
    const labels = Array.from({ length: 240 }, (_, i) => order[i % 10]!);
    const data = nearOnes(10, 240, presets.inception, labels);
    const { error } = await ran((onNote) => finetune(net, { data, ...quick, onNote }));
    expect(error?.message).toMatch(
      /another order: with `preset: "imagenet"` `classes: \[ "kind3", "kind7", [^`]+` 100\.0% of \d+ are right; now they are given with `preset: "inception"`/,
    );
  });
});

describe("labels that have nothing to do with the data", () => {
  const lookAt =
    /no more than by chance; in 14 other forms .* no better\. Look at the order of the classes \(`classes`\)/;

  it("stop learning and pruning, unless they are said to be right", async () => {
    for (const job of [
      (more: object) => finetune(net, { data: atRandom, ...quick, ...more }),
      (more: object) => train(net, { data: atRandom, ...quick, ...more }),
      (more: object) =>
        prune(net, { data: atRandom, ...quick, pruneLearningRate: 1e-6, budget: { units: 0.8 }, ...more }),
    ]) {
      const { error } = await ran(() => job({}));
      expect(error).toMatchObject({ code: "bad-labels", message: expect.stringMatching(lookAt) });
      expect((await ran(() => job({ labelsAreRight: true }))).error).toBeUndefined();
    }
  });

  it("are a note where they are measured by", async () => {
    const { notes } = await ran((onNote) => evaluate(net, { data: atRandom, onNote }));
    expect(notes).toEqual([expect.stringMatching(lookAt)]);
    expect(notes[0]).not.toContain("learned nothing yet");
  });

  it("say nothing where there are few of them", async () => {
    const labels = Array.from({ length: 24 }, (_, i) => (i * 7 + 3) % 10);
    const data = nearOnes(10, 24, presets.imagenet, labels);
    expect((await evaluate(net, { data })).top1).toBe(0);
    expect(await ran((onNote) => evaluate(net, { data, onNote }))).toEqual({ notes: [], error: undefined });
  });
});

describe("a model that has learned nothing", () => {
  const fresh = newModel("lenet3", { classes: 10, seed: 1, input: [3, 16, 16] });
  const data: Dataset = {
    name: "noise",
    size: 128,
    // oxlint-disable-next-line require-await
    async *batches({ batchSize }) {
      const draw = random(2);
      for (let from = 0; from < 128; from += batchSize) {
        const x = Float32Array.from({ length: batchSize * 768 }, () => draw() - 0.5);
        const labels = BigInt64Array.from({ length: batchSize }, (_, i) => BigInt((from + i) % 10));
        yield {
          inputs: { "": { dtype: "float32", shape: [batchSize, 3, 16, 16], data: x } },
          target: { dtype: "int64", shape: [batchSize], data: labels },
          size: batchSize,
        };
      }
    },
  };

  it("is trained without a word", async () =>
    expect(await ran((onNote) => train(fresh, { data, ...quick, onNote }))).toEqual({ notes: [], error: undefined }));

  it("is told of where it is fine-tuned, and goes on", async () => {
    const { notes, error } = await ran((onNote) => finetune(fresh, { data, ...quick, onNote }));
    expect(error).toBeUndefined();
    expect(notes).toEqual([expect.stringMatching(/no more than by chance.*has learned nothing yet/)]);
  });
});

describe("fewer classes than outputs", () => {
  const three = withClasses(nearOnes(3, 60, presets.imagenet), parseClasses("kind0\nkind1\nkind2", "three"));

  it("are refused, with what to do", async () => {
    const data = nearOnes(3, 60, presets.imagenet);
    for (const job of [
      () => evaluate(net, { data }),
      () => finetune(net, { data, ...quick }),
      () => train(net, { data, ...quick }),
    ]) {
      const { error } = await ran(job);
      expect(error?.code).toBe("bad-labels");
      expect(error?.message).toMatch(
        /"near ones" has 3 classes \(kind0, kind1, kind2\), the model 10 outputs: .*by `classes`: a file/,
      );
    }
    expect((await evaluate(net, { data, labelsAreRight: true })).samples).toBe(60);
  });

  it("are refused where a list is too short, and taken where it is whole", async () => {
    const { error } = await ran(() => evaluate(net, { data: three }));
    expect(error?.message).toMatch(/^three has 3 classes, the model 10 outputs/);
    const names = Array.from({ length: 10 }, (_, i) => `Kind${i}`).join("\n");
    const whole = withClasses(nearOnes(3, 60, presets.imagenet), parseClasses(names, "ten"));
    expect(await ran((onNote) => evaluate(net, { data: whole, onNote }))).toEqual({ notes: [], error: undefined });
  });
});

describe("the model that is written", () => {
  it("says how its pixels became inputs, and which classes it has", async () => {
    const data = withClasses(right, parseClasses([...right.labels!].join("\n"), "its names"));
    const kept = { ...net, metadata: { author: "somebody" } };
    const { model } = await prune(kept, { data, ...quick, pruneLearningRate: 1e-6, budget: { units: 0.8 } });
    for (const made of [model, await finetune(kept, { data, ...quick }), await train(kept, { data, ...quick })]) {
      expect(made.metadata["author"]).toBe("somebody");
      const { form, classes } = preprocessingOf(made);
      expect(form).toEqual({ ...presets.imagenet, scale: 1 / 255, layout: "nchw", channels: "rgb", size: [4, 4] });
      expect(classes).toEqual(right.labels);
    }
  });
});
