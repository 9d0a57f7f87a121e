/** Weights in rows: what goes together, there and back, and that a trainer goes on from another's. */

import { describe, expect, it } from "vitest";
import { tensor, type Shape, type Tensor } from "../../src/graph/tensor.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { prepare } from "../../src/execute/prepare.ts";
import { packed, packParameters, unpacked } from "../../src/train/packed-parameters.ts";
import type { StepOptions, TrainerState } from "../../src/train/step.ts";
import { openTrainer } from "../../src/train/trainer.ts";
import { newModel } from "../../src/zoo/zoo.ts";
import { noise, random } from "../support/graphs.ts";

const shapes: Readonly<Record<string, Shape>> = {
  "a/weight": [2, 3],
  "a/bias": [2],
  large: [256, 257],
  scalar: [],
  "b/weight": [4, 1, 2],
  "b/bias": [5],
  "exactly small": [256, 256],
};
const tensors = new Map<string, Tensor>(Object.entries(shapes).map(([name, shape], i) => [name, noise(shape, i + 1)]));
tensors.set("double", tensor("float64", [2], [0.1, 0.2]));

describe("rows", () => {
  const rows = packParameters([...tensors.keys()], tensors);

  it("hold small tensors of a kind, in their order; a large one stands alone", () => {
    expect(rows.map(({ name, members }) => [name, ...members.map((member) => member.name)])).toEqual([
      ["a/weight", "a/weight", "b/weight", "exactly small"],
      ["a/bias", "a/bias", "scalar", "b/bias"],
      ["large", "large"],
      ["double", "double"],
    ]);
  });

  it("have more than one axis where their members have", () => {
    const shapesOf = rows.map((row) => packed(row, (name) => tensors.get(name)!).shape);
    expect(shapesOf).toEqual([[1, 6 + 8 + 65536], [8], [256, 257], [2]]);
  });

  it("give back what was put in, and take one alone as it is", () => {
    for (const row of rows) {
      const whole = packed(row, (name) => tensors.get(name)!);
      for (const [name, value] of unpacked(row, whole)) expect(value, name).toEqual(tensors.get(name));
    }
    expect(packed(rows[2]!, (name) => tensors.get(name)!)).toBe(tensors.get("large"));
  });
});

describe("a trainer", () => {
  const graph = prepare(newModel("lenet5", { classes: 10, seed: 1 }));
  const next = random(5);
  const batches = [0, 1].map(() => ({
    inputs: {
      "": { dtype: "float32", shape: [4, 1, 28, 28], data: Float32Array.from({ length: 4 * 784 }, next) } as const,
    },
    target: tensor("int64", [4], [1, 7, 0, 3]),
    size: 4,
  }));

  it.each<[string, Partial<StepOptions>]>([
    ["sgd", { optimiser: { kind: "sgd", weightDecay: 0.1 } }],
    ["adamw and averages", { optimiser: { kind: "adamw", weightDecay: 0.1 }, ema: 0.9 }],
  ])("with rows goes on from another's state as that would have gone on itself: %s", async (_name, more) => {
    const options = { loss: "cross-entropy", batch: 4, threads: 1, workers: 2, ...more } as const;
    const learn = async (from: TrainerState, steps: readonly number[]): Promise<TrainerState> => {
      await using trainer = await openTrainer(directRuntime, from.graph, options, from.optimiserState);
      for (const i of steps) await trainer.step(batches[i]!, 0.1, i);
      return trainer.state(true);
    };
    const start = { graph, optimiserState: new Map<string, Tensor>() };
    const first = await learn(start, [0]);
    expect([...first.graph.initializers.keys()]).toEqual([...graph.initializers.keys()]);
    expect(await learn(first, [1])).toEqual(await learn(start, [0, 1]));
  });

  it("decays kernels and not vectors", async () => {
    const learn = async (weightDecay: number) => {
      const optimiser = { kind: "sgd", momentum: 0, nesterov: false, weightDecay } as const;
      const options = { loss: "cross-entropy", batch: 4, threads: 1, workers: 2, optimiser } as const;
      await using trainer = await openTrainer(directRuntime, graph, options);
      await trainer.step(batches[0]!, 0.1);
      return (await trainer.state(true)).graph.initializers;
    };
    const [plain, decayed] = [await learn(0), await learn(0.5)];
    for (const [name, { shape, data }] of plain) {
      const now = decayed.get(name)!.data as Float32Array;
      const changed = (data as Float32Array).some((value, i) => value !== now[i]);
      expect(changed, name).toBe(data instanceof Float32Array && shape.length > 1);
    }
  });
});
