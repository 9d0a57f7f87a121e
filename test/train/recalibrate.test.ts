/** Statistics that are estimated anew: of which batches, and by which draws. */

import { describe, expect, it } from "vitest";
import { loadModel } from "../../src/onnx/load.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { float32, toNumbers } from "../../src/graph/tensor.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { prepare, withGraph } from "../../src/execute/prepare.ts";
import { recalibrate } from "../../src/train/recalibrate.ts";
import { randomDataset } from "../support/datasets.ts";
import { tinyNet } from "../support/graphs.ts";
import { readNetModel } from "../support/reference.ts";

const options = { batchSize: 8, threads: 1 };

/** y = BatchNormalization(x), or of what Dropout leaves of x. */
function normalised(dropped: boolean): Graph {
  const { g, weight, x, finish } = tinyNet([8, 3, 5, 5]);
  const [scale, shift, mean, variance] = ["scale", "shift", "mean", "variance"].map((name) => weight(name, [3], 0.5));
  const y = g.BatchNormalization(dropped ? g.Dropout(x) : x, scale!, shift!, mean!, variance!);
  // Of what comes after no statistic is kept.
  return finish(dropped ? g.Dropout(y) : y);
}

const statistics = ({ initializers }: Graph) => ["mean", "variance"].map((name) => toNumbers(initializers.get(name)!));

describe("statistics", () => {
  const graph = normalised(false);
  const data = randomDataset(graph, { samples: 28 });

  it.each([undefined, 1, 2])("are the means over whole batches (at most %s)", async (batches) => {
    const found = await recalibrate(directRuntime, graph, data, { ...options, batches });
    const sums = [0, 1].map(() => [0, 0, 0]);
    const count = batches ?? 3;
    for await (const { inputs } of data.batches({ batchSize: 8, limit: count, dropLast: true }))
      for (const channel of [0, 1, 2]) {
        const own = toNumbers(inputs["x"]!).filter((_, i) => Math.floor(i / 25) % 3 === channel);
        const mean = own.reduce((a, b) => a + b) / own.length;
        sums[0]![channel]! += mean / count;
        sums[1]![channel]! += own.reduce((sum, value) => sum + (value - mean) ** 2, 0) / own.length / count;
      }
    statistics(found).forEach((values, i) =>
      values.forEach((value, channel) => expect(value).toBeCloseTo(sums[i]![channel]!, 5)),
    );
    for (const name of ["scale", "shift"]) expect(found.initializers.get(name)).toBe(graph.initializers.get(name));
  });

  it("of what is dropped are decided by the seed", async () => {
    const dropped = normalised(true);
    const [one, same, other] = [1, 1, 2].map((seed) =>
      recalibrate(directRuntime, dropped, data, { ...options, seed }).then(statistics),
    );
    expect(await same).toEqual(await one);
    expect(await other).not.toEqual(await one);
  });

  it("of 16 bits are written with 16 bits", async () => {
    const model = loadModel(readNetModel("float16"));
    const half = prepare(model);
    const found = await recalibrate(
      directRuntime,
      half,
      randomDataset({ inputs: half.inputs }, { samples: 16 }),
      options,
    );
    const again = loadModel(encodeModel(withGraph(model, found))).graph;
    for (const [name, { dtype }] of model.graph.initializers) expect(again.initializers.get(name)?.dtype).toBe(dtype);
  });

  it("that are no numbers are refused", async () => {
    const endless = { ...data, batches: () => endlessOnce() };
    // oxlint-disable-next-line require-await
    async function* endlessOnce() {
      yield { inputs: { x: float32([8, 3, 5, 5], new Float64Array(600).fill(Number.POSITIVE_INFINITY)) }, size: 8 };
    }
    await expect(recalibrate(directRuntime, graph, endless, options)).rejects.toThrow('the statistic "mean"');
  });

  it("need a whole batch", () =>
    expect(recalibrate(directRuntime, graph, data, { ...options, batchSize: 50 })).rejects.toThrow("fewer than 50"));
});

it("a model that keeps none is left as it is", async () => {
  const graph = prepare(loadModel(readNetModel("plain-cnn")));
  expect(await recalibrate(directRuntime, graph, randomDataset(graph, { samples: 8 }), options)).toBe(graph);
});
