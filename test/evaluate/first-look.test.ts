/** Whether answers have to do with labels, held against answers dealt at random; and orders of classes that are found or not. */

import { describe, expect, it } from "vitest";
import { aboveChance, findOrder, hitsOf, spread } from "../../src/evaluate/first-look.ts";
import { random } from "../support/graphs.ts";

const draw = (seed: number, n: number, classes: number): number[] => {
  const next = random(seed);
  return Array.from({ length: n }, () => Math.floor(next() ** 1.5 * classes));
};

describe("hits above chance", () => {
  it("are counted in the standard deviations of answers dealt anew", () => {
    const [labels, answers] = [draw(1, 60, 4), draw(2, 60, 4)];
    const next = random(9);
    const dealt = Array.from({ length: 20_000 }, () => {
      const order = [...answers];
      for (let i = order.length - 1; i > 0; i--) {
        const j = Math.floor(next() * (i + 1));
        [order[i], order[j]] = [order[j]!, order[i]!];
      }
      return hitsOf(labels, order);
    });
    const mean = dealt.reduce((sum, hits) => sum + hits, 0) / dealt.length;
    const deviation = Math.sqrt(dealt.reduce((sum, hits) => sum + (hits - mean) ** 2, 0) / dealt.length);
    expect(aboveChance(labels, answers)).toBeCloseTo((hitsOf(labels, answers) - mean) / deviation, 1);
    expect(aboveChance(labels, labels)).toBeCloseTo((60 - mean * (hitsOf(labels, labels) / 60)) / deviation, -1);
  });

  it("are none where one class is always said, however common it is", () => {
    const labels = Array.from({ length: 100 }, (_, i) => (i < 90 ? 0 : 1));
    expect(aboveChance(labels, Array<number>(100).fill(0))).toBe(0);
    expect(
      aboveChance(
        labels,
        labels.map((label, i) => (i < 4 ? 1 : label)),
      ),
    ).toBeGreaterThan(5);
  });

  it("are not told of few samples, or of one class", () => {
    expect(aboveChance([0, 1, 0, 1], [0, 1, 0, 1])).toBeUndefined();
    expect(aboveChance(Array<number>(50).fill(3), draw(1, 50, 4))).toBeUndefined();
  });
});

describe("another order", () => {
  const labels = draw(3, 400, 5);

  it("is found, with the share that it makes right", () => {
    const wrong = random(4);
    const answers = labels.map((label) => (wrong() < 0.2 ? 0 : (label + 2) % 5));
    const order = findOrder({ labels, answers })!;
    expect([...order.labelOf].sort(([a], [b]) => a - b)).toEqual(
      [0, 1, 2, 3, 4].map((answer) => [answer, (answer + 3) % 5]),
    );
    expect(order.share).toBeGreaterThan(0.7);
    expect(order.share).toBeLessThan(0.95);
    expect(order.above).toBeGreaterThan(8);
  });

  it.each([
    ["in turns", (i: number) => i % 10],
    ["one behind the other", (i: number) => Math.floor(i / 20)],
  ])("is found where classes come %s", (_, labelOf) => {
    const ordered = Array.from({ length: 200 }, (_, i) => labelOf(i));
    const answers = ordered.map((label) => 9 - label);
    expect(findOrder({ labels: ordered, answers })).toMatchObject({ samples: 100, share: 1 });
  });

  it("is none where there is none", () => {
    for (let seed = 10; seed < 30; seed++)
      expect(findOrder({ labels, answers: draw(seed, 400, 5) })?.above ?? 0).toBeLessThan(4);
  });

  it("of a thousand classes is seen in few samples", () => {
    const many = draw(5, 512, 1000);
    expect(findOrder({ labels: many, answers: many.map((label) => (label * 7 + 3) % 1000) })!.above).toBeGreaterThan(4);
    expect(findOrder({ labels: many, answers: draw(6, 512, 1000) })!.above).toBeLessThan(4);
  });
});

it("spread is the number of classes, where they are alike", () => {
  expect(spread([0, 1, 2, 3, 0, 1, 2, 3])).toBeCloseTo(4);
  expect(spread([5, 5, 5])).toBe(1);
});
