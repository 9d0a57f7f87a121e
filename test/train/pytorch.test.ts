/** A few steps of learning against PyTorch's: losses, weights, statistics and averages. */

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Batch, Dataset } from "../../src/data/batches.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { float32, int64s, tensor, type Tensor } from "../../src/graph/tensor.ts";
import { valueIn } from "../../src/ops/emitter.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import type { Distillation } from "../../src/objective/objective.ts";
import { recalibrate } from "../../src/train/recalibrate.ts";
import { executable } from "../../src/execute/executable.ts";
import { averagedGraph, clockAt, nextOf, stepGraph, type StepOptions } from "../../src/train/step.ts";
import { openTeacher } from "../../src/train/teacher.ts";
import { openTrainer } from "../../src/train/trainer.ts";
import { tinyNet } from "../support/graphs.ts";
import { relativeError, type Values } from "../support/reference.ts";

interface Case {
  readonly name: string;
  readonly options: Pick<StepOptions, "optimiser" | "clip" | "labelSmoothing" | "ema">;
  readonly mixup: boolean;
  readonly distillation: Distillation | null;
  readonly losses: readonly number[];
  readonly weights: Readonly<Record<string, Values>>;
  readonly averages: Readonly<Record<string, Values>> | null;
}

interface Training {
  readonly rates: readonly number[];
  readonly start: Readonly<Record<string, Values>>;
  readonly teacher: Readonly<Record<string, Values>>;
  readonly inputs: readonly Values[];
  readonly labels: readonly (readonly number[])[];
  readonly permutations: readonly (readonly number[])[];
  readonly lambdas: readonly number[];
  readonly cases: readonly Case[];
  readonly reestimated: Readonly<Record<string, Values>>;
}

const reference = JSON.parse(readFileSync(new URL("../fixtures/training.json", import.meta.url), "utf8")) as Training;
const { inputs, labels, rates, permutations, lambdas } = reference;
const size = inputs[0]!.shape[0]!;
const ofValues = ({ shape, values }: Values): Tensor => float32(shape, Array.from(values));

/** The script's net: twice convolution, normalisation and Relu, the mean over pixels, and a dense head. */
function netOf(weights: Readonly<Record<string, Values>>): Graph {
  const { builder, g, x, finish } = tinyNet(inputs[0]!.shape);
  for (const [name, values] of Object.entries(weights)) {
    builder.initializers.set(name, ofValues(values));
    builder.types.set(name, { dtype: "float32", shape: values.shape });
  }
  const w = (name: string) => valueIn(builder, name);
  const [first, second] = ["1", "2"].map(
    (i) => (value: typeof x) =>
      g.Relu(
        g.BatchNormalization(
          g.Conv(value, w(`conv${i}.weight`), { pads: [1, 1, 1, 1] }),
          ...["weight", "bias", "running_mean", "running_var"].map((part) => w(`norm${i}.${part}`)),
        ),
      ),
  );
  const pooled = g.ReduceMean(second!(first!(x)), g.ints([2, 3]), { keepdims: 0 });
  return finish(g.Gemm(pooled, w("head.weight"), w("head.bias"), { transB: 1 }));
}

const start = netOf(reference.start);
const batches = inputs.map((values, i): Batch => ({
  inputs: { x: ofValues(values) },
  target: int64s(labels[i]!),
  size,
}));

/** As a trainer runs steps, without a say of the seed in how batches are mixed. */
async function learnMixtures({ options, distillation }: Case) {
  const all = { ...options, batch: size, loss: "cross-entropy", mixup: 1, threads: 1 } as const;
  const step = stepGraph(start, { ...all, distillation: distillation ?? undefined });
  const carried = [...step.carried].map(([input, value]) => ({ input, output: nextOf(input), start: value }));
  const session = await directRuntime.load(executable(step.graph), { threads: 1, carried });
  const teacher = await openTeacher(directRuntime, {
    teacher: distillation ? { ...distillation, graph: netOf(reference.teacher) } : undefined,
    loss: "cross-entropy",
    mixup: 1,
    batchSize: size,
    threads: 1,
  });
  const losses: number[] = [];
  for (const [i, batch] of batches.entries()) {
    const shown = {
      ...batch.inputs,
      "mixup/permutation": int64s(permutations[i]!),
      "mixup/lambda": tensor("float32", [], [lambdas[i]!]),
    };
    const results = await session.run({
      ...shown,
      target: batch.target!,
      ...(await teacher?.answers(shown)),
      ...clockAt(rates[i]!, i, options),
    });
    losses.push(Number(results["loss"]!.data[0]));
  }
  const now = new Map(Object.entries(await session.carried()));
  await session.dispose();
  await teacher?.[Symbol.asyncDispose]();
  const initializers = new Map([...start.initializers].map(([name, value]) => [name, now.get(name) ?? value]));
  return { losses, state: { graph: { ...start, initializers }, optimiserState: now } };
}

async function learn({ options }: Case) {
  const trainer = await openTrainer(directRuntime, start, {
    ...options,
    batch: size,
    loss: "cross-entropy",
    threads: 1,
  });
  const losses: number[] = [];
  for (const [i, batch] of batches.entries()) losses.push((await trainer.step(batch, rates[i]!, i)).loss);
  const state = await trainer.state();
  await trainer.dispose();
  return { losses, state };
}

function compare(graph: Graph, expected: Readonly<Record<string, Values>>): void {
  for (const [name, { values }] of Object.entries(expected))
    expect(relativeError(graph.initializers.get(name)!.data as Float32Array, values), name).toBeLessThan(1e-4);
}

describe("five steps", () => {
  it.each(reference.cases)("$name", async (one) => {
    const { losses, state } = await (one.mixup ? learnMixtures(one) : learn(one));
    expect(relativeError(losses, one.losses)).toBeLessThan(1e-5);
    compare(state.graph, one.weights);
    compare(averagedGraph(state), one.averages ?? one.weights);
  });
});

it("statistics are estimated anew as update_bn does", async () => {
  const data: Dataset = {
    name: "the script's",
    // oxlint-disable-next-line require-await
    async *batches() {
      yield* batches;
    },
  };
  const graph = await recalibrate(directRuntime, start, data, { batchSize: size, threads: 1 });
  compare(graph, { ...reference.start, ...reference.reestimated });
});
