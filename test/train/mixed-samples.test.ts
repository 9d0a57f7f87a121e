/** Activations in which the samples of a batch cannot be told apart: what criteria may still say of them. */

import { describe, expect, it } from "vitest";
import { findCriterion } from "../../src/criteria/table.ts";
import { float32, int64s, sizeOf, type Tensor } from "../../src/graph/tensor.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { evaluate } from "../../src/evaluate/evaluate.ts";
import { score } from "../../src/score/score.ts";
import { randomDataset } from "../support/datasets.ts";
import { random } from "../support/graphs.ts";
import { graphOf, node, value } from "../onnx/support.ts";

const noise = (shape: readonly number[], seed: number): Tensor => {
  const next = random(seed);
  return float32(
    shape,
    Array.from({ length: sizeOf(shape) }, () => next() - 0.5),
  );
};

/** A mean over the batch, from which five units are computed for all samples together. */
const graph: Graph = graphOf({
  inputs: [value("x", ["n", 4])],
  outputs: [value("y", ["n", 3])],
  initializers: new Map(
    Object.entries({
      w: noise([4, 6], 1),
      v: noise([6, 5], 2),
      u: noise([6, 3], 3),
      t: noise([5, 3], 4),
      axes: int64s([0]),
    }),
  ),
  nodes: [
    node("MatMul", ["x", "w"], ["a"]),
    node("Sigmoid", ["a"], ["r"]),
    node("ReduceMean", ["r", "axes"], ["m"], { keepdims: 1 }),
    node("MatMul", ["m", "v"], ["z"]),
    node("MatMul", ["r", "u"], ["p"]),
    node("MatMul", ["z", "t"], ["q"]),
    node("Add", ["p", "q"], ["y"]),
  ],
});
const batchSize = 4;
const data = randomDataset(graph, { samples: batchSize, labels: 3 });
const scored = (criterion: string, size = batchSize) =>
  score(directRuntime, graph, data, findCriterion(criterion), {
    batchSize: size,
    batches: 1,
    loss: "cross-entropy",
    seed: 0,
  });

/** The loss with column m of v times a factor, which is what a gate on unit m does. */
async function lossWith(m: number, factor: number): Promise<number> {
  const v = graph.initializers.get("v")!;
  const scaled = float32(
    v.shape,
    Array.from(v.data as Float32Array, (x, i) => (i % 5 === m ? x * factor : x)),
  );
  const changed = { ...graph, initializers: new Map([...graph.initializers, ["v", scaled]]) };
  return (await evaluate(directRuntime, changed, data, { batchSize, loss: "cross-entropy" })).loss!;
}

describe("units that all samples share", () => {
  it("are scored by taylor-fo with the squared gradient of the mean loss", async () => {
    const importances = (await scored("taylor-fo")).get("v")!;
    expect(importances.length).toBe(5);
    const step = 0.05;
    for (const [m, importance] of importances.entries()) {
      const slope = ((await lossWith(m, 1 + step)) - (await lossWith(m, 1 - step))) / (2 * step);
      expect(Math.sqrt(importance)).toBeCloseTo(Math.abs(slope), 4);
      expect(Math.abs(slope)).toBeGreaterThan(1e-4);
    }
  });

  it("are refused where a criterion looks at each sample, with what to do, unless there is one sample", async () => {
    await expect(scored("taylor-fo-fg")).rejects.toThrow(
      /taylor-fo-fg looks at each sample by itself.*at the gates of "v": use `criterion: "taylor-fo"` or `batchSize: 1`/,
    );
    expect((await scored("taylor-fo-fg", 1)).get("v")!.length).toBe(5);
  });
});
