/** The oracle: what it says of masked units is what the masked graph says. */

import { describe, expect, it } from "vitest";
import { bestSubsets } from "../../src/criteria/oracle-combinatorial.ts";
import { findCriterion } from "../../src/criteria/table.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { widen } from "../../src/passes/widen.ts";
import { mask } from "../../src/prune/cut/mask.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { evaluate } from "../../src/evaluate/evaluate.ts";
import { allSubsets, maskedLosses } from "../../src/score/oracle.ts";
import { prepare } from "../../src/execute/prepare.ts";
import { score } from "../../src/score/score.ts";
import { randomDataset } from "../support/datasets.ts";
import { readNetModel } from "../support/reference.ts";
import { lawsBut } from "../support/laws.ts";

const nets = [
  "plain-cnn",
  "residual-conv",
  "depthwise",
  "inception",
  "dense",
  "gate",
  "mlp",
  "lstm",
  "gru-bidirectional",
  "shuffle-v2",
  "mixer",
];

/** Many masks at once, and one at a time. */
const batchSizes = [4, 512];

describe("masked losses are those of the masked graph", () => {
  for (const name of nets)
    it(name, lawsBut(["plain-cnn", "dense", "gru-bidirectional"], name), async () => {
      const graph = widen(prepare(loadModel(readNetModel(name))));
      for (const batchSize of batchSizes) {
        const data = randomDataset(graph, { samples: batchSize, labels: 2 });
        const groups = analyse(graph, { batch: batchSize });
        const options = { loss: "cross-entropy", batchSize, threads: 1 } as const;
        // Large batches go through every net once more for each mask: the first group tells.
        const some = batchSize > 4 ? groups.groups.slice(0, 1) : groups.groups;
        for (const group of some) {
          const last = group.units.length - 1;
          const subsets = [[], [0], [last], [0, last]].map((units) => Array.from(new Set(units)));
          const { loss, losses } = await maskedLosses(directRuntime, graph, data, group.name, subsets, {
            ...options,
            batches: 1,
            seed: 0,
          });
          expect(Math.abs(losses[0]! - loss)).toBeLessThan(1e-5);
          for (const [i, subset] of subsets.entries()) {
            if (subset.length === 0 || subset.length > last) continue;
            const masked = await evaluate(
              directRuntime,
              mask(graph, groups, new Map([[group.name, subset]])),
              data,
              options,
            );
            expect(Math.abs(losses[i]! - masked.loss!), `${group.name} ${subset.join()}`).toBeLessThan(2e-5);
          }
        }
      }
    });

  it("a factor between 0 and 1 weakens: the loss goes from the unmasked to the masked", async () => {
    const graph = prepare(loadModel(readNetModel("plain-cnn")));
    const data = randomDataset(graph, { samples: 8, labels: 2 });
    const [group] = analyse(graph).groups;
    const at = async (factor: number) => {
      const options = { loss: "cross-entropy", batchSize: 8, batches: 1, seed: 0, threads: 1, factor } as const;
      const { loss, losses } = await maskedLosses(directRuntime, graph, data, group!.name, [[0]], options);
      return losses[0]! - loss;
    };
    expect(Math.abs(await at(1))).toBeLessThan(1e-6);
    const [half, whole] = [await at(0.5), await at(0)];
    expect(Math.abs(whole)).toBeGreaterThan(1e-6);
    expect(Math.abs(half)).toBeLessThan(Math.abs(whole));
  });
});

describe("oracle-combinatorial", () => {
  it("finds the best subset of each size", () => {
    // Of three units: 0 alone is best, 1 and 2 together are better than 0 with any.
    const change = Float64Array.from([0, 0.1, 0.2, 0.9, -0.3, 0.8, 0.15, 1]);
    expect(bestSubsets(change, 3)).toEqual([0b000, 0b001, 0b110, 0b111]);
    expect(allSubsets(2)).toEqual([[], [0], [1], [0, 1]]);
  });

  it("leaves out groups with too many units, and ranks the others by how long they are spared", async () => {
    const graph = prepare(loadModel(readNetModel("plain-cnn")));
    const data = randomDataset(graph, { samples: 8, labels: 2 });
    const sizes = new Map(analyse(graph).groups.map(({ name, units }) => [name, units.length]));
    const options = { loss: "cross-entropy", batchSize: 8, batches: 1, seed: 0, threads: 1 } as const;
    const scores = await score(directRuntime, graph, data, findCriterion("oracle-combinatorial"), options);
    expect(scores.size).toBeGreaterThan(0);
    for (const [name, size] of sizes) expect(scores.has(name)).toBe(size <= 16);
    for (const values of scores.values()) {
      expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...values)).toBeLessThanOrEqual(1);
      // Over all sizes k = 1 … M - 1, k units are removed of M.
      const sum = values.reduce((a, b) => a + b, 0);
      expect(sum).toBeCloseTo(values.length / 2, 9);
    }
  });
});
