/** What is kept of a model's outputs, output by output: counted by hand, of two models, and while pruning. */

import { describe, expect, it } from "vitest";
import { dropOf } from "../../src/evaluate/drop.ts";
import { agreementOf, keepersOf, type Kept } from "../../src/evaluate/kept.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { float32, int64s, tensor, toNumbers, type Tensor } from "../../src/graph/tensor.ts";
import type { SearchEvent } from "../../src/jobs/prune-events.ts";
import { arrayDataset, compare, prune, type PruneEvent } from "../../src/node.ts";
import { keptLines } from "../../src/report/kept.ts";
import { modelOf, noise, runGraph } from "../support/graphs.ts";
import { linear, netOf } from "../support/heads.ts";

const graph = netOf((net, hidden) => ({
  boxes: net.g.Mul(net.g.Tanh(linear(net, hidden, "boxes", 4)), net.g.scalar(30)),
  scores: net.g.Sigmoid(linear(net, hidden, "scores", 3)),
  kinds: net.g.Softmax(linear(net, hidden, "kinds", 5), { axis: 1 }),
  best: net.g.ArgMax(linear(net, hidden, "best", 5), { axis: 1, keepdims: 0 }),
}));

/** What a keeper makes of tensors for an output of that graph. */
function keptOf(output: string, pairs: readonly (readonly [Tensor, Tensor])[], of: Graph = graph): Kept {
  const keeper = keepersOf(of, []).find(({ name }) => name === output)!;
  for (const [before, after] of pairs) keeper.add(before, after);
  return keeper.kept();
}

const row = (...values: number[]): Tensor => float32([1, values.length], values);

describe("an output", () => {
  it("of classes keeps the largest of each place, along the axis of its softmax", () => {
    // [N, C, places]: classes 1, 0, 0, 0 and 1, 0, 1, 1.
    const before = float32([1, 2, 4], [0.1, 0.9, 0.8, 0.7, 0.9, 0.1, 0.2, 0.3]);
    const after = float32([1, 2, 4], [0.2, 0.6, 0.4, 0.1, 0.8, 0.4, 0.6, 0.9]);
    const kept = keptOf("kinds", [[before, after]]);
    expect(kept).toEqual({ of: "classes", kept: 0.5, decisions: 4, rare: { before: 1, both: 1, either: 3 } });
    expect(keptLines({ kinds: kept }, 1)).toEqual([
      "kinds: the class of 50.00 % of 4 places kept; of the 1 in other classes than the most common one, 1 kept",
    ]);
    const each = keptOf("kinds", [[row(0, 1), row(0.4, 0.6)]]);
    expect(keptLines({ kinds: each }, 1)).toEqual(["kinds: the class of 100.00 % of 1 samples kept"]);
  });

  it("of yes and no is cut at a half, minibatches together", () => {
    const kept = keptOf("scores", [
      [row(0.6, 0.4, 0.2, 0.1), row(0.5, 0.6, 0.1, 0.1)],
      [row(0.1, 0.1, 0.9, 0.4), row(0.1, 0.1, 0.4, 0.4)],
    ]);
    expect(kept).toEqual({
      of: "yes-no",
      kept: 0.75,
      decisions: 8,
      rare: { before: 2, both: 1, either: 3, answer: "yes" },
    });
    expect(keptLines({ scores: kept }, 2)).toEqual([
      "scores: 75.00 % of 8 yes/no decisions kept; of the 2 that are yes, 1 kept",
    ]);
  });

  it("of numbers is apart by parts of its spread", () => {
    // Of 0, 2, 4, 6 the variance is 5; the mean of the squares 1, 0, 1, 0 is a half.
    const pairs = [
      [float32([2, 1], [0, 2]), float32([2, 1], [1, 2])],
      [float32([2, 1], [4, 6]), float32([2, 1], [3, 6])],
    ] as const;
    const kept = keptOf("boxes", pairs) as Extract<Kept, { of: "numbers" }>;
    expect(kept.apart).toBeCloseTo(Math.sqrt(0.1), 12);
    expect(kept.r2).toBeCloseTo(0.9, 12);
    expect(Object.keys(kept)).toEqual(["of", "apart", "r2", "elements"]);
    expect(keptLines({ boxes: kept }, 4)).toEqual(["boxes: numbers differ by 31.62 % of their standard deviation"]);
  });

  it("of vectors has the mean of their cosines, of images the PSNR", () => {
    const vectors = keptOf("boxes", [[float32([2, 2], [3, 4, 1, 0]), float32([2, 2], [4, 3, 0, 1])]]);
    expect(vectors).toMatchObject({ cosine: expect.closeTo(24 / 25 / 2, 12) });
    const units = float32([1, 2, 2], [0.6, 0.8, 1, 0]);
    expect(keptOf("boxes", [[units, units]])).toMatchObject({ apart: 0, cosine: expect.closeTo(1, 6) });
    const loose = float32([1, 2, 2], [3, 4, 1, 0]);
    expect(keptOf("boxes", [[loose, loose]])).not.toHaveProperty("cosine");
    const image = (...values: number[]): Tensor => float32([1, 1, 2, 2], values);
    const pictures = keptOf("boxes", [[image(0, 1, 0, 1), image(0.1, 0.9, 0.1, 0.9)]]);
    expect(pictures).toMatchObject({ psnr: expect.closeTo(20, 5), apart: expect.closeTo(0.2, 6) });
    expect(keptLines({ out: pictures }, 1)[0]).toMatch(
      /^out: numbers differ by 20\.00 % of their standard deviation, PSNR 20\.0 dB/,
    );
  });

  it("of whole numbers is the same or not", () =>
    expect(keptLines({ best: keptOf("best", [[int64s([1, 2, 3, 4]), int64s([1, 0, 3, 4])]]) }, 4)).toEqual([
      "best: 75.00 % of 4 whole numbers kept",
    ]));

  it("that cannot be compared says why", () => {
    const flat = keptOf("boxes", [[row(1, 1), row(1, 2)]]);
    expect(keptLines({ flat }, 1)).toEqual(["flat: not compared, as the original gives the same number everywhere"]);
    const found = keptOf("boxes", [[float32([3, 2], Array(6).fill(0)), float32([1, 2], [0, 0])]]);
    expect(found).toEqual({ of: "nothing", reason: "it is [3, 2] in the first model and [1, 2] in the second" });
    expect(agreementOf({ flat, found })).toBeUndefined();
  });
});

it("the agreement is the least of all outputs, without what is common to nearly all decisions", () => {
  const numbers = { of: "numbers", apart: 0.5, r2: 0.75, elements: 4 } as const;
  const rare = { before: 8, both: 6, either: 10 };
  const classes = { of: "classes", kept: 0.99, decisions: 400 } as const;
  expect(agreementOf({ numbers, classes })).toBe(0.75);
  expect(agreementOf({ numbers, classes: { ...classes, rare } })).toBe(0.6);
  expect(agreementOf({ classes: { ...classes, rare: { before: 0, both: 0, either: 0 } } })).toBe(1);
  expect(agreementOf({ numbers: { ...numbers, apart: 2, r2: -3 }, classes })).toBe(0);
});

const data = arrayDataset({ name: "noise", inputs: { x: noise([40, 6], 4) } });
const options = { data, batchSize: 16, threads: 1 } as const;

/** The same net with weights that are a little off. */
const other: Graph = {
  ...graph,
  initializers: new Map(
    [...graph.initializers].map(([name, value]) => [
      name,
      name.startsWith("w")
        ? float32(
            value.shape,
            toNumbers(value).map((x, i) => x * (i % 3 === 0 ? 0.7 : 1)),
          )
        : value,
    ]),
  ),
};

async function answers(of: Graph): Promise<Readonly<Record<string, Tensor>>> {
  for await (const { inputs } of data.batches({ batchSize: 40 })) return runGraph(of, inputs);
  throw new Error("no data");
}

describe("two models of several outputs, without labels", () => {
  it("are compared output by output, and by the loss that fits", async () => {
    const { data: found } = await compare(modelOf(graph), modelOf(other), options);
    const [a, b] = [await answers(graph), await answers(other)];
    const pairs = Object.keys(a).map((name) => [name, keptOf(name, [[a[name]!, b[name]!]])] as const);
    for (const [name, kept] of pairs)
      for (const [key, value] of Object.entries(kept))
        expect(found!.outputs![name], name).toHaveProperty(
          key,
          typeof value === "number" ? expect.closeTo(value, 5) : value,
        );
    expect(found!.agreement).toBeCloseTo(agreementOf(found!.outputs!)!, 12);
    expect(found!.agreement).toBeLessThan(1);
    expect(found!.intervals).toBeUndefined();
    expect(found!.drop).toBeCloseTo(100 * (1 - found!.agreement!), 9);

    // Each over that of the best constant answer to the first minibatch: squared distance, and divergences.
    const [x, y] = [a, b].map((all) => Object.fromEntries(Object.entries(all).map(([k, v]) => [k, toNumbers(v)])));
    const early = await runGraph(graph, { x: await drawn(16) });
    const [first, shares, classes] = ["boxes", "scores", "kinds"].map((name) => toNumbers(early[name]!));
    const average = (each: readonly number[]): number => each.reduce((sum, one) => sum + one, 0) / each.length;
    const mean = average(first!);
    const variance = average(first!.map((one) => (one - mean) ** 2));
    const entropy = (...all: readonly number[]): number => all.reduce((sum, p) => sum - p * Math.log(p), 0);
    const sure = average(shares!);
    const yesSpread = entropy(sure, 1 - sure) - average(shares!.map((p) => entropy(p, 1 - p)));
    // Too few places to know how often each of the five classes comes: the constant answer is 1/5 of each.
    const kindSpread = Math.log(5) - 5 * average(classes!.map((p) => entropy(p)));
    const squares = average(x!["boxes"]!.map((one, i) => (one - y!["boxes"]![i]!) ** 2)) / variance;
    const log = (p: number, q: number): number => p * Math.log(p / q);
    const yes = average(x!["scores"]!.map((p, i) => log(p, y!["scores"]![i]!) + log(1 - p, 1 - y!["scores"]![i]!)));
    const kinds = 5 * average(x!["kinds"]!.map((p, i) => log(p, y!["kinds"]![i]!)));
    expect(found!.divergence).toBeCloseTo(squares + yes / yesSpread + kinds / kindSpread, 4);
  });

  it("are the same as themselves", async () => {
    const { data: found } = await compare(modelOf(graph), modelOf(graph), options);
    expect(found).toMatchObject({ agreement: 1, divergence: expect.closeTo(0, 6), drop: 0, share: true });
  });

  it("are compared on data whose targets no loss has been named for, and a note says so", async () => {
    const strings = tensor(
      "int64",
      [40, 7],
      Array.from({ length: 280 }, () => -1),
    );
    const labelled = arrayDataset({ name: "strings", inputs: { x: noise([40, 6], 4) }, target: strings });
    const notes: string[] = [];
    const onNote = (text: string) => void notes.push(text);
    const { data: found } = await compare(modelOf(graph), modelOf(other), { ...options, data: labelled, onNote });
    const { data: plain } = await compare(modelOf(graph), modelOf(other), options);
    expect(found!.outputs).toEqual(plain!.outputs);
    expect(found!.quality).toEqual([{}, {}]);
    expect(notes).toContainEqual(expect.stringContaining("the loss is left out: the target in the data is int64"));
  });

  it("take a metric of an output, held against the original", async () => {
    const metric = { kind: "cosine", output: "boxes" } as const;
    const { data: found } = await compare(modelOf(graph), modelOf(other), { ...options, metric });
    expect(found!.metric![0]).toMatchObject({ name: "boxes=cosine", value: expect.closeTo(1, 6) });
    expect(found!.metric![1].value).toBeCloseTo((found!.outputs!["boxes"] as { cosine: number }).cosine, 6);
    expect(dropOf(found!).drop).toBeCloseTo(found!.metric![0].value - found!.metric![1].value, 12);
  });
});

/** The minibatch by which the spread is found. */
async function drawn(batchSize: number): Promise<Tensor> {
  for await (const { inputs } of data.batches({ batchSize, shuffle: true, seed: 0 })) return inputs["x"]!;
  throw new Error("no data");
}

describe("pruning by a teacher", () => {
  const asked = {
    ...options,
    validation: data,
    targets: "teacher",
    learningRate: 0.01,
    pruneLearningRate: 0.01,
  } as const;

  it("measures every output", async () => {
    const { before, after, drop } = await prune(modelOf(graph), {
      ...asked,
      budget: { units: 0.8 },
      epochs: 1,
      every: 1,
    });
    expect(before.evaluation).toMatchObject({ agreement: 1, loss: expect.closeTo(0, 6) });
    expect(Object.keys(after.evaluation!.outputs!)).toEqual(["boxes", "scores", "kinds", "best"]);
    expect(after.evaluation!.agreement).toBeCloseTo(agreementOf(after.evaluation!.outputs!)!, 12);
    expect(drop).toBeCloseTo(100 * (1 - after.evaluation!.agreement!), 9);
    expect(after.evaluation!.loss).toBeGreaterThan(0);
  });

  it.each([50, 0.001])("searches for what loses at most %s points of agreement", async (maxDrop) => {
    const tries: SearchEvent[] = [];
    const onEvent = (event: PruneEvent): void => void (event.kind === "search" && tries.push(event));
    await prune(modelOf(graph), { ...asked, maxDrop, epochs: 1, every: 1, onEvent });
    expect(tries.length).toBeGreaterThan(1);
    for (const { metric, share, drop, dropInterval, fits } of tries)
      expect({ metric, share, dropInterval, fits }).toEqual({
        metric: "agreement",
        share: true,
        dropInterval: undefined,
        fits: drop <= maxDrop,
      });
    expect(new Set(tries.map(({ drop }) => drop)).size).toBeGreaterThan(1);
  });
});
