/** Learning from mixtures: what is drawn, and that whoever teaches sees them too. */

import { describe, expect, it } from "vitest";
import { prepare } from "../../src/execute/prepare.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { valueIn } from "../../src/ops/emitter.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { drawMixture } from "../../src/objective/mixup.ts";
import { executable } from "../../src/execute/executable.ts";
import { stepGraph } from "../../src/train/step.ts";
import { openTeacher } from "../../src/train/teacher.ts";
import { openTrainer } from "../../src/train/trainer.ts";
import { randomDataset } from "../support/datasets.ts";
import { tinyNet } from "../support/graphs.ts";
import { readNetModel } from "../support/reference.ts";

const plain = prepare(loadModel(readNetModel("plain-cnn")));

describe("what is drawn", () => {
  it.each([0.1, 0.4, 1, 3])("is a share from Beta(%f, the same): mean 1/2, variance 1 / (8 a + 4)", (alpha) => {
    const shares = Array.from({ length: 4000 }, (_, step) =>
      Number(drawMixture(1, alpha, 3, step)["mixup/lambda"]!.data[0]),
    );
    const mean = shares.reduce((a, b) => a + b) / shares.length;
    const variance = shares.reduce((sum, x) => sum + (x - mean) ** 2, 0) / shares.length;
    expect(shares.every((share) => share >= 0 && share <= 1)).toBe(true);
    expect(mean).toBeCloseTo(0.5, 1);
    expect(variance * (8 * alpha + 4)).toBeCloseTo(1, 1);
  });

  it("is a share where the smallest alpha makes both parts vanish", () => {
    const share = Number(drawMixture(1, 1e-9, 0, 0)["mixup/lambda"]!.data[0]);
    expect([0, 1]).toContain(share);
  });

  it("is a permutation, and decided by seed and step", () => {
    const drawn = drawMixture(50, 1, 3, 4);
    const order = Array.from(drawn["mixup/permutation"]!.data as BigInt64Array, Number);
    expect(order.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(drawMixture(50, 1, 3, 4)).toEqual(drawn);
    expect(drawMixture(50, 1, 3, 5)).not.toEqual(drawn);
    expect(drawMixture(50, 1, 4, 4)).not.toEqual(drawn);
  });
});

it("a teacher that is the model itself has nothing to teach it of mixtures", async () => {
  const teacher = { graph: plain, weight: 1, temperature: 2 };
  await using own = await openTeacher(directRuntime, {
    teacher,
    loss: "cross-entropy",
    mixup: 1,
    batchSize: 8,
    threads: 1,
  });
  const options = { batch: 8, loss: "cross-entropy", distillation: teacher, mixup: 1, threads: 1 } as const;
  const trainer = await openTrainer(directRuntime, plain, options);
  for await (const batch of randomDataset(plain, { samples: 24 }).batches({ batchSize: 8 }))
    expect(Math.abs((await trainer.step(batch, 0, 3, own)).loss)).toBeLessThan(1e-6);
  await trainer.dispose();
});

describe("refused are", () => {
  const options = { batch: 4, loss: "cross-entropy" } as const;

  it("mixtures of what is no amount", () => {
    const { builder, g, weight, finish } = tinyNet([4, 1]);
    builder.inputs.length = 0;
    const ids = valueIn(builder, builder.input("ids", { dtype: "int64", shape: [4, 6] }));
    const embedded = g.Gather(weight("embedding", [10, 5]), ids, { axis: 0 });
    const net = finish(g.ReduceMean(embedded, g.ints([1]), { keepdims: 0 }));
    expect(stepGraph(net, options).graph.outputs.map(({ name }) => name)).toContain("next/embedding");
    expect(() => stepGraph(net, { ...options, mixup: 1 })).toThrow('the input "ids" is int64');
  });

  it.each([
    [{ mixup: 0 }, "Beta(a, a)"],
    [{ clip: 0 }, "a norm above 0"],
    [{ ema: 1 }, "below 1"],
  ])("%j", (more, message) => expect(() => stepGraph(plain, { ...options, ...more })).toThrow(message));
});

it("what is not asked for is not in the graph of a step", () => {
  const options = { batch: 4, loss: "cross-entropy" } as const;
  const { graph } = stepGraph(plain, options);
  const added = graph.inputs.filter(({ name }) => !plain.initializers.has(name) && !name.startsWith("velocity/"));
  expect(added.map(({ name }) => name)).toEqual(["input", "target", "learning_rate"]);
  const said = stepGraph(plain, { ...options, optimiser: { kind: "sgd" }, labelSmoothing: 0 }).graph;
  expect(executable(said)).toEqual(executable(graph));
});
