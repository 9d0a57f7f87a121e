/** A minibatch that is split over workers: what is a sum over samples is what it is for the whole; statistics are those of the parts. */

import { describe, expect, it } from "vitest";
import type { Batch } from "../../src/data/batches.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { tensor, type Tensor } from "../../src/graph/tensor.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import type { Runtime } from "../../src/runtime/port.ts";
import { nodeRuntime } from "../../src/runtime/workers-node.ts";
import { sliceOf } from "../../src/execute/batch-slices.ts";
import { prepare } from "../../src/execute/prepare.ts";
import { valuesNamed } from "../../src/jobs/feature-names.ts";
import type { Feature } from "../../src/objective/features.ts";
import { widen } from "../../src/passes/widen.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { withPositions } from "../../src/prune/cut/positions.ts";
import type { StepOptions, TrainerState } from "../../src/train/step.ts";
import { openTeacher, type Teacher } from "../../src/train/teacher.ts";
import { openTrainer } from "../../src/train/trainer.ts";
import { newModel } from "../../src/zoo/zoo.ts";
import { random } from "../support/graphs.ts";
import { readNetModel, relativeError } from "../support/reference.ts";

const lenet = prepare(newModel("lenet5", { classes: 10, seed: 1 }));
const residual = prepare(loadModel(readNetModel("residual-conv")));
const rates = [0.05, 0.03, 0.02];

function batchOf(graph: Graph, size: number, classes: number, seed: number): Batch {
  const next = random(seed);
  const shape = [size, ...(graph.inputs[0]!.shape!.slice(1) as number[])];
  const data = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => next() * 2 - 1);
  const target = tensor(
    "int64",
    [size],
    Array.from({ length: size }, () => Math.floor(next() * classes)),
  );
  return { inputs: { "": { dtype: "float32", shape, data } }, target, size };
}

const half = (batch: Batch, part: number): Batch => ({
  inputs: { "": sliceOf(batch.inputs[""]!, part, 2) },
  target: sliceOf(batch.target!, part, 2),
  size: batch.size / 2,
});

async function learn(
  runtime: Runtime,
  graph: Graph,
  batches: readonly Batch[],
  options: Partial<StepOptions>,
  teacher?: Teacher,
) {
  const all = { loss: "cross-entropy", threads: 1, batch: batches[0]!.size, ...options } as const;
  const trainer = await openTrainer(runtime, graph, all);
  try {
    const results = [];
    for (const [i, batch] of batches.entries()) results.push(await trainer.step(batch, rates[i]!, i, teacher));
    return { results, losses: results.map(({ loss }) => loss), state: await trainer.state() };
  } finally {
    await trainer.dispose();
  }
}

const floats = (graph: Graph): [string, Float32Array][] =>
  [...graph.initializers].flatMap(([name, { data }]) =>
    data instanceof Float32Array ? [[name, data] as const] : [],
  ) as [string, Float32Array][];

function expectClose(actual: TrainerState, expected: TrainerState): void {
  for (const [name, data] of floats(actual.graph))
    expect(relativeError(data, expected.graph.initializers.get(name)!.data as Float32Array), name).toBeLessThan(1e-5);
  expect([...actual.optimiserState.keys()].toSorted()).toEqual([...expected.optimiserState.keys()].toSorted());
  for (const [name, { data }] of actual.optimiserState)
    expect(
      relativeError(data as Float32Array, expected.optimiserState.get(name)!.data as Float32Array),
      name,
    ).toBeLessThan(1e-4);
}

describe("without statistics", () => {
  const batches = rates.map((_, i) => batchOf(lenet, 12, 10, i + 1));
  it.each<[string, Partial<StepOptions>]>([
    ["sgd", {}],
    ["adamw, clipped and averaged", { optimiser: { kind: "adamw" }, clip: 0.5, ema: 0.9, labelSmoothing: 0.1 }],
  ])("parts learn what the whole learns: %s", async (_name, options) => {
    const whole = await learn(directRuntime, lenet, batches, options);
    expect(new Set(whole.losses).size).toBe(3);
    for (const workers of [2, 3]) {
      const parts = await learn(directRuntime, lenet, batches, { ...options, workers });
      expect(relativeError(parts.losses, whole.losses)).toBeLessThan(1e-5);
      expectClose(parts.state, whole.state);
    }
  });

  it("learns the same in threads of their own, byte for byte", async () => {
    const here = await learn(directRuntime, lenet, batches, { workers: 2, needs: ["gates"] });
    const there = await learn(nodeRuntime, lenet, batches, { workers: 2, needs: ["gates"] });
    expect(there).toEqual(here);
  });
});

describe("with features of a teacher", () => {
  // The samples of a recurrent net do not lie along the first axis of what it computes.
  it.each([
    [
      "a net of convolutions",
      newModel("lenet5", { classes: 10, seed: 1 }),
      newModel("lenet5", { classes: 10, seed: 2 }),
    ],
    ["a recurrent net", loadModel(readNetModel("lstm")), undefined],
  ])("parts learn what the whole learns: %s", async (_name, model, other) => {
    const whole = widen(prepare(model));
    const size = 6;
    const batches = rates.map((_, i) => batchOf(whole, size, 2, i + 1));
    const { values } = valuesNamed(analyse(whole, { batch: size }), model.graph, ["*"]);
    const features = values.map((value): Feature => ({ ...value, variance: 0.5, weight: 1 / values.length }));
    expect(features.length).toBeGreaterThan(2);
    expect(features.some(({ axis }) => axis > 0)).toBe(other === undefined);
    const names = features.map(({ value }) => value);
    const graph = withPositions(whole, names);
    const original = other ? widen(prepare(other)) : scaled(whole);
    const learned = async (workers: number, used: readonly Feature[]) => {
      const teacher = { graph: original, weight: 1, temperature: 1, features: used };
      const options = { loss: "mse", batchSize: size, workers, threads: 1, seed: 0, teacher } as const;
      await using taught = await openTeacher(directRuntime, options);
      return await learn(directRuntime, graph, batches, { ...options, batch: size, distillation: teacher }, taught);
    };
    const [one, without] = [await learned(1, features), await learned(1, [])];
    expect(one.losses.every((loss, i) => loss > 1.01 * without.losses[i]!)).toBe(true);
    for (const workers of [2, 3]) {
      const parts = await learned(workers, features);
      expect(relativeError(parts.losses, one.losses)).toBeLessThan(1e-5);
      expectClose(parts.state, one.state);
    }
  });
});

/** A model of the same nodes with other weights. */
const scaled = (graph: Graph): Graph => ({
  ...graph,
  initializers: new Map(
    [...graph.initializers].map(([name, value]) => [
      name,
      value.data instanceof Float32Array ? { ...value, data: value.data.map((x) => 0.7 * x) } : value,
    ]),
  ),
});

describe("with statistics", () => {
  const batch = batchOf(residual, 8, 2, 4);
  const needs = ["gates", "scales", "activations"] as const;
  const optimiser = { kind: "sgd", momentum: 0, weightDecay: 0, nesterov: false } as const;

  it("a step is the mean of the steps of its parts, and evidence of samples stands in their order", async () => {
    const [both, first, second] = [
      await learn(directRuntime, residual, [batch], { needs, optimiser, workers: 2 }),
      await learn(directRuntime, residual, [half(batch, 0)], { needs, optimiser }),
      await learn(directRuntime, residual, [half(batch, 1)], { needs, optimiser }),
    ];
    expect(relativeError(both.losses, [(first.losses[0]! + second.losses[0]!) / 2])).toBeLessThan(1e-6);
    for (const [name, data] of floats(both.state.graph)) {
      const at = (run: { readonly state: TrainerState }): Tensor["data"] =>
        run.state.graph.initializers.get(name)!.data;
      const [a, b] = [at(first) as Float32Array, at(second) as Float32Array];
      expect(
        relativeError(
          data,
          a.map((x, i) => (x + b[i]!) / 2),
        ),
        name,
      ).toBeLessThan(1e-5);
    }
    const findings = [both, first, second].map(({ results }) => results[0]!.findings);
    for (const [name, found] of findings[0]!) {
      const [a, b] = [findings[1]!.get(name)!, findings[2]!.get(name)!];
      expect(found.gates).toEqual(Float32Array.of(...a.gates!, ...b.gates!));
      const mean = (x: Float32Array, y: Float32Array): Float32Array => x.map((value, i) => (value + y[i]!) / 2);
      if (found.scales) expect(relativeError(found.scales, mean(a.scales!, b.scales!))).toBeLessThan(1e-5);
      expect(relativeError(found.activations!.reads, mean(a.activations!.reads, b.activations!.reads))).toBeLessThan(
        1e-5,
      );
    }
  });

  it("are not those of the whole", async () => {
    const whole = await learn(directRuntime, residual, [batch], { optimiser });
    const parts = await learn(directRuntime, residual, [batch], { optimiser, workers: 2 });
    const differences = floats(parts.state.graph).map(([name, data]) =>
      relativeError(data, whole.state.graph.initializers.get(name)!.data as Float32Array),
    );
    expect(Math.max(...differences)).toBeGreaterThan(1e-3);
  });
});

describe("what cannot be split", () => {
  const batches = [batchOf(lenet, 12, 10, 1)];
  it("is refused", async () => {
    await expect(learn(directRuntime, lenet, batches, { workers: 5 })).rejects.toThrow(
      "a minibatch of 12 does not divide over 5 workers: change `batchSize` or `workers`",
    );
    await expect(learn(directRuntime, lenet, batches, { workers: 2, needs: ["weights"] })).rejects.toThrow(
      "leave out `workers`",
    );
  });

  it("lets go of the sessions that were opened where one cannot be", async () => {
    let [loads, open] = [0, 0];
    const runtime: Runtime = {
      name: "test",
      threads: 1,
      async load(model, options) {
        if (++loads === 2) throw new Error("no room");
        const session = await directRuntime.load(model, options);
        open++;
        return { ...session, dispose: () => session.dispose().then(() => void open--) };
      },
    };
    // Which kernels there are is not tried, so that only the trainer's own sessions are counted.
    const options = { batch: 8, loss: "cross-entropy", threads: 1, workers: 2, capabilities: {} } as const;
    await expect(openTrainer(runtime, lenet, options)).rejects.toThrow("no room");
    expect([loads, open]).toEqual([4, 0]);
  });
});
