/** Losses as options: their texts on a command line, there and back, and what is said of wrong ones. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { evaluate, imageDataset, newModel } from "../../src/node.ts";
import { SecateurError } from "../../src/graph/error.ts";
import { lossesOf, lossNames, type Loss, type LossSettings } from "../../src/options/loss.ts";
import { parseLoss, textsOfLoss, withFiles, withLoss } from "../../src/options/loss-text.ts";

const refusalOf = (text: string): string => {
  try {
    parseLoss(text);
  } catch (error) {
    expect((error as SecateurError).code).toBe("bad-option");
    return (error as Error).message;
  }
  return "nothing";
};

describe("a loss as text", () => {
  it.each<[string, Loss]>([
    ["bce", "bce"],
    ["scores=bce", { kind: "bce", output: "scores" }],
    ["boxes=l1:0.5", { kind: "l1", output: "boxes", weight: 0.5 }],
    ["mse:2", { kind: "mse", weight: 2 }],
    ["cross-entropy,axis=-1,ignore=255", { kind: "cross-entropy", axis: -1, ignore: 255 }],
    ["cross-entropy,class-weights=1+0.5+2", { kind: "cross-entropy", classWeights: [1, 0.5, 2] }],
    ["a=bce,positiveWeight=3,target=tags", { kind: "bce", output: "a", positiveWeight: 3, target: "tags" }],
    ["/head.1/Gemm:0=huber:3,delta=0.1", { kind: "huber", output: "/head.1/Gemm:0", weight: 3, delta: 0.1 }],
    ["bce,target=l1", { kind: "bce", target: "l1" }],
    ["mse=mse", { kind: "mse", output: "mse" }],
    ["file:loss.onnx", { kind: "file", file: "loss.onnx" }],
    ["file:loss.onnx:0.5", { kind: "file", file: "loss.onnx", weight: 0.5 }],
    ["file:C:\\nets\\a=b.onnx", { kind: "file", file: "C:\\nets\\a=b.onnx" }],
  ])("%s is read", (text, loss) => {
    expect(parseLoss(text)).toEqual(loss);
  });

  it.each([
    ["bcee", 'the loss is "bcee", and there is no loss of that name (did you mean bce?): there are cross-entropy, bce'],
    ["scores=focl", 'the loss of scores is "focl", and there is no loss of that name (did you mean focal?)'],
    ["zzzzzzzz", 'the loss is "zzzzzzzz", and there is no loss of that name: there are'],
    ["bce=scores", '"bce=scores" has the loss before the output; write scores=bce'],
    ["huber,gamma=2", 'huber has no setting "gamma"; it takes delta, target'],
    ["huber,delt=2", 'huber has no setting "delt" (did you mean delta?); it takes delta, target'],
    ["huber,weight=2", "a weight stands behind a colon: huber:2"],
    ["huber:0", 'weight of huber is "0", it must be a number above 0'],
    ["huber:", 'weight of huber is "", it must be a number above 0'],
    ["huber,delta=much", 'delta of huber is "much", it must be a number above 0'],
    ["cross-entropy,axis=", 'axis of cross-entropy is "", it must be a whole number'],
    ["cross-entropy,class-weights=1+-1", "it must be a list of numbers from 0 with + between them"],
    [
      "cross-entropy,class-weights=1,2",
      "OUTPUT=LOSS:WEIGHT,SETTING=VALUE, as boxes=huber:0.5,delta=0.1; the numbers of a list have + between them",
    ],
    ["cross-entropy,axis", '"cross-entropy,axis" does not look like OUTPUT=LOSS:WEIGHT,SETTING=VALUE'],
    ["scores=file:a.onnx", "a loss in a file finds outputs by the names of its inputs; write file:a.onnx"],
    ["file:", '"file:" names no file'],
    ["file:a.onnx:0", 'weight of file is "0", it must be a number above 0'],
  ])("%s is refused", (text, message) => {
    expect(refusalOf(text)).toContain(message);
  });

  it("is the same again after it was written, whatever the output is called", () => {
    const output = fc.string({ minLength: 1 }).filter((name) => !/[=,\n\r]|^file:/.test(name));
    const weight = fc.double({ min: 1e-6, max: 1e6, noNaN: true });
    const settings: fc.Arbitrary<Record<string, unknown>> = fc.constantFrom(
      { kind: "huber", delta: 0.25 },
      { kind: "cross-entropy", axis: -1, classWeights: [1, 2.5] },
      { kind: "info-nce", with: "text/embedding" },
      { kind: "mse" },
    );
    fc.assert(
      fc.property(output, weight, settings, (own, factor, setting) => {
        const loss = { ...setting, output: own, weight: factor } as LossSettings;
        expect(textsOfLoss(loss).map(parseLoss)).toEqual([loss]);
      }),
    );
  });

  it("is one of several, in the library's form", () => {
    const several = ["scores=bce", "boxes=l1:0.5"].reduce<Loss | undefined>(
      (known, text) => withLoss(known, parseLoss(text)),
      undefined,
    );
    expect(several).toEqual([
      { kind: "bce", output: "scores" },
      { kind: "l1", output: "boxes", weight: 0.5 },
    ]);
    expect(textsOfLoss({ scores: "bce", boxes: { kind: "l1", weight: 0.5 } })).toEqual(["scores=bce", "boxes=l1:0.5"]);
    expect(lossesOf({ scores: "bce" })).toEqual([{ kind: "bce", output: "scores" }]);
    expect(textsOfLoss("auto")).toEqual(["auto"]);
    expect(lossNames.map(parseLoss)).toEqual(lossNames);
  });

  it("finds its files elsewhere", () => {
    const moved = (path: string): string => `there/${path}`;
    expect(withFiles([{ kind: "file", file: "a.onnx" }, { kind: "mse" }], moved)).toEqual([
      { kind: "file", file: "there/a.onnx" },
      { kind: "mse" },
    ]);
    expect(withFiles("mse", moved)).toBe("mse");
  });
});

const model = newModel("lenet5", { classes: 2, seed: 1 });
const images = { images: new Uint8Array(2 * 28 * 28), labels: Uint8Array.of(0, 1) };
const data = imageDataset({ name: "dark", shape: [1, 28, 28], classes: 2, ...images });

describe("a loss that is none is refused by the library in its own words:", () => {
  it.each<[string, unknown, string]>([
    ["a kind", "hubber", 'evaluate: loss is "hubber", and there is no loss of that name (did you mean huber?)'],
    ["a kind with settings", { kind: "hubert" }, 'loss.kind is "hubert", and there is no loss of that name'],
    ["a kind of an output", { logits: "bcee" }, 'loss.logits is "bcee", and there is no loss of that name (did you'],
    ["a kind of a list", [{ kind: "mse" }, { kind: "l3" }], 'loss[1].kind is "l3", and there is no loss'],
    [
      "a setting",
      { kind: "huber", gamma: 2 },
      'evaluate: loss.gamma: huber has no setting "gamma"; it takes delta, output, weight, target',
    ],
    ["a setting of an output", { logits: { kind: "bce", delta: 1 } }, 'loss.logits.delta: bce has no setting "delta"'],
    ["a value", { kind: "huber", delta: -1 }, "loss.delta is -1, it must be a number above 0"],
    ["several at once", { kind: "huber", delta: -1, weight: 0 }, "above 0; loss.weight is 0, it must be a number"],
    ["names in a list", ["bce"], 'loss[0] is "bce", it must be a loss with its settings'],
    ["an empty list", [], "loss is [], it must be auto, cross-entropy"],
    ["nothing", {}, "there is no loss"],
    [
      "an output",
      { logit: "mse" },
      'a loss is put on "logit" (did you mean logits?), and the model\'s outputs are "lo',
    ],
  ])("%s", async (_, loss, message) => {
    await expect(evaluate(model, { data, loss: loss as never })).rejects.toThrow(message);
  });
});
