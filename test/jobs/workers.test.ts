/** How many workers learn where nobody says it. */

import { describe, expect, it } from "vitest";
import { criterionOf } from "../../src/criteria/table.ts";
import { workersOf, type WorkersEvent } from "../../src/jobs/workers.ts";
import { decodeCheckpoint } from "../../src/loop/checkpoint.ts";
import { finetune, newModel, nodeRuntime, prune, type Model } from "../../src/node.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { prepare } from "../../src/graphs-node.ts";
import type { Runtime } from "../../src/runtime/port.ts";
import { createEmitter, valueIn } from "../../src/ops/emitter.ts";
import { randomDataset } from "../support/datasets.ts";
import { modelOf, newBuilder } from "../support/graphs.ts";
import { laws } from "../support/laws.ts";

const lenet: Model = newModel("lenet5", { classes: 10, seed: 1 });
const graph = prepare(lenet);
const data = randomDataset(graph, { samples: 384, labels: 10 });
const alone: Runtime = { name: "alone", threads: 4, load: () => Promise.reject(new Error("asked")) };
const four: Runtime = { ...alone, worker: () => four };
const deep = prepare(newModel("resnet20", { classes: 10, seed: 1 }));
/** LeNet-5 takes seven multiply-accumulates for each weight and sample, ResNet-20 a hundred and fifty. */
const settings = { batchSize: 1024 } as const;

function choose(runtime: Runtime, more: object = {}, net = graph) {
  const told: WorkersEvent[] = [];
  const workers = workersOf(runtime, analyse(net), { ...settings, ...more }, (event) => told.push(event));
  return { workers, told };
}

describe("workers", () => {
  it("are as many as there are threads, and it is told", () => {
    expect(choose(four)).toEqual({ workers: 4, told: [{ kind: "workers", workers: 4, samples: 256 }] });
    expect(choose(four, { threads: 2 }).workers).toBe(2);
    expect(choose(four, { threads: 1 })).toEqual({ workers: 1, told: [] });
  });

  it("divide the minibatch", () => {
    expect(choose(four, { batchSize: 513 }).workers).toBe(3);
    expect(choose(four, { batchSize: 509 }).workers).toBe(1);
  });

  it("learn from enough to pay", () => {
    expect(choose(four, { batchSize: 512 }).workers).toBe(2);
    expect(choose(four, { batchSize: 256 })).toEqual({ workers: 1, told: [] });
  });

  it("have enough for statistics", () => {
    expect(choose(four, { batchSize: 64 }, deep).workers).toBe(4);
    expect(choose(four, { batchSize: 48 }, deep).workers).toBe(3);
    expect(choose(four, { batchSize: 32 }, deep).workers).toBe(2);
    expect(choose(four, { batchSize: 24 }, deep).workers).toBe(1);
  });

  it("are not held back for statistics that there are none of", () => {
    const builder = newBuilder();
    const g = createEmitter(builder);
    const x = valueIn(builder, builder.input("x", { dtype: "float32", shape: [1, 3, 64, 64] }));
    const net = prepare(modelOf(builder.finish([g.Conv(x, g.filled(0.1, [8, 3, 3, 3]), { pads: [1, 1, 1, 1] }).name])));
    expect(choose(four, { batchSize: 8 }, net).workers).toBe(4);
    expect(choose(four, { batchSize: 2 }, net).workers).toBe(2);
  });

  it("are one where a minibatch has to stay whole, memory is short, or there are no threads to be had", () => {
    const criterion = criterionOf("taylor-fo-weight");
    for (const more of [{ criterion }, { memory: 1e9 }, { device: "webgpu" }])
      expect([more, choose(four, more).workers]).toEqual([more, 1]);
    expect(choose(alone).workers).toBe(1);
  });

  it("are as many as is said, without a word", () => {
    expect(choose(alone, { workers: 3 })).toEqual({ workers: 3, told: [] });
  });

  it("stay as many when a run is gone on with", laws, async () => {
    const options = { data, batchSize: 384, threads: 2, runtime: nodeRuntime } as const;
    let saved: Uint8Array | undefined;
    const checkpoints = {
      save: async (pieces: readonly Uint8Array[]) => void (saved = Buffer.concat(pieces)),
      every: 0,
    };
    const told: unknown[] = [];
    const onEvent = (event: { kind: string }) => void (event.kind === "workers" && told.push(event));
    await prune(lenet, { ...options, budget: { macs: 0.95 }, epochs: 0, every: 1, checkpoints, onEvent });
    expect(told).toEqual([{ kind: "workers", workers: 2, samples: 192 }]);
    expect(decodeCheckpoint(saved!, graph, "run").note).toMatchObject({ workers: 2 });
    await finetune(lenet, { ...options, epochs: 1, checkpoints, onEvent });
    expect(told).toHaveLength(2);
    const from = { bytes: saved!, name: "run" };
    // On another machine it would be one.
    await finetune(lenet, { ...options, threads: 1, epochs: 2, checkpoints: { ...checkpoints, from }, onEvent });
    expect(decodeCheckpoint(saved!, graph, "run").note).toMatchObject({ workers: 2 });
    expect(told).toHaveLength(2);
  });
});
