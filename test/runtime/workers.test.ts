/** The runtime in a worker thread gives what the one in this thread gives, and leaves this thread free. */

import { describe, expect, it } from "vitest";
import { SecateurError } from "../../src/graph/error.ts";
import { tensor, type Tensor } from "../../src/graph/tensor.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { wrapGraph } from "../../src/onnx/wrap.ts";
import { prepare } from "../../src/execute/prepare.ts";
import { openTrainer } from "../../src/train/trainer.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { workerOf, type Runtime } from "../../src/runtime/port.ts";
import { createWorkerRuntime } from "../../src/runtime/workers-node.ts";
import { newModel } from "../../src/zoo/zoo.ts";
import { random } from "../support/graphs.ts";

const worker = createWorkerRuntime("test");
const model = newModel("lenet5", { classes: 10, seed: 1 });
const images: Tensor = {
  dtype: "float32",
  shape: [64, 1, 28, 28],
  data: Float32Array.from({ length: 64 * 784 }, random(2)),
};
const target = tensor(
  "int64",
  [64],
  Array.from({ length: 64 }, (_, i) => i % 10),
);
const batch = { inputs: { "": images }, target, size: 64 };

async function learn(runtime: Runtime, steps: number) {
  const options = { batch: 64, loss: "cross-entropy", threads: 1, optimiser: { kind: "sgd", momentum: 0.9 } } as const;
  const trainer = await openTrainer(runtime, prepare(model), options);
  try {
    const losses: number[] = [];
    for (let i = 0; i < steps; i++) losses.push((await trainer.step(batch, 0.1)).loss);
    return { losses, ...(await trainer.state()) };
  } finally {
    await trainer.dispose();
  }
}

describe("a worker", () => {
  it("learns what this thread learns, byte for byte", async () => {
    const [here, there] = [await learn(directRuntime, 4), await learn(worker, 4)];
    expect(there.losses).toEqual(here.losses);
    expect(new Set(here.losses).size).toBe(4);
    expect(there.graph.initializers).toEqual(here.graph.initializers);
    expect(there.optimiserState).toEqual(here.optimiserState);
  });

  it("has workers of its own, one for each number, and is the first of them", () => {
    const workers = [0, 1, 2, 1].map((number) => workerOf(worker, number));
    expect(workers[0]).toBe(worker);
    expect(new Set(workers).size).toBe(3);
    expect(workers[3]).toBe(workers[1]);
  });

  it.each([
    ["here", directRuntime],
    ["there", worker],
  ])("is fed from memory that threads share, as that of the weights of a file: %s", async (_, runtime) => {
    const data = new Float32Array(new SharedArrayBuffer(4 * 64 * 784));
    data.set(images.data as Float32Array);
    const session = await runtime.load(encodeModel(model), { threads: 1 });
    try {
      const input = session.inputs[0]!;
      const shared = await session.run({ [input]: { ...images, data } });
      expect(shared).toEqual(await session.run({ [input]: images }));
    } finally {
      await session.dispose();
    }
  });

  it("has workers of its own, the first of which it is itself", async () => {
    expect(workerOf(worker, 0)).toBe(worker);
    const second = workerOf(worker, 1);
    expect(second).not.toBe(worker);
    expect(workerOf(worker, 1)).toBe(second);
    const session = await second.load(encodeModel(model));
    await session.dispose();
  });

  it("leaves this thread free while it runs", async () => {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await learn(worker, 4);
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(10);
  });

  it("leaves what it is fed as it is, views into larger buffers too", async () => {
    const all = Float32Array.from({ length: 65 * 784 }, random(2));
    const view = all.subarray(784);
    const session = await worker.load(encodeModel(model));
    const feed: Tensor = { dtype: "float32", shape: [64, 1, 28, 28], data: view };
    const name = session.inputs[0]!;
    const [first, second] = [await session.run({ [name]: feed }), await session.run({ [name]: feed })];
    expect(first).toEqual(second);
    expect([all.length, view.length]).toEqual([65 * 784, 64 * 784]);
    await session.dispose();
  });

  it("takes over what it is handed, and copies a view", async () => {
    const session = await worker.load(encodeModel(model));
    const name = session.inputs[0]!;
    const own: Tensor = { ...images, data: images.data.slice() as Float32Array };
    const all = new Float32Array(65 * 784);
    all.set(images.data as Float32Array, 784);
    const fed = await session.run({ [name]: images });
    expect(await session.run({}, { [name]: own })).toEqual(fed);
    expect(await session.run({}, { [name]: { ...images, data: all.subarray(784) } })).toEqual(fed);
    expect([own.data.length, all.length, images.data.length]).toEqual([0, 65 * 784, 64 * 784]);
    await session.dispose();
  });

  it("is left alone with its run when a signal says so", async () => {
    const abort = new AbortController();
    const options = { batch: 64, loss: "cross-entropy", threads: 1, signal: abort.signal } as const;
    const trainer = await openTrainer(worker, prepare(model), options);
    const started = performance.now();
    const step = trainer.step(batch, 0.1);
    abort.abort(new Error("enough"));
    await expect(step).rejects.toThrow("enough");
    await expect(trainer.state()).rejects.toThrow("enough");
    await trainer.dispose();
    expect(performance.now() - started).toBeLessThan(1000);
    // Others go on.
    expect((await learn(worker, 1)).losses).toHaveLength(1);
  });

  it("tells what is wrong as this thread does", async () => {
    const told = async (runtime: Runtime) => {
      try {
        await runtime.load(Uint8Array.of(1, 2, 3));
      } catch (error) {
        return error instanceof SecateurError ? [error.code, error.message] : error;
      }
      return undefined;
    };
    expect(await told(worker)).toEqual(await told(directRuntime));
    expect(await told(worker)).toEqual(["bad-model", expect.stringContaining("onnxruntime does not load the model")]);
  });
});

describe("carried tensors", () => {
  const graph: Graph = {
    name: "count",
    nodes: [{ name: "", domain: "", op: "Add", inputs: ["n", "by"], outputs: ["next"], attributes: {} }],
    inputs: [
      { name: "n", dtype: "float32", shape: [1] },
      { name: "by", dtype: "float32", shape: [1] },
    ],
    outputs: [{ name: "next", dtype: "float32" }],
    initializers: new Map(),
    info: new Map(),
    doc: "",
  };

  it.each([directRuntime, worker])("go from run to run ($name)", async (runtime) => {
    const start = tensor("float32", [1], [5]);
    const session = await runtime.load(encodeModel(wrapGraph(graph)), {
      carried: [{ input: "n", output: "next", start }],
    });
    const by = tensor("float32", [1], [2]);
    const held: Record<string, Tensor>[] = [];
    for (let i = 0; i < 3; i++) {
      expect(await session.run({ by })).toEqual({});
      held.push(await session.carried());
    }
    expect(held.map(({ n }) => n!.data[0])).toEqual([7, 9, 11]);
    expect(await session.carried(true)).toEqual(held[2]);
    expect(start.data[0]).toBe(5);
    await session.dispose();
  });

  it.each([directRuntime, worker])("that start from the same go their own ways ($name)", async (runtime) => {
    const by = (name: string, next: string) =>
      ({ name: "", domain: "", op: "Add", inputs: [name, name], outputs: [next], attributes: {} }) as const;
    const value = (name: string) => ({ name, dtype: "float32", shape: [1] }) as const;
    const twice: Graph = {
      ...graph,
      nodes: [by("n", "next"), { ...by("m", "after"), inputs: ["m", "by"] }],
      inputs: ["n", "m", "by"].map(value),
      outputs: ["next", "after"].map(value),
    };
    const start = tensor("float32", [1], [5]);
    const session = await runtime.load(encodeModel(wrapGraph(twice)), {
      carried: [
        { input: "n", output: "next", start },
        { input: "m", output: "after", start },
      ],
    });
    for (let i = 0; i < 3; i++) await session.run({ by: tensor("float32", [1], [1]) });
    const { n, m } = await session.carried();
    expect([n!.data[0], m!.data[0]]).toEqual([40, 8]);
    await session.dispose();
  });

  it("are kept where they lie if they are the session's own, and left there at the end", async () => {
    const start = tensor("float32", [1], [5]);
    const carried = [{ input: "n", output: "next", start, own: true }];
    const session = await directRuntime.load(encodeModel(wrapGraph(graph)), { carried });
    const by = tensor("float32", [1], [2]);
    for (let i = 0; i < 2; i++) await session.run({ by });
    expect(start.data[0]).toBe(9);
    expect((await session.carried()).n!.data).not.toBe(start.data);
    expect((await session.carried(true)).n!.data).toBe(start.data);
    await session.dispose();
  });
});
