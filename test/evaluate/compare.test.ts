/** Two models side by side: what they compute on random inputs and on data, with labels and without. */

import { describe, expect, it } from "vitest";
import { changesOf } from "../../src/prune/changes.ts";
import {
  analyse,
  compareGraphs,
  compareOutputs,
  cutGraph,
  evaluateGraph,
  prepare,
  type Graph,
} from "../../src/graphs-node.ts";
import { dropOf } from "../../src/evaluate/drop.ts";
import { intervalOf, intervalOfLoss } from "../../src/evaluate/intervals.ts";
import { encodeModel, newModel, nodeRuntime, type Batch, type Dataset } from "../../src/node.ts";
import { summarise } from "../../src/prune/summary.ts";
import { float32, int64s, toNumbers } from "../../src/graph/tensor.ts";
import { wrapGraph } from "../../src/onnx/wrap.ts";
import { noise } from "../onnx/support.ts";

const graphOf = (seed: number, classes = 10): Graph => prepare(newModel("lenet5", { classes, seed }));
const options = { loss: "cross-entropy", batchSize: 16, threads: 1 } as const;

/** Three batches of noise. */
function dataset(target?: (size: number, batch: number) => Batch["target"]): Dataset {
  return {
    name: "noise",
    async *batches() {
      for (let i = 0; i < 3; i++) {
        const label = target?.(16, i);
        const inputs = { "": float32([16, 1, 28, 28], noise(16 * 784, i + 1)) };
        yield { inputs, size: 16, ...(label && { target: label }) };
      }
    },
  };
}

/** What a model puts out for each sample of the data set. */
async function logits(graph: Graph): Promise<number[][]> {
  const session = await nodeRuntime.load(encodeModel(wrapGraph(graph)), { threads: 1 });
  const rows: number[][] = [];
  for await (const { inputs } of dataset().batches({ batchSize: 16 })) {
    const values = toNumbers((await session.run({ input: inputs[""]! }))["logits"]!);
    for (let i = 0; i < values.length; i += 10) rows.push(values.slice(i, i + 10));
  }
  await session.dispose();
  return rows;
}

const labels = (size: number) => int64s(Array.from({ length: size }, (_, i) => i % 10));

describe("compareOutputs", () => {
  it("finds nothing between a model and itself, and the same by the same seed between two", async () => {
    const [a, b] = [graphOf(1), graphOf(2)];
    expect([...(await compareOutputs(nodeRuntime, [a, a], { threads: 1 })).values()]).toEqual([
      { largest: 0, difference: 0, elements: 80, notFinite: 0 },
    ]);
    const found = await Promise.all(
      [0, 0, 1].map(async (seed) => (await compareOutputs(nodeRuntime, [a, b], { threads: 1, seed })).get("logits")!),
    );
    expect(found[0]!.largest).toBeGreaterThan(1e-3);
    expect(found[1]).toEqual(found[0]);
    expect(found[2]).not.toEqual(found[0]);
  });

  it("refuses models of other inputs or outputs", async () => {
    const large = prepare(newModel("lenet5", { classes: 10, seed: 1, input: [1, 32, 32] }));
    await expect(compareOutputs(nodeRuntime, [graphOf(1), large])).rejects.toThrow(
      /inputs of a sample are float32 \[1, 28, 28\] in the first and float32 \[1, 32, 32\] in the second/,
    );
    await expect(compareOutputs(nodeRuntime, [graphOf(1), graphOf(1, 7)])).rejects.toThrow(
      /outputs of a sample are float32 \[10\] in the first and float32 \[7\]/,
    );
  });
});

describe("compare", () => {
  it("measures each as evaluate does", async () => {
    const graphs = [graphOf(1), graphOf(2)] as const;
    const found = await compareGraphs(nodeRuntime, graphs, dataset(labels), options);
    expect(found.samples).toBe(48);
    for (const [i, graph] of graphs.entries()) {
      const { loss, top1, top5, intervals } = await evaluateGraph(nodeRuntime, graph, dataset(labels), options);
      expect(found.quality![i as 0 | 1]).toEqual({ loss: expect.closeTo(loss!, 6), top1, top5, intervals });
      expect(intervals).toEqual({ top1: intervalOf(top1!, 48), top5: intervalOf(top5!, 48) });
    }
    expect(found.agreement).toBeLessThan(1);
    expect(found.divergence).toBeGreaterThan(0);
  });

  it("counts the samples that one model has right and the other has not", async () => {
    const graphs = [graphOf(1), graphOf(2)] as const;
    const ranks: number[][] = [];
    for (const graph of graphs) {
      const own: number[] = [];
      ranks.push(own);
      const onRanks = (all: readonly number[]): void => void own.push(...all);
      const { top1, top5 } = await evaluateGraph(nodeRuntime, graph, dataset(labels), { ...options, onRanks });
      expect(own.filter((rank) => rank < 1).length / 48).toBe(top1);
      expect(own.filter((rank) => rank < 5).length / 48).toBe(top5);
    }
    const found = await compareGraphs(nodeRuntime, graphs, dataset(labels), options);
    const lost = ranks[0]!.filter((rank, i) => rank < 1 && ranks[1]![i]! >= 1).length;
    const gained = ranks[1]!.filter((rank, i) => rank < 1 && ranks[0]![i]! >= 1).length;
    expect(found.changed!.top1).toEqual({ lost, gained });
    expect(lost + gained).toBeGreaterThan(0);
    const { low, high } = intervalOfLoss({ lost, gained }, 48);
    expect(dropOf(found)).toEqual({
      metric: "top1",
      drop: expect.closeTo((100 * (lost - gained)) / 48, 9),
      dropInterval: { low: 100 * low, high: 100 * high },
    });
  });

  it("has agreement, divergence and squares as they are defined", async () => {
    const graphs = [graphOf(1), graphOf(2)] as const;
    const [a, b] = await Promise.all(graphs.map(logits));
    const share = (row: readonly number[]) =>
      row.map((x) => Math.exp(x) / row.reduce((sum, y) => sum + Math.exp(y), 0));
    const best = (row: readonly number[]) => row.indexOf(Math.max(...row));
    const mean = (of: (x: readonly number[], y: readonly number[]) => number) =>
      a!.reduce((sum, row, i) => sum + of(row, b![i]!), 0) / a!.length;
    expect(await compareGraphs(nodeRuntime, graphs, dataset(), options)).toEqual({
      samples: 48,
      agreement: mean((x, y) => (best(x) === best(y) ? 1 : 0)),
      intervals: {
        agreement: intervalOf(
          mean((x, y) => (best(x) === best(y) ? 1 : 0)),
          48,
        ),
      },
      divergence: expect.closeTo(
        mean((x, y) => share(x).reduce((sum, p, c) => sum + p * Math.log(p / share(y)[c]!), 0)),
        9,
      ),
      squaredDifference: expect.closeTo(
        mean((x, y) => x.reduce((sum, value, c) => sum + (value - y[c]!) ** 2 / 10, 0)),
        9,
      ),
    });
  });

  it("needs no labels, and finds a model to agree with itself", async () => {
    const same = await compareGraphs(nodeRuntime, [graphOf(1), graphOf(1)], dataset(), options);
    const intervals = { agreement: intervalOf(1, 48) };
    expect(same).toEqual({ samples: 48, agreement: 1, intervals, divergence: 0, squaredDifference: 0 });
    const { low } = intervals.agreement;
    expect(dropOf(same)).toEqual({ metric: "agreement", drop: 0, dropInterval: { low: 0, high: 100 * (1 - low) } });
  });

  it("measures squares where the loss is mse, with and without targets", async () => {
    const graphs = [graphOf(1), graphOf(2)] as const;
    const mse = { ...options, loss: "mse" } as const;
    const target = (size: number, i: number) => float32([size, 10], noise(size * 10, 50 + i));
    const found = await compareGraphs(nodeRuntime, graphs, dataset(target), mse);
    for (const [i, graph] of graphs.entries())
      expect(found.quality![i as 0 | 1].loss).toBeCloseTo(
        (await evaluateGraph(nodeRuntime, graph, dataset(target), mse)).loss!,
        6,
      );
    const bare = await compareGraphs(nodeRuntime, graphs, dataset(), mse);
    const { agreement, divergence, outputs } = bare;
    expect(bare).toEqual({
      samples: 48,
      agreement,
      divergence,
      outputs,
      squaredDifference: found.squaredDifference,
    });
    // Divergence is the loss with the original's answers for targets.
    expect(divergence).toBeCloseTo(bare.squaredDifference, 6);
    expect(outputs!["logits"]).toMatchObject({ of: "numbers", elements: 480 });
    expect(bare.squaredDifference).toBeGreaterThan(0);
  });

  it("refuses data of which only a part has labels, and models of other classes", async () => {
    const partly = dataset((size, i) => (i === 1 ? undefined : labels(size)));
    await expect(compareGraphs(nodeRuntime, [graphOf(1), graphOf(1)], partly, options)).rejects.toThrow(
      /16 of the 48 samples of "noise" have no label/,
    );
    await expect(compareGraphs(nodeRuntime, [graphOf(1), graphOf(1, 7)], dataset(), options)).rejects.toThrow(
      /the outputs of a sample are float32 \[10\] in the first and float32 \[7\] in the second/,
    );
  });
});

describe("dropOf", () => {
  it("counts in whole samples", () => {
    const quality = ([98, 97] as const).map((hits) => ({ loss: 1, top1: hits / 100 }));
    expect(dropOf({ samples: 100, quality: [quality[0]!, quality[1]!], squaredDifference: 0 }).drop).toBe(1);
    expect(dropOf({ samples: 100, quality: [quality[1]!, quality[0]!], squaredDifference: 0 }).drop).toBe(-1);
    expect(dropOf({ samples: 50, agreement: 0.98, squaredDifference: 0 }).drop).toBe(2);
  });
});

describe("changesOf", () => {
  it("sets costs and units side by side, and says where a group is in one model only", () => {
    const model = newModel("lenet5", { classes: 10, seed: 1 });
    const removal = new Map([["conv2.weight", [0, 3, 4]]]);
    const small = cutGraph(model.graph, analyse(model.graph), removal).graph;
    const { before, after, groups } = changesOf(summarise(model), summarise({ ...model, graph: small }));
    expect(before.params - after.params).toBe(3 * (6 * 25 + 1 + 25 * 120));
    expect(groups).toContainEqual({ name: "conv2.weight", before: 16, after: 13 });
    expect(groups).toContainEqual({ name: "conv1.weight", before: 6, after: 6 });
    expect(groups).toContainEqual({ name: "fc3.weight", before: 10, after: 10 });
    const other = changesOf(summarise(model), summarise(newModel("resnet20", { classes: 10, seed: 1 })));
    expect(other.groups.some(({ after }) => after === undefined)).toBe(true);
  });
});
