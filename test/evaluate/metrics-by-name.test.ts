/** Metrics by name: their values beside scikit-learn's, PyTorch's and pycocotools', and what is said of what does not fit. */

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { metricFor } from "../../src/evaluate/metrics.ts";
import { metricNamed, metrics } from "../../src/evaluate/metrics/table.ts";
import { float32, int64s, take, tensor, type Tensor } from "../../src/graph/tensor.ts";
import { evaluate, newModel } from "../../src/node.ts";
import { countedNames, type CountedName, type MetricBatch } from "../../src/options/metric.ts";
import { randomDataset } from "../support/datasets.ts";

interface Stored {
  readonly dtype: "int64" | "float32";
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

interface Case {
  readonly name: string;
  readonly metric: CountedName;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly activation: "softmax" | "sigmoid" | null;
  readonly outputs: Readonly<Record<string, Stored>>;
  /** Under "" where there is only one. */
  readonly targets: Readonly<Record<string, Stored>>;
  readonly inputs: Readonly<Record<string, Stored>>;
  readonly value: number;
}

const cases = JSON.parse(readFileSync(new URL("../fixtures/metrics.json", import.meta.url), "utf8")) as readonly Case[];

type Tensors = Readonly<Record<string, Tensor>>;
const read = (all: Readonly<Record<string, Stored>>): Tensors =>
  Object.fromEntries(
    Object.entries(all).map(([name, { dtype, shape, values }]) => [name, tensor(dtype, shape, values)]),
  );
const rows = (all: Tensors, from: number, to: number): Record<string, Tensor> =>
  Object.fromEntries(
    Object.entries(all).map(([name, value]) => [
      name,
      take(
        value,
        0,
        Array.from({ length: to - from }, (_, i) => from + i),
      ),
    ]),
  );

const batchOf = (outputs: Tensors, { "": target, ...targets }: Tensors, inputs: Tensors = {}): MetricBatch => {
  const output = Object.values(outputs)[0]!;
  return { outputs, output, inputs, target, targets, size: output.shape[0]! };
};

/** What a metric makes of one minibatch after the other. */
async function measured(
  metric: CountedName,
  batches: readonly MetricBatch[],
  settings: object = {},
  activation?: Case["activation"],
): Promise<number> {
  const output = Object.keys(batches[0]!.outputs)[0]!;
  const count = metricNamed(metric).start(settings, { output, activation: activation ?? undefined });
  for (const batch of batches) await count.add(batch);
  return count.result();
}

describe("values", () => {
  it.each(cases.map((one) => [one.metric, one.name, one] as const))("of %s: %s", async (metric, _, one) => {
    const [outputs, targets, inputs] = [read(one.outputs), read(one.targets), read(one.inputs)];
    const samples = Object.values(outputs)[0]!.shape[0]!;
    // In two minibatches of different sizes: what is counted is counted over all.
    const batches = [
      [0, 1],
      [1, samples],
    ].map(([from, to]) => batchOf(rows(outputs, from!, to!), rows(targets, from!, to!), rows(inputs, from!, to!)));
    expect(await measured(metric, batches, one.settings, one.activation)).toBeCloseTo(one.value, 5);
  });

  it("are there for every metric", () =>
    expect([...new Set(cases.map(({ metric }) => metric))].toSorted()).toEqual([...countedNames].toSorted()));

  const image = (value: number): Tensor => float32([1, 1, 2, 2], Array<number>(4).fill(value));
  it("of equal images are 100 dB, and of masks without anything 1", async () => {
    expect(await measured("psnr", [batchOf({ y: image(0.5) }, { "": image(0.5) })])).toBe(100);
    expect(await measured("mean-iou", [batchOf({ y: image(-1) }, { "": image(0) })])).toBe(1);
  });

  it("of labels that are neither said nor there are 0, as scikit-learn has them", async () =>
    expect(await measured("f1", [batchOf({ y: float32([1, 2], [1, -1]) }, { "": float32([1, 2], [1, 0]) })])).toBe(
      0.5,
    ));

  it("of masks leave out pixels that are ignored", async () => {
    const [y, wanted] = [image(1), float32([1, 1, 2, 2], [1, 0, 255, 255])];
    expect(await measured("mean-iou", [batchOf({ y }, { "": wanted })], { ignore: 255 })).toBe(0.5);
    expect(await measured("dice", [batchOf({ y }, { "": wanted })], { ignore: 255 })).toBeCloseTo(2 / 3, 12);
  });

  it("are held against the original where there are no targets", async () => {
    const [y, original] = [float32([1, 2], [3, 4]), float32([1, 2], [4, 3])];
    const batch = { ...batchOf({ y }, {}), original: { y: original } };
    expect(await measured("cosine", [batch])).toBeCloseTo(24 / 25, 12);
    expect(await measured("cosine", [{ ...batch, target: y }])).toBeCloseTo(1, 12);
    expect(await measured("psnr", [batch], { peak: 10 })).toBeCloseTo(20, 12);
  });

  it("of detections leave out boxes that overlap a better one, where that is asked for", async () => {
    const box = [0, 0, 10, 10];
    const batch = (scores: readonly number[]): MetricBatch =>
      batchOf(
        { boxes: float32([1, 3, 4], [...box, 1, 0, 11, 10, 20, 20, 30, 30]), scores: float32([1, 3], scores) },
        { boxes: float32([1, 2, 4], [...box, 20, 20, 30, 30]), labels: tensor("int64", [1, 2], [0, 0]) },
      );
    const doubled = batch([0.9, 0.8, 0.7]);
    expect(await measured("map", [doubled], { overlap: 0.5 })).toBeCloseTo(1, 12);
    // Of two boxes the second is found third: a precision of 2/3 above a recall of a half.
    expect(await measured("map", [doubled])).toBeCloseTo((51 + (50 * 2) / 3) / 101, 12);
  });
});

describe("what does not fit is told with the shapes", () => {
  const y = float32([2, 3], [1, 2, 3, 4, 5, 6]);
  const pixels = float32([1, 2, 2, 2], Array(8).fill(0));
  const boxes = float32([1, 2, 4], Array(8).fill(1));
  const scores = float32([1, 2, 1], [1, 1]);
  const tokens = tensor("int64", [1, 2], [0, 1]);
  const batch = (outputs: Tensors, targets: Tensors, inputs: Tensors = {}) => batchOf(outputs, targets, inputs);
  const wrong: readonly (readonly [string, CountedName, MetricBatch, object, RegExp])[] = [
    ["no target", "f1", batch({ y }, {}), {}, /^f1 takes a target for "y"; the data has no targets$/],
    ["several targets", "f1", batch({ y }, { a: y, b: y }), {}, /f1 takes a target for "y"; the data has "a", "b"/],
    ["an unknown target", "f1", batch({ y }, { "": y }), { target: "z" }, /the target "z"; the data has one target/],
    [
      "another shape",
      "f1",
      batch({ y }, { "": int64s([1]) }),
      {},
      /f1 does not fit the output "y", float32 \[2, 3\], with the target int64 \[1\]\. It takes/,
    ],
    [
      "a class that is none",
      "f1",
      batch({ y }, { "": int64s([1, 3]) }),
      {},
      /f1: the target has the class 3; .* 0 to 2/,
    ],
    [
      "numbers for classes",
      "mean-iou",
      batch({ y: pixels }, { "": float32([1, 2, 2], [0, 0, 0, 0]) }),
      {},
      /^mean-iou does not fit the output .*\. It takes scores \[N, C, d/,
    ],
    [
      "a class of pixels",
      "dice",
      batch({ y: pixels }, { "": tensor("int64", [1, 2, 2], [0, 1, 2, 0]) }),
      {},
      /dice: the target has the class 2/,
    ],
    [
      "other images",
      "psnr",
      batch({ y: pixels }, { "": y }),
      {},
      /^psnr does not fit .* It takes a target in the shape of the output/,
    ],
    [
      "other vectors",
      "cosine",
      batch({ y }, { "": pixels }),
      {},
      /^cosine does not fit .* It takes a target in the shape of the output/,
    ],
    [
      "no tokens",
      "perplexity",
      batch({ y: pixels }, {}),
      { tokens: "ids" },
      /takes the tokens of "ids"; the inputs are/,
    ],
    [
      "no scores of tokens",
      "perplexity",
      batch({ y }, {}, { input_ids: tokens }),
      {},
      /takes scores \[N, T, C\] for tokens \[N, T\]/,
    ],
    [
      "a mask that is not there",
      "token-accuracy",
      batch({ y: float32([1, 2, 3], Array(6).fill(0)) }, {}, { input_ids: tokens }),
      { mask: "m" },
      /the mask "m", which is no input/,
    ],
    [
      "no token that counts",
      "perplexity",
      batch(
        { y: float32([1, 2, 3], Array(6).fill(0)) },
        {},
        { input_ids: tokens, attention_mask: tensor("int64", [1, 2], [1, 0]) },
      ),
      {},
      /there is no token that counts/,
    ],
    [
      "no axis of classes",
      "token-accuracy",
      batch({ y: pixels }, { "": tokens }),
      {},
      /^token-accuracy does not fit .* It takes scores/,
    ],
    [
      "no boxes",
      "map",
      batch({ scores }, { boxes, labels: tokens }),
      {},
      /map looks at the output "boxes", and the model's outputs are "scores"/,
    ],
    [
      "no labels",
      "map",
      batch({ boxes, scores }, { boxes }),
      {},
      /map takes the target "labels" or "classes"; the data has "boxes"/,
    ],
    [
      "scores of other boxes",
      "map",
      batch({ boxes, scores: float32([1, 3, 1], [1, 1, 1]) }, { boxes, labels: tokens }),
      {},
      /here are boxes \[1, 2, 4\], scores \[1, 3, 1\], labels \[1, 2\]/,
    ],
    [
      "a class without a score",
      "map",
      batch({ boxes, scores }, { boxes, labels: tokens }),
      {},
      /a target has the class 1; the scores are of the classes 0 to 0/,
    ],
    [
      "no box at all",
      "map",
      batch({ boxes, scores }, { boxes: float32([1, 1, 4], [-1, -1, -1, -1]), labels: tensor("int64", [1, 1], [-1]) }),
      {},
      /there is no box in the targets/,
    ],
  ];
  it.each(wrong)("%s", async (_, metric, given, settings, message) => {
    await expect(measured(metric, [given], settings)).rejects.toThrow(message);
  });
});

describe("of a model", () => {
  const model = newModel("lenet5", { classes: 10, seed: 1 });
  const data = randomDataset(model.graph, { samples: 40, labels: 10 });

  it("are asked for by name or with settings, and go with what is measured else", async () => {
    const found = await evaluate(model, { data, metric: "token-accuracy", threads: 1 });
    expect(found.metric).toEqual({ name: "token-accuracy", better: "higher", value: found.top1, share: true });
    const named = await evaluate(model, { data, metric: { kind: "f1", output: "logits" }, threads: 1 });
    expect(named.metric).toMatchObject({ name: "logits=f1", share: true });
    expect(named.loss).toBe(found.loss);
  });

  it("leave out a loss that nobody has asked for and that does not fit, and say so", async () => {
    const values = randomDataset(model.graph, { samples: 40, labels: [10] });
    const notes: string[] = [];
    const found = await evaluate(model, {
      data: values,
      metric: "cosine",
      threads: 1,
      onNote: (text) => notes.push(text),
    });
    expect(found.loss).toBeUndefined();
    expect(found.metric!.value).toBeLessThan(1);
    expect(notes).toEqual([
      expect.stringMatching(/^the loss is left out: the target in the data is float32 \[40, 10\]/),
    ]);
    await expect(
      evaluate(model, { data: values, metric: "cosine", loss: "cross-entropy", threads: 1 }),
    ).rejects.toThrow(/the target in the data is float32/);
  });

  it("refuse outputs and settings that are none", async () => {
    expect(() => metricFor(model.graph, { kind: "f1", output: "masks" })).toThrow(
      /^f1 looks at the output "masks", and the model's outputs are "logits"$/,
    );
    await expect(evaluate(model, { data, metric: { kind: "psnr", peek: 1 } as never })).rejects.toThrow(
      /no option metric\.peek \(did you mean metric\.peak\?/,
    );
  });

  it("have a title, a source and what they take", () => {
    expect(metrics.map(({ name }) => name)).toEqual(countedNames);
    for (const { title, summary, equation, takes, source } of metrics)
      for (const text of [title, summary, equation, takes, source]) expect(text.length).toBeGreaterThan(1);
  });
});
