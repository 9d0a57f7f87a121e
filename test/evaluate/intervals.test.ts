/** What so many samples can tell of a share. */

import { describe, expect, it } from "vitest";
import { intervalOf, intervalOfLoss, intervalsOf, type Interval } from "../../src/evaluate/intervals.ts";
import { random } from "../support/graphs.ts";

const rounded = ({ low, high }: Interval): string => `${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)}`;

describe("the interval of a share", () => {
  // Values of Wilson's interval as R's prop.test(..., correct = FALSE) and statsmodels' proportion_confint(method="wilson") give them.
  it.each([
    [965, 1000, "95.2 to 97.5"],
    [81, 263, "25.5 to 36.6"],
    [0, 10, "0.0 to 27.8"],
    [10, 10, "72.2 to 100.0"],
    [1, 1, "20.7 to 100.0"],
  ])("%i of %i: %s %", (hits, samples, told) => expect(rounded(intervalOf(hits / samples, samples))).toBe(told));

  it("holds the truth as often as it says", () => {
    const next = random(4);
    for (const [truth, samples] of [
      [0.9, 100],
      [0.5, 40],
      [0.98, 200],
    ] as const) {
      const tries = 4000;
      let held = 0;
      for (let i = 0; i < tries; i++) {
        let hits = 0;
        for (let n = 0; n < samples; n++) if (next() < truth) hits++;
        const { low, high } = intervalOf(hits / samples, samples);
        if (low <= truth && truth <= high) held++;
      }
      expect(held / tries).toBeGreaterThan(0.925);
      expect(held / tries).toBeLessThan(0.985);
    }
  });

  it("is there for the shares that are there", () =>
    expect(intervalsOf({ top1: 0.5, top5: undefined }, 4)).toEqual({ top1: intervalOf(0.5, 4) }));
});

describe("the interval of what was lost", () => {
  it("is narrow where few samples changed, and wide where many did, for the same loss", () => {
    const [few, many] = [
      intervalOfLoss({ lost: 5, gained: 0 }, 1000),
      intervalOfLoss({ lost: 105, gained: 100 }, 1000),
    ];
    expect([rounded(few), rounded(many)]).toEqual(["-0.0 to 1.0", "-2.3 to 3.3"]);
  });

  it("turns with the models, and is never nothing", () => {
    const there = intervalOfLoss({ lost: 9, gained: 2 }, 50);
    const back = intervalOfLoss({ lost: 2, gained: 9 }, 50);
    expect([back.low, back.high]).toEqual([-there.high, -there.low]);
    expect(rounded(intervalOfLoss({ lost: 0, gained: 0 }, 100))).toBe("-2.7 to 2.7");
  });

  it("holds the truth as often as it says, where the two are alike on most samples", () => {
    const next = random(9);
    const [loses, gains, samples, tries] = [0.04, 0.01, 200, 4000];
    let held = 0;
    for (let i = 0; i < tries; i++) {
      let [lost, gained] = [0, 0];
      for (let n = 0; n < samples; n++) {
        const draw = next();
        if (draw < loses) lost++;
        else if (draw < loses + gains) gained++;
      }
      const { low, high } = intervalOfLoss({ lost, gained }, samples);
      if (low <= loses - gains && loses - gains <= high) held++;
    }
    expect(held / tries).toBeGreaterThan(0.93);
    expect(held / tries).toBeLessThan(0.985);
  });
});
