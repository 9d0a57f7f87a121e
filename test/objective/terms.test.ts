/** Objectives of several terms: weights, names of targets, teachers, and what is refused. */

import { describe, expect, it } from "vitest";
import type { Batch } from "../../src/data/batches.ts";
import { targetFeeds } from "../../src/execute/feeds.ts";
import { float32, tensor, toNumbers, type Tensor } from "../../src/graph/tensor.ts";
import type { Loss } from "../../src/options/loss.ts";
import { noise, runGraph } from "../support/graphs.ts";
import { fedBy, lossGraph } from "../support/losses.ts";

const a = noise([2, 3], 1);
const b = noise([2, 3, 4], 2);
const c = noise([2, 5], 3);
const like = (value: Tensor, seed: number): Tensor => noise(value.shape, seed);
const yes = (value: Tensor): Tensor =>
  float32(
    value.shape,
    toNumbers(value).map((x) => (x > 0 ? 1 : 0)),
  );

/** What losses of outputs give: the loss, and the gradient of each output. */
async function run(
  loss: Loss,
  outputs: Readonly<Record<string, Tensor>>,
  batch: Pick<Batch, "target" | "targets">,
): Promise<Record<string, number[]>> {
  const { graph, objective } = lossGraph(outputs, { loss });
  const targets = targetFeeds(graph.inputs, objective, { inputs: {}, size: 2, ...batch });
  const own = Object.entries(fedBy(outputs)).filter(([name]) => graph.inputs.some((input) => input.name === name));
  const results = await runGraph(graph, { ...Object.fromEntries(own), ...targets });
  return Object.fromEntries(Object.entries(results).map(([name, value]) => [name, toNumbers(value)]));
}

const close = (found: readonly number[], wanted: readonly number[]): void => {
  expect(found.length).toBe(wanted.length);
  for (const [i, value] of wanted.entries()) expect(found[i]!).toBeCloseTo(value, 6);
};

describe("several losses", () => {
  const [first, second] = [like(a, 4), like(b, 5)];

  it("are summed with their weights, and so are their gradients", async () => {
    const one = await run("mse", { a }, { target: first });
    const other = await run("l1", { b }, { target: second });
    const both = await run(
      { a: { kind: "mse", weight: 3 }, b: { kind: "l1", weight: 0.5 } },
      { a, b },
      { targets: { a: first, b: second } },
    );
    close(both["loss"]!, [3 * one["loss"]![0]! + 0.5 * other["loss"]![0]!]);
    close(
      both["samples"]!,
      one["samples"]!.map((value, i) => 3 * value + 0.5 * other["samples"]![i]!),
    );
    close(
      both["gradient/a"]!,
      one["gradient/a"]!.map((value) => 3 * value),
    );
    close(
      both["gradient/b"]!,
      other["gradient/b"]!.map((value) => 0.5 * value),
    );
  });

  it("may look at one output and one target", async () => {
    const mask = yes(like(b, 6));
    const [bce, dice] = [await run("bce", { b }, { target: mask }), await run("dice", { b }, { target: mask })];
    const loss: Loss = [
      { kind: "bce", output: "b" },
      { kind: "dice", output: "b", weight: 2 },
    ];
    const both = await run(loss, { b }, { targets: { b: mask } });
    close(
      both["gradient/b"]!,
      bce["gradient/b"]!.map((value, i) => value + 2 * dice["gradient/b"]![i]!),
    );
    expect(lossGraph({ b }, { loss }).objective.targets.map(({ input }) => input)).toEqual(["target/b"]);
  });

  it("take targets by the names that are said", async () => {
    const loss: Loss = [
      { kind: "mse", output: "a", target: "boxes" },
      { kind: "l1", output: "b" },
    ];
    const { objective } = lossGraph({ a, b }, { loss });
    expect(objective.targets.map(({ input, name }) => [input, name])).toEqual([
      ["target/boxes", "boxes"],
      ["target/b", "b"],
    ]);
    const named = await run(loss, { a, b }, { targets: { boxes: first, b: second } });
    const plain = await run({ a: "mse", b: "l1" }, { a, b }, { targets: { a: first, b: second } });
    expect(named).toEqual(plain);
    await expect(run(loss, { a, b }, { targets: { a: first, b: second } })).rejects.toThrow(
      'takes the target "boxes"; the data has "a", "b"',
    );
  });

  it("leave alone what none of them names", async () => {
    const found = await run({ a: "mse" }, { a, b, c }, { target: first });
    expect(Object.keys(found).toSorted()).toEqual(["gradient/a", "loss", "samples"]);
  });
});

describe("a teacher of several outputs", () => {
  const temperature = 2;
  const theirs = { a: like(a, 7), b: like(b, 8), c: like(c, 9) };
  const rows = (value: Tensor): number[][] => {
    const [numbers, size] = [toNumbers(value), value.data.length / 2];
    return [numbers.slice(0, size), numbers.slice(size)];
  };
  const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;
  const softmax = (row: readonly number[]): number[] => {
    const exps = row.map((x) => Math.exp(x / temperature));
    return exps.map((x) => x / exps.reduce((sum, y) => sum + y, 0));
  };
  const kl = (p: readonly number[], q: readonly number[]): number =>
    p.reduce((sum, x, i) => sum + x * Math.log(x / q[i]!), 0);
  const yesAndNo = (x: number): number[] => {
    const p = 1 / (1 + Math.exp(-x));
    return [p, 1 - p];
  };

  it("is compared by classes, by yes and no, and by numbers", async () => {
    const outputs = { a, b, c };
    const loss: Loss = { a: { kind: "cross-entropy", weight: 3 }, b: "bce", c: { kind: "mse", weight: 0.5 } };
    const { graph, objective } = lossGraph(outputs, { loss, distillation: { weight: 1, temperature } });
    expect(objective.targets).toEqual([]);
    expect(objective.teachers.map(({ input }) => input)).toEqual(["teacher/a", "teacher/b", "teacher/c"]);
    const given = Object.entries(theirs).map(([name, value]) => [`teacher/${name}`, value]);
    const results = await runGraph(graph, { ...fedBy(outputs), ...Object.fromEntries(given) });
    const wanted = [0, 1].map((n) => {
      const classes = temperature ** 2 * kl(softmax(rows(theirs.a)[n]!), softmax(rows(a)[n]!));
      const own = rows(b)[n]!;
      const pairs = rows(theirs.b)[n]!.map((x, i) => kl(yesAndNo(x), yesAndNo(own[i]!)));
      const numbers = rows(theirs.c)[n]!.map((x, i) => (x - rows(c)[n]![i]!) ** 2);
      return 3 * classes + mean(pairs) + 0.5 * mean(numbers);
    });
    close(toNumbers(results["samples"]!), wanted);
  });

  it("is at no distance from itself, whatever the loss", async () => {
    const kinds = ["cross-entropy", "bce", "mse", "l1", "huber", "kl", "cosine", "dice", "focal", "info-nce"] as const;
    for (const kind of kinds) {
      const { graph } = lossGraph({ a }, { loss: kind, distillation: { weight: 1, temperature } });
      const results = await runGraph(graph, { ...fedBy({ a }), teacher: a });
      expect(Math.abs(Number(results["loss"]!.data[0])), kind).toBeLessThan(1e-6);
      expect(Math.max(...toNumbers(results["gradient/a"]!).map(Math.abs)), kind).toBeLessThan(1e-6);
      const other = await runGraph(graph, { ...fedBy({ a }), teacher: theirs.a });
      expect(Number(other["loss"]!.data[0]), kind).toBeGreaterThan(1e-3);
    }
  });

  it("of tokens is heard where tokens are", async () => {
    const logits = noise([1, 4, 3], 10);
    const inputs = {
      input_ids: tensor("int64", [1, 4], [0, 1, 2, 2]),
      attention_mask: tensor("int64", [1, 4], [1, 1, 1, 0]),
    };
    const { graph } = lossGraph(
      { y: logits },
      { loss: "next-token", distillation: { weight: 1, temperature } },
      inputs,
    );
    const other = toNumbers(logits).map((value, i) => (i < 6 ? value : value + i));
    const heard = toNumbers(logits).map((value, i) => (i < 6 ? value + i : value));
    const far = async (values: number[]): Promise<number> => {
      const fed = { ...fedBy({ y: logits }), ...inputs, teacher: float32([1, 4, 3], values) };
      return Number((await runGraph(graph, fed))["loss"]!.data[0]);
    };
    expect(await far(other)).toBeLessThan(1e-6);
    expect(await far(heard)).toBeGreaterThan(0.1);
  });
});

describe("targets of ctc", () => {
  const logits = noise([2, 4, 3], 11);
  const feed = (shape: readonly number[], values: readonly number[], loss: Loss = "ctc"): Tensor => {
    const { graph, objective } = lossGraph({ y: logits }, { loss });
    const target = tensor("int64", shape, values);
    return targetFeeds(graph.inputs, objective, { inputs: {}, size: 2, target })["target"]!;
  };

  it("are filled up to the steps, or to the length that is said", () => {
    expect(toNumbers(feed([2, 2], [1, 2, 2, -1]))).toEqual([1, 2, -1, -1, 2, -1, -1, -1]);
    expect(feed([2, 6], [1, 2, -1, -1, -1, -1, 2, -1, -1, -1, -1, -1]).shape).toEqual([2, 4]);
    expect(feed([2, 2], [1, 2, 2, -1], { kind: "ctc", length: 3 }).shape).toEqual([2, 3]);
  });

  it.each([
    [[2, 2], [1, -1, -1, 2], undefined, "sample 1 has -1 between its labels"],
    [[2, 5], [1, 2, 1, 2, 1, 1, -1, -1, -1, -1], undefined, "sample 0 has 5 labels, and the loss takes 4 at most"],
    [[2, 2], [1, 2, 0, 1], undefined, "sample 1 has label 0; the classes are 0 to 2 without 0, which is the blank"],
    [[2, 2], [1, 2, 3, 1], undefined, "sample 1 has label 3"],
    [[2, 2], [1, 2, 1, -1], 2, "sample 0 has label 2; the classes are 0 to 2 without 2"],
  ])("%j %j: refused", (shape, values, blank, message) => {
    expect(() => feed(shape, values, { kind: "ctc", ...(blank !== undefined && { blank }) })).toThrow(message);
  });
});

describe("refused is", () => {
  const tokens = noise([2, 4, 3], 1);
  const image = noise([2, 3, 4, 4], 1);
  it.each<[string, Loss, Readonly<Record<string, Tensor>>, string]>([
    [
      "a target of two types",
      [
        { kind: "cross-entropy", output: "a", target: "t" },
        { kind: "mse", output: "a", target: "t" },
      ],
      { a },
      "two losses take the same target, mse as float32 [2, 3] and the other as int64 [2]",
    ],
    ["an output that is not there", { d: "mse" }, { a }, 'a loss is put on "d"'],
    [
      "tokens that are nowhere",
      "next-token",
      { y: tokens },
      'from the input "input_ids", which the model does not have',
    ],
    ["a mask that is nowhere", { kind: "next-token", tokens: "text", mask: "m" }, { y: tokens }, 'looks at "m"'],
    ["one token", "next-token", { y: noise([2, 1, 3], 1) }, "with two tokens at least"],
    ["a pair that is nowhere", { kind: "info-nce", with: "d" }, { a }, 'a loss looks at "d"'],
    ["a pair of another size", { kind: "info-nce", output: "a", with: "c" }, { a, c }, "embeddings of one size"],
    ["one sample to tell apart", "info-nce", { a: noise([1, 3], 1) }, "batchSize"],
    ["pictures as embeddings", "info-nce", { y: image }, "[N, D]"],
    ["pictures as steps", "ctc", { y: image }, "[N, steps, classes]"],
    ["a blank that is no class", { kind: "ctc", blank: 3 }, { y: tokens }, "the blank of ctc is class 3"],
    ["numbers as classes", "kl", { y: noise([2], 1) }, "kl needs an output of [N, classes]"],
    ["numbers as vectors", "cosine", { y: noise([2], 1) }, "cosine needs an output of vectors"],
    ["an axis that is none", { kind: "dice", axis: 3 }, { b }, "dice needs an output of [N, classes]"],
  ])("%s", (_, loss, outputs, message) => expect(() => lossGraph(outputs, { loss })).toThrow(message));
});
