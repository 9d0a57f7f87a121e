/** Times of models: which is faster is seen, and the interval is what the theory says. */

import { describe, expect, it } from "vitest";
import { measureLatency } from "../../src/graphs-node.ts";
import { newModel, nodeRuntime } from "../../src/node.ts";
import { ranksOfMedian } from "../../src/evaluate/timing.ts";

const [small, large] = (["lenet5", "resnet20"] as const).map((name) =>
  newModel(name, { classes: 10, seed: 1, input: [1, 64, 64] }),
);

describe("measureLatency", () => {
  it("tells a small model from a large one, in the order given", async () => {
    const seen: number[] = [];
    const options = { threads: 1, rounds: 15, onProgress: (round: number) => seen.push(round) };
    const [a, b] = await measureLatency(nodeRuntime, [large!, small!], options);
    expect(seen).toEqual(Array.from({ length: 15 }, (_, i) => i + 1));
    for (const { low, median, high } of [a!, b!]) expect(0 < low && low <= median && median <= high).toBe(true);
    // 41 million multiply-accumulates and more, and one million.
    expect(a!.low).toBeGreaterThan(b!.high);
  });

  it("grows with the batch", async () => {
    const of = async (batch: number) =>
      (await measureLatency(nodeRuntime, [large!], { threads: 1, rounds: 6, batch }))[0]!.median;
    expect(await of(16)).toBeGreaterThan(4 * (await of(1)));
  });

  it("wants enough rounds for an interval", async () => {
    await expect(measureLatency(nodeRuntime, [small!], { rounds: 5 })).rejects.toThrow(/at least 6 rounds, not 5/);
  });
});

describe("ranksOfMedian", () => {
  it.each([
    // Conover, Practical Nonparametric Statistics, table A3: the largest j with 2 P(Bin(n, 1/2) < j) <= 0.05.
    [6, 0, 5],
    [8, 0, 7],
    [9, 1, 7],
    [20, 5, 14],
    [50, 17, 32],
    [2000, 955, 1044],
  ])("of %i values are %i and %i", (n, low, high) => {
    expect(ranksOfMedian(n)).toEqual({ low, high });
  });
});
