/** Importances made comparable: within a group, and for what a unit costs. */

import { expect, it } from "vitest";
import { createCostModel } from "../../../src/prune/select/cost-model.ts";
import { normalised, perCost } from "../../../src/prune/select/ranking.ts";
import type { Normalisation } from "../../../src/options/ranking.ts";
import { selectShare, selectStep } from "../../../src/prune/select/select.ts";
import { twoSizes } from "../../support/two-sizes.ts";

const within = (scores: readonly number[], how: Normalisation): number[] =>
  Array.from(normalised(new Map([["group", Float64Array.from(scores)]]), how).get("group")!);

it("divides by the mean, the largest and the sum of a group's sizes", () => {
  expect(within([1, 2, 5], "none")).toEqual([1, 2, 5]);
  expect(within([1, 2, 5], "mean")).toEqual([1 / (8 / 3), 2 / (8 / 3), 5 / (8 / 3)]);
  expect(within([1, 2, 5], "max")).toEqual([0.2, 0.4, 1]);
  expect(within([1, 2, 5], "sum")).toEqual([1 / 8, 2 / 8, 5 / 8]);
  // The sizes, so that a sum of 0 divides nothing and no sign turns.
  expect(within([-1, 1, 2], "sum")).toEqual([-1 / 4, 1 / 4, 2 / 4]);
});

it("standardises to numbers between 0 and 1, the mean to a half", () => {
  const [low, middle, high] = within([1, 2, 3], "standardised");
  expect(middle).toBeCloseTo(0.5, 12);
  // (3 - 2) over the deviation √(2/3), through the logistic function.
  expect(high).toBeCloseTo(1 / (1 + Math.exp(-1 / Math.sqrt(2 / 3))), 12);
  expect(low! + high!).toBeCloseTo(1, 12);
  expect(within([4, 4], "standardised")).toEqual([0.5, 0.5]);
});

it("takes each unit's share of what is left by lamp: the last of every group has 1", () => {
  expect(within([3, 1, 4], "lamp")).toEqual([3 / 7, 1 / 8, 1]);
  expect(within([-1, 1, 2], "lamp")).toEqual([-1 / 4, 1 / 3, 1]);
});

it.each(["mean", "max", "sum", "standardised", "lamp"] as const)(
  "%s keeps the order, 0 and what is beyond price",
  (how) => {
    const scores = [0.5, -2, Infinity, 3, 0, -0.1, 7];
    const order = (values: readonly number[]): number[] => [...values.keys()].sort((a, b) => values[a]! - values[b]!);
    expect(order(within(scores, how))).toEqual(order(scores));
    expect(within(scores, how)[2]).toBe(Infinity);
    expect(within([0, 0], how)).toEqual([0, 0]);
  },
);

it("what is worth less than nothing goes the sooner the more it costs", () => {
  const groups = twoSizes();
  const model = createCostModel(groups);
  const of = (large: number, small: number) =>
    perCost(
      groups,
      new Map([
        ["large", [large, large, large, large]],
        ["small", [small, small, small, small]],
      ]),
      model,
      "macs",
    );
  const [good, bad] = [of(1, 1), of(-1, -1)];
  expect(good.get("large")![0]).toBeLessThan(good.get("small")![0]!);
  expect(bad.get("large")![0]).toBeLessThan(bad.get("small")![0]!);
});

it("shares and steps rank by normalised importances for what units cost", () => {
  const groups = twoSizes();
  const importances = new Map([
    ["large", [5, 6, 7, 8]],
    ["small", [1, 2, 3, 9]],
  ]);
  const step = (choice: object) => [...selectStep(groups, importances, 2, { macs: 0 }, choice).removal];
  const share = (choice: object) => [...selectShare(groups, importances, { ratio: 0.25, scope: "global", ...choice })];
  for (const chosen of [step, share]) {
    expect(chosen({})).toEqual([["small", [0, 1]]]);
    // 5/6.5 and 6/6.5 against 1/3.75 and 2/3.75, each over the 144 and 28 that a unit costs.
    expect(chosen({ normalise: "mean" })).toEqual([["small", [0, 1]]]);
    expect(chosen({ normalise: "mean", per: "macs" })).toEqual([["large", [0, 1]]]);
    expect(chosen({ per: "macs" })).toEqual([
      ["large", [0]],
      ["small", [0]],
    ]);
  }
});
