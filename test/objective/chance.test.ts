/** What a loss is by chance, against the best constant answer that a search finds. */

import { describe, expect, it } from "vitest";
import { executable } from "../../src/execute/executable.ts";
import { float32, tensor, type Tensor } from "../../src/graph/tensor.ts";
import { scaleOf } from "../../src/objective/chance.ts";
import { leastOver } from "../../src/objective/losses/statistics.ts";
import { losses } from "../../src/objective/losses/table.ts";
import type { LossSettings } from "../../src/options/loss.ts";
import { random } from "../support/graphs.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { fedBy, lossGraph } from "../support/losses.ts";

const next = random(11);
const draw = (length: number, of: () => number): number[] => Array.from({ length }, of);
const numbers = (...shape: number[]): Tensor =>
  float32(
    shape,
    draw(
      shape.reduce((a, b) => a * b, 1),
      () => 3 * next() ** 2 - 1,
    ),
  );
const yes = (...shape: number[]): Tensor =>
  float32(
    shape,
    draw(
      shape.reduce((a, b) => a * b, 1),
      () => (next() < 0.3 ? 1 : 0),
    ),
  );

/** Rows that sum to 1. */
function shares(rows: number, classes: number): Tensor {
  const values = Array.from({ length: rows }, () => {
    const row = draw(classes, () => next() + 0.05);
    const total = row.reduce((a, b) => a + b, 0);
    return row.map((value) => value / total);
  });
  return float32([rows, classes], values.flat());
}

interface Case {
  readonly loss: LossSettings;
  readonly shape: readonly number[];
  readonly target?: Tensor;
  readonly tokens?: Tensor;
  /** What is the same everywhere: one number, or a vector along an axis. */
  readonly axis?: number;
}

const labels = (shape: readonly number[], ...values: number[]): Tensor => tensor("int64", shape, values);

/** Losses whose best constant answer is known. */
const best: readonly Case[] = [
  { loss: { kind: "cross-entropy" }, shape: [6, 3], target: labels([6], 0, 1, 2, 0, 1, 2), axis: 1 },
  { loss: { kind: "bce" }, shape: [6, 5], target: yes(6, 5) },
  { loss: { kind: "bce", positiveWeight: 4 }, shape: [6, 5], target: yes(6, 5) },
  { loss: { kind: "mse" }, shape: [6, 5], target: numbers(6, 5) },
  { loss: { kind: "l1" }, shape: [6, 5], target: numbers(6, 5) },
  { loss: { kind: "huber", delta: 0.4 }, shape: [6, 5], target: numbers(6, 5) },
  { loss: { kind: "kl" }, shape: [6, 3], target: shares(6, 3), axis: 1 },
  { loss: { kind: "cosine" }, shape: [6, 3], target: numbers(6, 3), axis: 1 },
  { loss: { kind: "dice", smooth: 0.5 }, shape: [6, 2, 4], target: yes(6, 2, 4) },
  { loss: { kind: "focal" }, shape: [6, 5], target: yes(6, 5) },
  { loss: { kind: "focal", alpha: 0.8, gamma: 0.7 }, shape: [6, 5], target: yes(6, 5) },
  { loss: { kind: "info-nce" }, shape: [6, 3], target: numbers(6, 3), axis: 1 },
  {
    loss: { kind: "next-token" },
    shape: [2, 7, 3],
    tokens: labels([2, 7], 0, 0, 1, 2, 0, 1, 2, 1, 2, 1, 0, 1, 0, 2),
    axis: 2,
  },
];

/** Losses of which the answer is taken that gives all classes the same share. */
const even: readonly Case[] = [
  { loss: { kind: "cross-entropy" }, shape: [6, 3], target: labels([6], 0, 1, 1, 1, 1, 2), axis: 1 },
  {
    loss: { kind: "cross-entropy", ignore: 0, classWeights: [1, 2, 0.5] },
    shape: [3, 3, 4],
    target: labels([3, 4], 0, 1, 1, 0, 2, 2, 2, 1, 0, 0, 0, 0),
    axis: 1,
  },
  {
    loss: { kind: "dice", axis: 1 },
    shape: [3, 3, 4],
    target: labels([3, 4], 0, 1, 1, 0, 2, 2, 2, 1, 0, 0, 0, 0),
    axis: 1,
  },
];

/** Three texts of 12 steps: 2, 1 and 3 labels, so that 30 of 36 steps are blank. */
const texts: Case = {
  loss: { kind: "ctc", length: 3 },
  shape: [3, 12, 4],
  target: labels([3, 3], 1, 1, -1, 2, -1, -1, 3, 1, 2),
  axis: 2,
};

/** The scale of a case, and its loss where the model gives the same everywhere. */
async function open({ loss, shape, target, tokens, axis }: Case) {
  const inputs: Record<string, Tensor> = tokens ? { input_ids: tokens } : {};
  const size = axis === undefined ? 1 : shape[axis]!;
  const inner = axis === undefined ? 1 : shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const answer = (values: readonly number[]): Tensor =>
    float32(
      shape,
      Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => values[Math.floor(i / inner) % size]!),
    );
  const { graph, objective } = lossGraph({ y: answer(Array<number>(size).fill(0)) }, { loss }, inputs);
  const fed: Record<string, Tensor> = { ...inputs, ...(target && { target }) };
  const session = await directRuntime.load(executable(graph), { threads: 1 });
  const lossOf = async (values: readonly number[]): Promise<number> =>
    Number((await session.run({ ...fedBy({ y: answer(values) }), ...fed }))["loss"]!.data[0]);
  return { size, lossOf, scale: scaleOf(objective, fed, undefined), [Symbol.asyncDispose]: () => session.dispose() };
}

/** The least loss around a start: steps along each axis, halved where none is down. */
async function search(lossOf: (values: readonly number[]) => Promise<number>, start: readonly number[]) {
  let [at, least] = [start, await lossOf(start)];
  for (let step = 1; step > 1e-4;) {
    const tried = await Promise.all(
      at.flatMap((_, i) =>
        [-step, step].map(async (by) => {
          const moved = at.with(i, at[i]! + by);
          return { moved, loss: await lossOf(moved) };
        }),
      ),
    );
    const { moved, loss } = tried.reduce((a, b) => (b.loss < a.loss ? b : a));
    if (loss < least) [at, least] = [moved, loss];
    else step /= 2;
  }
  return least;
}

const named = (cases: readonly Case[]) => cases.map((one) => [JSON.stringify(one.loss), one] as const);

it("the least value of a function is found in a narrow valley beside a wide one", () => {
  const of = (x: number): number => x ** 2 - 9 * Math.exp(-(((x - 2.5) / 0.2) ** 2));
  const found = leastOver(of, -3, 3);
  expect(found).toBeLessThan(of(2.5));
  expect(found).toBeGreaterThan(of(2.5) - 0.1);
  expect(leastOver((x) => of(-x), -3, 3)).toBeCloseTo(found, 6);
  expect(leastOver((x) => x, -3, 3)).toBeCloseTo(-3, 6);
});

describe("chance is", () => {
  it.each(named(best))("the best constant answer of %s", async (_, one) => {
    await using opened = await open(one);
    const starts = [0, 1, -3].map((start) => Array.from({ length: opened.size }, (__, i) => start * (1 + i / 7)));
    const found = Math.min(...(await Promise.all(starts.map((start) => search(opened.lossOf, start)))));
    expect(Math.abs(opened.scale.chance - found)).toBeLessThan(1e-4);
  });

  it.each(named(even))("the answer without preference of %s", async (_, one) => {
    await using opened = await open(one);
    const same = await opened.lossOf(Array<number>(opened.size).fill(0));
    expect(opened.scale.chance).toBeCloseTo(same, 5);
    expect(await search(opened.lossOf, Array<number>(opened.size).fill(0))).toBeLessThan(same - 0.01);
  });

  it("that of texts is of steps that are blank, or a label, as often as they have to be", async () => {
    await using opened = await open(texts);
    const { chance } = opened.scale;
    expect(chance).toBeCloseTo(await opened.lossOf([30, 3, 2, 1].map((count) => Math.log(count / 36))), 4);
    const least = await search(opened.lossOf, [0, 0, 0, 0]);
    expect(least).toBeLessThan(chance);
    expect(least).toBeGreaterThan(0.7 * chance);
  });

  it("tried for every loss that says it", () => {
    const tried = new Set([...best, ...even, texts].map(({ loss }) => loss.kind));
    const saying = losses.filter(({ chance }) => chance !== undefined).map(({ name }) => name);
    expect(saying.filter((name) => !tried.has(name))).toEqual([]);
  });
});
