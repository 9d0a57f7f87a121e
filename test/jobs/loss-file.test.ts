/** Jobs with a loss of a file: what they give, and what is refused. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Dataset } from "../../src/data/batches.ts";
import type { Graph, Model } from "../../src/graph/graph.ts";
import { float32, tensor, type NumericDType, type Shape } from "../../src/graph/tensor.ts";
import { compare, cut, evaluate, finetune, mask, plan, prune, score } from "../../src/node.ts";
import { openModel } from "../../src/jobs/opened.ts";
import { gradientGraph } from "../../src/objective/backward.ts";
import { alias, createEmitter, valueIn } from "../../src/ops/emitter.ts";
import type { Emit } from "../../src/ops/core/emit.ts";
import type { Value } from "../../src/ops/core/define.ts";
import type { Loss } from "../../src/options/loss.ts";
import { nodeRuntime } from "../../src/runtime/workers-node.ts";
import { modelOf, newBuilder, noise, runGraph, tinyNet } from "../support/graphs.ts";
import { batchOf, datasetOf, lossPath, readLoss, readLossReference } from "../support/loss-files.ts";

const folder = mkdtempSync(join(tmpdir(), "secateur-loss-"));
afterAll(() => rmSync(folder, { recursive: true }));

const detectorBatch = batchOf(readLossReference("detector"));
const detectorData = datasetOf(detectorBatch, 8);
const file = (name: string): Loss => ({ kind: "file", file: lossPath(name) });
const common = { threads: 1, batchSize: 4 } as const;

/** A graph with the batch of its inputs open. */
const opened = (graph: Graph): Graph => ({
  ...graph,
  inputs: graph.inputs.map((input) => ({ ...input, shape: input.shape?.with(0, "N") as (number | string)[] })),
  outputs: graph.outputs.map(({ name, dtype }) => ({ name, dtype })),
});

/** x [N, 4] -> hidden [N, 6] -> y [N, 3], and what it learns from. */
function small(): { readonly model: Model; readonly data: Dataset } {
  const { g, weight, x, finish, builder } = tinyNet([4, 4]);
  const y = g.MatMul(g.Relu(g.MatMul(x, weight("in", [4, 6]))), weight("out", [6, 3]));
  alias(builder, y.name, builder.claim("y"));
  const batch = { inputs: { x: noise([8, 4], 1) }, target: noise([8, 3], 2), size: 8 };
  return { model: modelOf(opened(finish(valueIn(builder, "y")))), data: datasetOf(batch, 16) };
}

type Inputs = Readonly<Record<string, readonly [NumericDType, Shape]>>;

/** A loss that is written by hand; its outputs are called `loss`, `loss1`, ... */
function written(inputs: Inputs, write: (g: Emit, inputs: Readonly<Record<string, Value>>) => readonly Value[]): Model {
  const builder = newBuilder();
  const given = Object.entries(inputs).map(([name, [dtype, shape]]) => {
    builder.input(name, { dtype, shape }, true);
    return [name, valueIn(builder, name)] as const;
  });
  const outputs = write(createEmitter(builder), Object.fromEntries(given));
  const names = outputs.map(({ name }, i) => {
    alias(builder, name, builder.claim(i === 0 ? "loss" : `loss${i}`));
    return i === 0 ? "loss" : `loss${i}`;
  });
  return { ...modelOf(opened(builder.finish(names))), producerName: "hand" };
}

const pair: Inputs = { y: ["float32", [4, 3]], target: ["float32", [4, 3]] };
const l2 = (g: Emit, { y, target }: Readonly<Record<string, Value>>): Value => {
  const d = g.Sub(y!, target!);
  return g.ReduceMean(g.Mul(d, d), g.ints([1]), { keepdims: 0 });
};

describe("a loss of a file is what the same loss by name is", () => {
  const { model, data } = small();
  const own: Loss = { kind: "file", model: written(pair, (g, given) => [l2(g, given)]) };

  it("by every criterion that takes the loss", async () => {
    for (const criterion of ["taylor-fo", "taylor-fo-weight", "obd", "taylor-so", "oracle"] as const) {
      const [a, b] = await Promise.all(
        [own, "mse" as const].map((loss) => score(model, { ...common, data, loss, criterion, batches: 2 })),
      );
      expect([...a!.keys()]).toEqual([...b!.keys()]);
      for (const [name, values] of a!)
        values.forEach((value, i) => expect(value, criterion).toBeCloseTo(b!.get(name)![i]!, 6));
    }
  });

  it("beside others, by its weight, with workers, and where it is one number", async () => {
    const mean = written(pair, (g, given) => [g.ReduceMean(l2(g, given), undefined, { keepdims: 0 })]);
    const losses: Loss[] = [
      "mse",
      own,
      { kind: "file", model: mean },
      [
        { kind: "mse", output: "y", target: "", weight: 0.25 },
        { ...own, weight: 0.75 },
      ],
    ];
    const found: number[][] = [];
    for (const [i, loss] of losses.entries()) {
      const steps: number[] = [];
      const options = { ...common, data, loss, epochs: 1, learningRate: 0.1, workers: i === 1 || i === 2 ? 2 : 1 };
      await finetune(model, {
        ...options,
        onEvent: (event) => void (event.kind === "step" && steps.push(event.loss)),
      });
      found.push(steps);
    }
    expect(found[0]!.length).toBe(4);
    for (const steps of found.slice(1)) steps.forEach((loss, i) => expect(loss).toBeCloseTo(found[0]![i]!, 5));
  });

  it("where the file takes the logarithm of a probability that is 0 in 32 bits", async () => {
    const far = (write: (g: Emit, scores: Value) => Value): Model =>
      written({ y: ["float32", [4, 3]] }, (g, { y }) => [
        g.Neg(g.ReduceMean(write(g, g.Mul(y!, g.scalar(1e4))), g.ints([1]), { keepdims: 0 })),
      ]);
    const lossBy = async (model: Model): Promise<number> =>
      (await evaluate(small().model, { ...common, data, loss: { kind: "file", model } })).loss!;
    const sigmoid = await lossBy(far((g, scores) => g.Log(g.Sigmoid(scores))));
    expect(sigmoid).toBeGreaterThan(100);
    expect(sigmoid).toBeCloseTo(await lossBy(far((g, scores) => g.Neg(g.Softplus(g.Neg(scores))))), 1);
    const softmax = await lossBy(far((g, scores) => g.Log(g.Softmax(scores, { axis: 1 }))));
    expect(softmax).toBeGreaterThan(100);
    expect(softmax).toBeCloseTo(await lossBy(far((g, scores) => g.LogSoftmax(scores, { axis: 1 }))), 1);
  });

  it("measured", async () => {
    const [a, b] = [
      await evaluate(model, { ...common, data, loss: own }),
      await evaluate(model, { ...common, data, loss: "mse" }),
    ];
    expect(a.loss).toBeCloseTo(b.loss!, 6);
    const { data: compared } = await compare(model, model, { ...common, data, loss: own });
    expect(compared!.quality![0].loss).toBeCloseTo(b.loss!, 6);
  });
});

describe("a detector's loss", () => {
  it("is scored alike in pieces, and with all masks at once or one by one", async () => {
    const model = await readLoss("detector");
    const scored = (criterion: "taylor-fo" | "oracle", more: object) =>
      score(model, {
        ...common,
        batchSize: 64,
        data: datasetOf(detectorBatch, 512),
        loss: file("detector-each-older"),
        criterion,
        batches: 1,
        ...more,
      });
    let pieces = 0;
    const plain = await scored("taylor-fo", { batchSize: 512 });
    const split = await scored("taylor-fo", {
      batchSize: 512,
      memory: 375e6,
      onSplit: (count: number) => (pieces = count),
    });
    expect(pieces).toBeGreaterThan(1);
    const oracle = await scored("oracle", {});
    const single = await scored("oracle", {
      loss: { kind: "file", file: lossPath("detector-each-older"), isApart: false },
    });
    for (const [a, b] of [
      [plain, split],
      [oracle, single],
    ] as const)
      for (const [name, values] of a)
        values.forEach((value, i) =>
          expect(Math.abs(value - b.get(name)![i]!)).toBeLessThan(1e-4 * Math.abs(value) + 1e-7),
        );
  });

  it("of the cut net is that of the masked one", async () => {
    const model = await readLoss("detector");
    const { removal } = await plan(model, { ratio: 0.4 });
    const [small, masked] = [(await cut(model, removal)).model, (await mask(model, removal)).model];
    const options = { ...common, data: detectorData, loss: file("detector-each-dynamo") };
    const [a, b] = [await evaluate(small, options), await evaluate(masked, options)];
    expect(Math.abs(a.loss! - b.loss!)).toBeLessThan(1e-5 * b.loss!);
    expect(Math.abs(a.loss! - (await evaluate(model, options)).loss!)).toBeGreaterThan(1e-3);
  });

  it("has the gradient of finite differences", async () => {
    const model = await readLoss("detector");
    const { graph, sized } = await openModel(model, {
      ...common,
      runtime: nodeRuntime,
      data: detectorData,
      loss: file("detector-each-older"),
    });
    const whole = gradientGraph(graph, { batch: 4, loss: sized.loss, train: false, wrt: "parameters" });
    const { labels, truth } = detectorBatch.targets!;
    const feeds = { image: detectorBatch.inputs[""]!, "target/labels": labels!, "target/truth": truth! };
    const results = await runGraph(whole, feeds);
    for (const name of ["boxes.bias", "scores.weight", "conv1.weight"]) {
      const start = whole.initializers.get(name)!;
      const gradient = results[`grad/${name}`]!.data as Float32Array;
      const at = gradient.reduce((best, value, i) => (Math.abs(value) > Math.abs(gradient[best]!) ? i : best), 0);
      const lossAt = async (step: number): Promise<number> => {
        const data = Float32Array.from(start.data as Float32Array, (value, i) => (i === at ? value + step : value));
        const moved = new Map(whole.initializers).set(name, float32(start.shape, [...data]));
        return Number((await runGraph({ ...whole, initializers: moved }, feeds))["loss"]!.data[0]);
      };
      const h = 2e-3;
      const slope = ((await lossAt(h)) - (await lossAt(-h))) / (2 * h);
      expect(Math.abs(slope - gradient[at]!), name).toBeLessThan(0.01 * Math.abs(gradient[at]!));
    }
  });

  it("is pruned by, and goes down in fine-tuning", async () => {
    const options = { ...common, data: detectorData, validation: detectorData, loss: file("detector-mean-dynamo") };
    const { before, after } = await prune(await readLoss("detector"), {
      ...options,
      budget: { units: 0.8 },
      epochs: 10,
      learningRate: 0.02,
      pruneLearningRate: 0.01,
      seed: 1,
    });
    expect(after.units).toBeLessThan(before.units);
    expect(after.evaluation!.loss).toBeLessThan(before.evaluation!.loss!);
  });

  it("that is one of all positives keeps minibatches whole", async () => {
    const model = await readLoss("detector");
    const loss = file("detector-mean-older");
    await expect(
      score(model, { ...common, data: datasetOf(detectorBatch, 512), loss, memory: 375e6, batchSize: 512 }),
    ).rejects.toThrow(/detector-mean-older.onnx" depends on all samples of a minibatch together/);
    await expect(finetune(model, { ...common, data: detectorData, loss, epochs: 1, workers: 2 })).rejects.toThrow(
      "leave out `workers`",
    );
  });
});

describe("refused is", () => {
  const { model, data } = small();
  const refused = (loss: Loss, more: object = {}) =>
    expect(evaluate(model, { ...common, data, loss, ...more })).rejects;
  const hand = (inputs: Inputs, write: Parameters<typeof written>[1]): Loss => ({
    kind: "file",
    model: { ...written(inputs, write), graph: { ...written(inputs, write).graph, name: "mine" } },
  });

  it("a file that is not there, or holds no model", async () => {
    await refused({ kind: "file", file: join(folder, "none.onnx") }).toThrow(/none\.onnx/);
    writeFileSync(join(folder, "text.onnx"), "not a model");
    await refused({ kind: "file", file: join(folder, "text.onnx") }).toMatchObject({ code: "bad-model" });
    await refused({ kind: "file" }).toThrow("takes the path of a file, or a model");
  });

  it("a model of several outputs", () =>
    refused(hand(pair, (g, given) => [l2(g, given), given["y"]!])).toThrow(
      'the loss "mine" gives "loss", "loss1"; a loss gives one number for each sample',
    ));

  it("an input that nothing is called like", async () => {
    await refused(
      hand({ ...pair, boxes: ["float32", [4, 1]] }, (g, given) => [
        g.Add(l2(g, given), g.ReduceMean(given["boxes"]!, g.ints([1]), { keepdims: 0 })),
      ]),
    ).toThrow(
      'the loss "mine" takes "boxes": the model\'s outputs are "y", its inputs "x", and the data has one target, "target"',
    );
    await refused(
      hand({ target: pair["target"]! }, (g, { target }) => [l2(g, { y: target!, target: target! })]),
    ).toThrow("takes none of the model's outputs");
  });

  it("another shape than the model's, or than the data's", async () => {
    await refused(hand({ y: ["float32", [4, 5]], target: ["float32", [4, 5]] }, (g, given) => [l2(g, given)])).toThrow(
      'takes "y" as [N, 5], and the model gives [4, 3]',
    );
    await refused(hand({ ...pair, target: ["float32", [4, 1]] }, (g, given) => [l2(g, given)])).toThrow(
      'takes "target" as [N, 1], and the data gives [4, 3]',
    );
  });

  it("a result that is no number for each sample", async () => {
    await refused(hand(pair, (g, { y, target }) => [g.Sub(y!, target!)])).toThrow(
      "gives float32 [4, 3]; it must be a number for each of the 4 samples, float32 [4], or one for all of them, []",
    );
    await refused(hand(pair, (g, { y }) => [g.ArgMax(y!, { axis: 1, keepdims: 0 })])).toThrow("gives int64 [4]");
  });

  it("one number of a fixed batch at another batch, by the sizes that fit", async () => {
    const whole = written(pair, (g, given) => [g.ReduceMean(l2(g, given), undefined, { keepdims: 0 })]);
    const inputs = whole.graph.inputs.map((input) => ({ ...input, shape: [4, 3] }));
    const fixed = { kind: "file", model: { ...whole, graph: { ...whole.graph, name: "mine", inputs } } } as const;
    const { loss } = await evaluate(model, { ...common, data, loss: fixed });
    expect(loss).toBeCloseTo((await evaluate(model, { ...common, data, loss: "mse" })).loss!, 6);
    await finetune(model, { ...common, data, loss: fixed, epochs: 1, learningRate: 0.01 });
    await refused(fixed, { batchSize: 2 }).toThrow("export it with an open batch, or use `batchSize: 4`");
  });

  it("a class that there is not, where the loss takes its target for nothing else", async () => {
    const ids = (...values: readonly number[]): Dataset =>
      datasetOf({ inputs: { x: noise([4, 4], 1) }, target: tensor("int64", [4], values), size: 4 }, 4);
    const classed: Inputs = { y: ["float32", [4, 3]], target: ["int64", [4]] };
    const scored = hand(classed, (g, { y, target }) => [
      g.SoftmaxCrossEntropyLoss(y!, target!, { reduction: "none", ignore_index: -1 }),
    ]);
    const picked = hand(classed, (g, { y, target }) => [
      g.reshaped(g.GatherElements(y!, g.Unsqueeze(target!, g.ints([1])), { axis: 1 }), [4]),
    ]);
    const spread = (g: Emit, target: Value): Value =>
      g.OneHot(target, g.ints([3]), g.constant(float32([2], [0, 1])), { axis: 1 });
    const hot = hand(classed, (g, { y, target }) => [g.summed(g.Mul(y!, spread(g, target!)), [1])]);
    const masked = hand(classed, (g, { y, target }) => {
      const counts = g.Cast(g.Less(target!, g.constant(tensor("int64", [], [3]))), { to: 1 });
      return [g.Mul(counts, g.summed(g.Mul(y!, spread(g, target!)), [1]))];
    });
    for (const loss of [scored, picked, hot]) {
      await refused(loss, { data: ids(0, 2, 3, 1) }).toThrow(/sample 2 has label 3; the classes are 0 to 2$/);
      await evaluate(model, { ...common, data: ids(0, 2, 1, 1), loss });
    }
    await evaluate(model, { ...common, data: ids(0, -1, 1, 1), loss: scored });
    await refused(scored, { data: ids(0, -2, 1, 1) }).toThrow("sample 1 has label -2");
    // A loss that looks at the class itself may know what to do with it.
    await evaluate(model, { ...common, data: ids(0, 2, 9, 1), loss: masked });
  });

  it("an operator that is not known, by its node", async () => {
    const mine = written(pair, (g, given) => [l2(g, given)]);
    const nodes = mine.graph.nodes.map((node) =>
      node.op === "Mul" ? { ...node, op: "Square", domain: "mine", name: "square_1", inputs: [node.inputs[0]!] } : node,
    );
    await refused({ kind: "file", file: "mine.onnx", model: { ...mine, graph: { ...mine.graph, nodes } } }).toThrow(
      'the loss "mine.onnx": Square "square_1": operator mine.Square is not known',
    );
  });

  it("what only a loss of an output can do", async () => {
    const loss = hand(pair, (g, given) => [l2(g, given)]);
    await expect(score(model, { ...common, data, loss, targets: "sampled" })).rejects.toThrow(
      'use `targets: "labels"`',
    );
    await expect(finetune(model, { ...common, data, loss, epochs: 1, mixup: 0.2 })).rejects.toThrow(
      "leave out `mixup`",
    );
    await expect(prune(model, { ...common, data, loss, budget: { units: 0.9 }, targets: "teacher" })).rejects.toThrow(
      "does not say how far outputs are",
    );
  });
});
