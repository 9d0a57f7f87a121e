/** What is dropped while learning is decided by the seed and the step. */

import { describe, expect, it } from "vitest";
import type { Graph, Node } from "../../src/graph/graph.ts";
import { tensor } from "../../src/graph/tensor.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { openTrainer } from "../../src/train/trainer.ts";

const node = (op: string, inputs: string[], output: string): Node => ({
  op,
  domain: "",
  name: op,
  inputs,
  outputs: [output],
  attributes: {},
});

/** y = dropout(x) · w for ones: with w = 1 the mean of y tells what was dropped. */
const graphOf = (ratio: number | undefined): Graph => ({
  name: "dropout",
  nodes: [node("Dropout", ratio === undefined ? ["x"] : ["x", "ratio"], "kept"), node("Mul", ["kept", "w"], "y")],
  inputs: [{ name: "x", dtype: "float32", shape: ["N", 1000] }],
  outputs: [{ name: "y", dtype: "float32" }],
  initializers: new Map([
    ["w", tensor("float32", [1], [1])],
    ...(ratio === undefined ? [] : [["ratio", tensor("float32", [], [ratio])] as const]),
  ]),
  info: new Map(),
});

const x = tensor("float32", [4, 1000], new Float64Array(4000).fill(1));
const target = tensor("float32", [4, 1000], new Float64Array(4000));

/** With the target 0 the loss is the mean of y²: (share that is kept) / (1 - ratio)². */
async function losses(ratio: number | undefined, seed: number, steps: readonly number[]): Promise<number[]> {
  const options = { batch: 4, loss: "mse", threads: 1, seed } as const;
  const trainer = await openTrainer(directRuntime, graphOf(ratio), options);
  try {
    const found: number[] = [];
    for (const step of steps) found.push((await trainer.step({ inputs: { x }, target, size: 4 }, 0, step)).loss);
    return found;
  } finally {
    await trainer.dispose();
  }
}

describe.each([undefined, 0.25, 0])("a ratio of %s", (ratio) => {
  const drop = ratio ?? 0.5;

  it("drops that share and makes up for it", async () => {
    const all = await losses(ratio, 1, [0, 1, 2, 3, 4, 5, 6, 7]);
    const mean = all.reduce((a, b) => a + b) / all.length;
    expect(mean).toBeCloseTo(1 / (1 - drop), 1);
  });

  it("is decided by the seed and the step, whatever came before", async () => {
    const [all, again, other] = [
      await losses(ratio, 1, [0, 1, 2]),
      await losses(ratio, 1, [2, 0, 1]),
      await losses(ratio, 2, [0, 1, 2]),
    ];
    expect(again).toEqual([all[2], all[0], all[1]]);
    expect(new Set([...all, ...other]).size).toBe(drop === 0 ? 1 : 6);
  });
});
