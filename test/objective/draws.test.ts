/** Targets drawn from a model's own prediction: the second moment of their gradients is the Gauss-Newton matrix of the loss. */

import { describe, expect, it } from "vitest";
import { executable } from "../../src/execute/executable.ts";
import { float32, sizeOf, tensor, toNumbers, type Tensor } from "../../src/graph/tensor.ts";
import type { Graph } from "../../src/graph/graph.ts";
import type { Value } from "../../src/ops/core/define.ts";
import { createEmitter, valueIn } from "../../src/ops/emitter.ts";
import { gradientGraph } from "../../src/objective/backward.ts";
import { targetNoise } from "../../src/objective/random-inputs.ts";
import type { Loss } from "../../src/options/loss.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { newBuilder, noise, runGraph } from "../support/graphs.ts";
import { fedBy, lossGraph } from "../support/losses.ts";

/** Enough for figures within 5 % of the largest. */
const draws = 20_000;

interface Case {
  readonly what: string;
  readonly loss: Loss;
  /** Outputs for one sample, and what a loss is compared with there: its curvature is that of all targets, or of these. */
  readonly outputs: Readonly<Record<string, Tensor>>;
  readonly targets: Readonly<Record<string, Tensor>>;
  readonly inputs?: Readonly<Record<string, Tensor>>;
}

const y = float32([1, 4], [1.2, -0.4, 0.3, 0.9]);
const map = float32([1, 3, 2], [0.2, 1.1, -0.7, 0.4, 0.9, -1.5]);
const words = float32([1, 4, 3], [0.2, 1.1, -0.7, 0.4, 0.9, -1.5, 0.1, 0.6, 1.4, -0.2, 0.3, 0.8]);

const cases: readonly Case[] = [
  {
    what: "classes",
    loss: { kind: "cross-entropy", weight: 3 },
    outputs: { y },
    targets: { target: tensor("int64", [1], [2]) },
  },
  {
    what: "classes at several places",
    loss: "cross-entropy",
    outputs: { y: map },
    targets: { target: tensor("int64", [1, 2], [2, 0]) },
  },
  {
    what: "classes on the last axis",
    loss: { kind: "cross-entropy", axis: -1 },
    outputs: { y: map },
    targets: { target: tensor("int64", [1, 3], [1, 0, 0]) },
  },
  {
    what: "a distribution of classes",
    loss: "kl",
    outputs: { y },
    targets: { target: float32([1, 4], [0.1, 0.2, 0.3, 0.4]) },
  },
  {
    what: "tokens that count",
    loss: { kind: "next-token", weight: 2 },
    outputs: { y: words },
    targets: {},
    inputs: { input_ids: tensor("int64", [1, 4], [0, 2, 1, 1]), attention_mask: tensor("int64", [1, 4], [0, 1, 1, 1]) },
  },
  {
    what: "yes and no",
    loss: { kind: "bce", weight: 2 },
    outputs: { y: map },
    targets: { target: float32([1, 3, 2], [0, 1, 1, 0, 0, 1]) },
  },
  { what: "numbers", loss: { kind: "mse", weight: 0.3 }, outputs: { y: map }, targets: { target: map } },
  { what: "numbers with small errors", loss: "huber", outputs: { y }, targets: { target: y } },
  { what: "directions", loss: { kind: "cosine", weight: 2 }, outputs: { y: map }, targets: { target: map } },
  {
    what: "two outputs at once",
    loss: { y: { kind: "cross-entropy", weight: 2 }, z: { kind: "mse", weight: 0.5 } },
    outputs: { y, z: map },
    targets: { "target/y": tensor("int64", [1], [1]), "target/z": map },
  },
];

const flat = (outputs: Readonly<Record<string, Tensor>>): number[] => Object.values(outputs).flatMap(toNumbers);

/** The Hessian of the loss of one sample over all its outputs, by differences of gradients. */
async function curvature({ loss, outputs, targets, inputs }: Case): Promise<number[][]> {
  const { graph } = lossGraph(outputs, { loss }, inputs);
  const session = await directRuntime.load(executable(graph), { threads: 1 });
  const gradientAt = async (values: readonly number[]): Promise<number[]> => {
    let from = 0;
    const moved = Object.entries(outputs).map(([name, { shape }]) => {
      const own = values.slice(from, (from += sizeOf(shape)));
      return [name, float32(shape, own)] as const;
    });
    const results = await session.run({ ...fedBy(Object.fromEntries(moved)), ...targets, ...inputs });
    return Object.keys(outputs).flatMap((name) => toNumbers(results[`gradient/${name}`]!));
  };
  const [at, step] = [flat(outputs), 1e-2];
  try {
    const rows: number[][] = [];
    for (const [i, value] of at.entries()) {
      const [up, down] = [await gradientAt(at.with(i, value + step)), await gradientAt(at.with(i, value - step))];
      rows.push(up.map((own, k) => (own - down[k]!) / (2 * step)));
    }
    return rows;
  } finally {
    await session.dispose();
  }
}

/** The tensor with its only sample so many times. */
function repeated({ dtype, shape, data }: Tensor, times: number): Tensor {
  const values = toNumbers({ dtype, shape, data });
  const all = Array.from({ length: times }, () => values).flat();
  return tensor(dtype as "float32", [times, ...shape.slice(1)], all);
}

const repeatedAll = (tensors: Readonly<Record<string, Tensor>>): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(tensors).map(([name, value]) => [name, repeated(value, draws)]));

/** The mean of the products of gradients of drawn targets. */
async function secondMoment({ loss, outputs, inputs = {} }: Case): Promise<number[][]> {
  const [many, told] = [repeatedAll(outputs), repeatedAll(inputs)];
  const { graph, objective } = lossGraph(many, { loss, targets: "sampled" }, told);
  const noises = objective.noises.map(({ input, noise }, i) => {
    const { shape } = graph.inputs.find(({ name }) => name === input)!;
    return [input, targetNoise(noise, shape as number[], 5, 0, i)] as const;
  });
  const known = Object.entries(told).filter(([name]) => graph.inputs.some((value) => value.name === name));
  const results = await runGraph(graph, {
    ...fedBy(many),
    ...Object.fromEntries(known),
    ...Object.fromEntries(noises),
  });
  const gradients = Object.keys(outputs).map((name) => toNumbers(results[`gradient/${name}`]!));
  const size = flat(outputs).length;
  const sums = Array.from({ length: size }, () => Array.from({ length: size }, () => 0));
  for (let n = 0; n < draws; n++) {
    // The gradient is that of the mean over all draws.
    const own = gradients.flatMap((all) => {
      const each = all.length / draws;
      return all.slice(n * each, (n + 1) * each).map((value) => value * draws);
    });
    for (const [i, a] of own.entries()) for (const [k, b] of own.entries()) sums[i]![k]! += (a * b) / draws;
  }
  return sums;
}

describe("the second moment of gradients of drawn targets is the curvature of the loss", () => {
  it.each(cases.map((one) => [one.what, one] as const))("of %s", async (_, one) => {
    const [found, wanted] = [await secondMoment(one), await curvature(one)];
    const largest = Math.max(...wanted.flat().map(Math.abs));
    expect(largest).toBeGreaterThan(0.01);
    const far = wanted.map((row, i) => Math.max(...row.map((value, k) => Math.abs(value - found[i]![k]!))));
    expect(Math.max(...far) / largest).toBeLessThan(0.05);
  });
});

describe("and so it is at the gates of a net with two outputs", () => {
  const loss: Loss = [
    { kind: "cross-entropy", output: "y", weight: 2 },
    { kind: "mse", output: "z", weight: 0.5 },
  ];
  const sample = float32([1, 4], [0.9, -0.6, 0.7, 0.4]);
  /** A net whose hidden units are multiplied by factors, where there are any; its weights are always the same. */
  function net(batch: number, factors?: readonly number[]): Graph {
    const builder = newBuilder();
    const g = createEmitter(builder);
    const x = valueIn(builder, builder.input("x", { dtype: "float32", shape: [batch, 4] }));
    const weight = (name: string, shape: readonly number[], seed: number): Value =>
      valueIn(builder, builder.constant(noise(shape, seed), name));
    const hidden = g.Relu(g.Gemm(x, weight("hidden", [4, 6], 2), weight("bias", [6], 3)));
    const units = factors ? g.Mul(hidden, g.constant(float32([6], factors))) : hidden;
    for (const [name, size, seed] of [
      ["y", 3, 4],
      ["z", 2, 5],
    ] as const) {
      const value = g.Gemm(units, g.Mul(weight(`head.${name}`, [6, size], seed), g.scalar(4)));
      builder.append("Identity", [value.name], {}, [value], { bases: [name] });
    }
    return builder.finish(["y", "z"]);
  }

  it("unit by unit", async () => {
    const full = gradientGraph(net(draws), { batch: draws, loss, targets: "sampled", wrt: "gates", train: false });
    const noises = ["y", "z"].map((name, i) => {
      const { name: input, shape } = full.inputs.find((value) => value.name === `noise/${name}`)!;
      return [input, targetNoise(i === 0 ? "gumbel" : "normal", shape as number[], 3, 0, i)] as const;
    });
    const results = await runGraph(full, { x: repeated(sample, draws), ...Object.fromEntries(noises) });
    const gates = Object.entries(results).find(([name]) => name.startsWith("grad/"))![1];
    expect(gates.shape).toEqual([draws, 6]);
    const values = toNumbers(gates);
    const found = Array.from({ length: 6 }, (_, m) => {
      let sum = 0;
      for (let n = 0; n < draws; n++) sum += values[n * 6 + m]! ** 2 / draws;
      return sum;
    });
    const outputsAt = async (factors: readonly number[]): Promise<number[]> => {
      const given = await runGraph(net(1, factors), { x: sample });
      return [...toNumbers(given["y"]!), ...toNumbers(given["z"]!)];
    };
    const ones = Array.from({ length: 6 }, () => 1);
    const at = await outputsAt(ones);
    const outputs = { y: float32([1, 3], at.slice(0, 3)), z: float32([1, 2], at.slice(3)) };
    const targets = { "target/y": tensor("int64", [1], [0]), "target/z": outputs.z };
    const hessian = await curvature({ what: "", loss, outputs, targets });
    const wanted = await Promise.all(
      ones.map(async (_, m) => {
        const changed = (await outputsAt(ones.with(m, 2))).map((value, i) => value - at[i]!);
        return changed.reduce((sum, a, i) => sum + changed.reduce((row, b, k) => row + a * b * hessian[i]![k]!, 0), 0);
      }),
    );
    expect(wanted.filter((value) => value > 0.01).length).toBeGreaterThan(1);
    const largest = Math.max(...wanted);
    for (const [m, value] of wanted.entries()) expect(Math.abs(found[m]! - value) / largest).toBeLessThan(0.05);
  });
});
