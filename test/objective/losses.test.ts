/** Losses as graphs against the formulas. */

import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { float32, tensor } from "../../src/graph/tensor.ts";
import { createEmitter, valueIn } from "../../src/ops/emitter.ts";
import { appendObjective, type Distillation } from "../../src/objective/objective.ts";
import type { Loss } from "../../src/options/loss.ts";
import { emptyGraph, runGraph } from "../support/graphs.ts";

const logits = [
  [1, -0.5, 2],
  [0.3, 0.1, -1.2],
];
const teacher = [
  [0.5, 0.5, 3],
  [-1, 2, 0],
];
const labels = [2, 0];

const logSoftmax = (row: readonly number[]): number[] => {
  const total = Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0));
  return row.map((x) => x - total);
};
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** The loss of the logits, through a Softmax at the end of the model or not. */
async function lossOf(
  loss: Loss,
  options: {
    softmax?: boolean;
    sigmoid?: boolean;
    distillation?: Distillation;
    target?: number[][];
    labelSmoothing?: number;
  } = {},
): Promise<number> {
  const builder = new GraphBuilder(emptyGraph, new Map());
  const g = createEmitter(builder);
  const input = builder.input("x", { dtype: "float32", shape: [2, 3] });
  const x = g.Mul(valueIn(builder, input), g.scalar(1));
  const output = options.softmax ? g.Identity(g.Softmax(x, { axis: 1 })) : options.sigmoid ? g.Sigmoid(x) : x;
  appendObjective(builder, [output.name], {
    loss,
    distillation: options.distillation,
    labelSmoothing: options.labelSmoothing,
  });
  const results = await runGraph(builder.finish(["loss"]), {
    x: float32([2, 3], logits.flat()),
    target: options.target ? float32([2, 3], options.target.flat()) : tensor("int64", [2], labels),
    ...(options.distillation ? { teacher: float32([2, 3], teacher.flat()) } : {}),
  });
  return Number(results["loss"]!.data[0]);
}

describe("losses", () => {
  const hard = mean(logits.map((row, n) => -logSoftmax(row)[labels[n]!]!));

  it("cross-entropy is the mean of -log softmax at the label", async () =>
    expect(await lossOf("cross-entropy")).toBeCloseTo(hard, 5));

  it("a final Softmax is seen through", async () =>
    expect(await lossOf("cross-entropy", { softmax: true })).toBeCloseTo(hard, 5));

  it("yes or no of what ends in a Softmax is that of the probability of each class", async () => {
    const target = [
      [0, 1, 1],
      [1, 0, 0],
    ];
    const expected = logits.flatMap((row, n) =>
      logSoftmax(row).map((p, c) => (target[n]![c] === 1 ? -p : -Math.log(1 - Math.exp(p)))),
    );
    expect(await lossOf("bce", { softmax: true, target })).toBeCloseTo(mean(expected), 5);
  });

  it("classes of what ends in a Sigmoid are refused", async () =>
    expect(lossOf("cross-entropy", { sigmoid: true })).rejects.toThrow(
      "cross-entropy takes classes of which one is right, and",
    ));

  it("mse is the mean over elements, then over samples", async () => {
    const expected = mean(logits.flat().map((x, i) => (x - teacher.flat()[i]!) ** 2));
    expect(await lossOf("mse", { target: teacher })).toBeCloseTo(expected, 5);
  });

  it("distillation adds T² KL(teacher || logits) by its weight", async () => {
    const temperature = 3;
    const soft = mean(
      logits.map((row, n) => {
        const p = logSoftmax(teacher[n]!.map((x) => x / temperature));
        const q = logSoftmax(row.map((x) => x / temperature));
        return temperature ** 2 * p.reduce((sum, x, c) => sum + Math.exp(x) * (x - q[c]!), 0);
      }),
    );
    const loss = await lossOf("cross-entropy", { distillation: { weight: 0.7, temperature } });
    expect(loss).toBeCloseTo(0.3 * hard + 0.7 * soft, 5);
  });

  it("label smoothing spreads a share of the label over all classes", async () => {
    const spread = mean(logits.map((row) => -mean(logSoftmax(row))));
    expect(await lossOf("cross-entropy", { labelSmoothing: 0.2 })).toBeCloseTo(0.8 * hard + 0.2 * spread, 5);
    expect(await lossOf("cross-entropy", { labelSmoothing: 1 })).toBeCloseTo(spread, 5);
  });

  it("label smoothing is a share, and of classes", async () => {
    await expect(lossOf("cross-entropy", { labelSmoothing: 1.5 })).rejects.toThrow("from 0 to 1");
    await expect(lossOf("mse", { labelSmoothing: 0.1, target: teacher })).rejects.toThrow(
      "needs the loss cross-entropy",
    );
  });
});
