/** What a model has lost on its way to a smaller one, and whether it is worth going on. */

import { describe, expect, it } from "vitest";
import { arrayDataset } from "../../src/jobs/datasets.ts";
import type { Dataset } from "../../src/data/batches.ts";
import { split } from "../../src/data/splits.ts";
import { prepare } from "../../src/execute/prepare.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { toNumbers } from "../../src/graph/tensor.ts";
import { createDrop, type Drop } from "../../src/jobs/measure.ts";
import { statesOf } from "../../src/passes/training.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { executable } from "../../src/execute/executable.ts";
import { recalibrate } from "../../src/train/recalibrate.ts";
import { randomDataset } from "../support/datasets.ts";
import { readNetModel } from "../support/reference.ts";
import { loadModel } from "../../src/onnx/load.ts";

const options = {
  batchSize: 32,
  threads: 1,
  seed: 0,
  loss: "cross-entropy",
  targets: "labels",
  evaluateBatches: 2,
} as const;

/** Noise, and what a network itself says of it. */
async function answeredBy(graph: Graph, noise: Dataset): Promise<Dataset> {
  const session = await directRuntime.load(executable(graph), { threads: 1 });
  const labels: number[] = [];
  const images: number[] = [];
  const [input] = graph.inputs;
  let shape: readonly number[] = [];
  for await (const { inputs, size } of noise.batches({ batchSize: 32 })) {
    const [x] = Object.values(inputs);
    const results = await session.run({ [input!.name]: x! });
    const logits = toNumbers(results[graph.outputs[0]!.name]!);
    const classes = logits.length / size;
    for (let n = 0; n < size; n++) {
      const row = logits.slice(n * classes, (n + 1) * classes);
      labels.push(row.indexOf(Math.max(...row)));
    }
    images.push(...toNumbers(x!));
    shape = x!.shape.slice(1);
  }
  await session.dispose();
  const count = labels.length;
  return arrayDataset({
    name: "noise",
    inputs: { "": { dtype: "float32", shape: [count, ...shape], data: Float32Array.from(images) } },
    target: { dtype: "int64", shape: [count], data: BigInt64Array.from(labels, BigInt) },
  });
}

async function dropOn(graph: Graph, noise: Dataset): Promise<Drop> {
  const parts = split(await answeredBy(graph, noise), 0.25, 0);
  return createDrop(directRuntime, graph, parts, { ...options, maxDrop: 1 } as never, () => {});
}

describe("a model whose statistics are of what was there before", () => {
  it("is not hopeless where new ones make it good again, and is where they do not", async () => {
    const net = prepare(loadModel(readNetModel("residual-conv")));
    const noise = randomDataset(net, { samples: 256 });
    const graph = await recalibrate(directRuntime, net, noise, options);
    const drop = await dropOn(graph, noise);
    const change = (names: Iterable<string>): Graph => {
      const initializers = new Map(graph.initializers);
      for (const name of names) {
        const old = initializers.get(name)!;
        const data = Float32Array.from(toNumbers(old), (value, i) => (value + 1) * (1 + (i % 7) * 3));
        initializers.set(name, { ...old, dtype: "float32", data });
      }
      return { ...graph, initializers };
    };
    const stale = change(statesOf(graph));
    expect((await drop.of(stale)).drop).toBeGreaterThan(10);
    expect(await drop.isHopeless(stale)).toBe(false);
    const dense = [...graph.initializers].filter(([, { dtype, shape }]) => dtype === "float32" && shape.length === 2);
    expect(await drop.isHopeless(change(dense.map(([name]) => name)))).toBe(true);
  });

  it("is not hopeless where it answers right with them, and not with those of this data", async () => {
    const graph = prepare(loadModel(readNetModel("residual-conv")));
    const noise = randomDataset(graph, { samples: 256 });
    const drop = await dropOn(graph, noise);
    expect((await drop.of(await recalibrate(directRuntime, graph, noise, options))).drop).toBeGreaterThan(10);
    expect(await drop.isHopeless(graph)).toBe(false);
  });
});
