/** The library refuses what it does not know, and says what it takes. */

import { describe, expect, it } from "vitest";
import {
  arrayDataset,
  compare,
  createRuntime,
  cut,
  evaluate,
  finetune,
  imageDataset,
  inspect,
  load,
  mask,
  newModel,
  openDataset,
  plan,
  prune,
  save,
  score,
  train,
} from "../../src/node.ts";
import { SecateurError } from "../../src/graph/error.ts";

const model = newModel("lenet5", { classes: 10, seed: 1 });
const pixels = { name: "dark", shape: [1, 28, 28], classes: 2 } as const;
const images = { ...pixels, images: new Uint8Array(2 * 28 * 28), labels: Uint8Array.of(0, 1) };
const data = imageDataset(images);
const removal = new Map();
const wrong = (options: object): never => options as never;

/** What a call is refused with. */
async function refusal(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    expect(error).toBeInstanceOf(SecateurError);
    expect((error as SecateurError).code).toBe("bad-option");
    return (error as Error).message;
  }
  return "nothing";
}

describe("an option that there is not", () => {
  it.each<[string, () => unknown, string]>([
    [
      "load",
      () => load(new Uint8Array(), wrong({ runtimes: 1 })),
      "runtimes (did you mean runtime? load takes runtime, external)",
    ],
    ["inspect", () => inspect(model, wrong({ hole: true })), "hole (did you mean whole? inspect takes shapes,"],
    ["score", () => score(model, wrong({ data, batchsize: 8 })), "batchsize (did you mean batchSize? score takes"],
    ["plan", () => plan(model, wrong({ rati: 0.5 })), "rati (did you mean ratio? plan takes"],
    ["cut", () => cut(model, removal, wrong({ proof: false })), "proof (did you mean prove? cut takes"],
    ["mask", () => mask(model, removal, wrong({ prove: false })), "prove (mask takes shapes,"],
    [
      "prune",
      () => prune(model, wrong({ data, budget: { mac: 0.5 } })),
      "budget.mac (did you mean budget.macs? budget takes macs, params, bytes, units)",
    ],
    ["prune", () => prune(model, wrong({ data, macs: 0.5 })), "macs (did you mean budget.macs? prune takes"],
    [
      "prune",
      () => prune(model, wrong({ data, limits: { minUnit: 2 } })),
      "limits.minUnit (did you mean limits.minUnits?",
    ],
    [
      "prune",
      () => prune(model, wrong({ data, schedule: { kind: "cubic", removals: 3, steps: 3 } })),
      "schedule.steps (schedule takes kind, removals)",
    ],
    [
      "prune",
      () => prune(model, wrong({ data, checkpoints: { save() {}, evry: 3 } })),
      "checkpoints.evry (did you mean checkpoints.every?",
    ],
    [
      "train",
      () => train(model, wrong({ data, augment: { flips: true } })),
      "augment.flips (did you mean augment.flip? augment takes crop, flip)",
    ],
    [
      "finetune",
      () => finetune(model, wrong({ data, optimiser: { kind: "adamw", momentum: 0.9 } })),
      "optimiser.momentum (optimiser takes kind, betas, eps, weightDecay, relative)",
    ],
    ["evaluate", () => evaluate(model, wrong({ data, limits: 3 })), "limits (did you mean limit? evaluate takes"],
    [
      "compare",
      () => compare(model, model, wrong({ latency: { round: 9 } })),
      "latency.round (did you mean latency.rounds? latency takes batch, rounds)",
    ],
    [
      "save",
      () => save("never.onnx", model, wrong({ opsets: 17 })),
      "opsets (did you mean opset? save takes opset, externalAbove)",
    ],
    [
      "openDataset",
      () => openDataset("mnist:no", wrong({ split: "train", normalise: { means: [0] } })),
      "normalise.means (did you mean normalise.mean? normalise takes mean, std, scale)",
    ],
    [
      "newModel",
      () => newModel("lenet5", wrong({ classes: 2, seed: 1, shape: [1, 8, 8] })),
      "shape (newModel takes classes, seed, input)",
    ],
    [
      "arrayDataset",
      () => arrayDataset(wrong({ name: "a", inputs: {}, label: 1 })),
      "label (arrayDataset takes name, inputs, target, targets)",
    ],
    [
      "imageDataset",
      () => imageDataset(images, wrong({ lay: 1 })),
      "lay (imageDataset takes mean, std, scale, layout, channels)",
    ],
  ])("is refused by %s with the nearest name and the list", async (verb, call, text) => {
    const told = await refusal(call);
    expect(told).toContain(text);
    expect(told.startsWith(`${verb}: there is no option `)).toBe(true);
  });
});

describe("a value that cannot be", () => {
  it.each<[string, () => unknown, string]>([
    [
      "a text where a number belongs",
      () => prune(model, wrong({ data, budget: { macs: "0.5" } })),
      'prune: budget.macs is "0.5", it must be a number above 0',
    ],
    [
      "no number",
      () => prune(model, { data, budget: { macs: NaN } }),
      "prune: budget.macs is NaN, it must be a number above 0",
    ],
    [
      "negative epochs",
      () => train(model, { data, epochs: -1 }),
      "train: epochs is -1, it must be a whole number from 0 to 1000000",
    ],
    [
      "half a sample",
      () => evaluate(model, { data, batchSize: 0.5 }),
      "evaluate: batchSize is 0.5, it must be a whole number from 1",
    ],
    [
      "no data",
      () => finetune(model, wrong({})),
      "finetune: data is missing, it must be a data set, as openDataset gives it",
    ],
    [
      "the name of data",
      () => evaluate(model, wrong({ data: "mnist:data" })),
      'evaluate: data is "mnist:data", it must be a data set, as openDataset gives it',
    ],
    [
      "a word that is none of the choices",
      () => train(model, wrong({ data, loss: "l2" })),
      'train: loss is "l2", and there is no loss of that name (did you mean l1?): there are cross-entropy,',
    ],
    [
      "an optimiser that there is not",
      () => train(model, wrong({ data, optimiser: { kind: "adam" } })),
      'train: optimiser.kind is "adam", it must be "sgd" or "adamw"',
    ],
    [
      "a rate that is no word",
      () => train(model, wrong({ data, learningRate: "high" })),
      'train: learningRate is "high", it must be "auto" or a number above 0',
    ],
    [
      "what is missing within",
      () => prune(model, wrong({ data, schedule: { kind: "cubic" } })),
      "prune: schedule.removals is missing, it must be a whole number from 1",
    ],
    [
      "an element of a list",
      () => inspect(model, { shapes: { input: [1, -3, 8, 8] } }),
      "inspect: shapes.input[1] is -3, it must be a whole number from 0",
    ],
    [
      "an object for a Map",
      () => plan(model, wrong({ ratios: { "fc*": 0.5 } })),
      "plan: ratios is an object, it must be a Map from patterns of groups to shares from 0 to 1",
    ],
    [
      "a criterion that there is not",
      () => score(model, { data, criterion: "taylor" as never }),
      'score: criterion is "taylor", it must be "taylor-fo", "taylor-fo-fg",',
    ],
    [
      "the path of a model",
      () => inspect("model.onnx" as never),
      'inspect takes a model, as load gives it, and not "model.onnx"',
    ],
    [
      "a model for a path",
      () => save(model as never, "model.onnx" as never),
      "save takes a model, as load gives it, and",
    ],
    [
      "a whole plan for what is to go",
      async () => cut(model, (await plan(model, { ratio: 0.5 })) as never),
      "what to remove is a Map of unit numbers by group",
    ],
    ["no package", async () => createRuntime("onnxruntime-web" as never), "createRuntime takes an onnxruntime package"],
    ["no options", () => prune(model, undefined as never), "prune takes an object of options, and not undefined"],
  ])("is refused: %s", async (_what, call, text) => expect(await refusal(call)).toContain(text));

  it("is told with all else that is wrong", async () => {
    const told = await refusal(() => prune(model, wrong({ data, budget: { mac: 1 }, epochs: -1, seed: "1" })));
    expect(told.split("; ")).toHaveLength(3);
  });
});

it("what is undefined is as if it were not given", async () => {
  expect((await plan(model, { ratio: 0.5, seed: undefined, scope: undefined })).removal.size).toBeGreaterThan(0);
});
