/** Learning rates over a run. */

import { describe, expect, it } from "vitest";
import { checkSchedule, rateAt, type RateSchedule } from "../../src/train/schedules.ts";

const ratesOf = (schedule: RateSchedule, steps: number): number[] =>
  Array.from({ length: steps }, (_, step) => rateAt(schedule, step, steps));

function close(rates: readonly number[], expected: readonly number[]): void {
  expect(rates).toHaveLength(expected.length);
  rates.forEach((rate, i) => expect(rate, `step ${i}`).toBeCloseTo(expected[i]!, 12));
}

describe("the learning rate", () => {
  it("rises, then falls along half a cosine", () => {
    const rates = ratesOf({ rate: 1, warmUp: 2 }, 12);
    expect(rates.slice(0, 3)).toEqual([0.5, 1, 1]);
    expect(rates[7]).toBeCloseTo(0.5, 10);
    expect(rates.at(-1)).toBeCloseTo((1 + Math.cos(0.9 * Math.PI)) / 2, 10);
  });

  it("falls along a cosine to its least, as PyTorch's CosineAnnealingLR with eta_min", () => {
    const [rate, minRate, steps] = [0.4, 0.1, 5];
    const expected = [0, 1, 2, 3, 4].map(
      (t) => minRate + ((rate - minRate) * (1 + Math.cos((Math.PI * t) / steps))) / 2,
    );
    close(ratesOf({ rate, minRate }, steps), expected);
  });

  it("falls along a line, after the warm-up", () => {
    close(ratesOf({ rateSchedule: "linear", rate: 1, minRate: 0.2 }, 4), [1, 0.8, 0.6, 0.4]);
    close(ratesOf({ rateSchedule: "linear", rate: 1, warmUp: 2 }, 6), [0.5, 1, 1, 0.75, 0.5, 0.25]);
  });

  it("falls in steps at milestones of the whole run, as PyTorch's MultiStepLR", () => {
    close(ratesOf({ rateSchedule: "step", rate: 1 }, 8), [1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01]);
    close(
      ratesOf({ rateSchedule: "step", rate: 1, warmUp: 2, minRate: 0.05 }, 8),
      [0.5, 1, 1, 1, 0.1, 0.1, 0.05, 0.05],
    );
    close(ratesOf({ rateSchedule: "step", rate: 2, milestones: [0.25, 0.75], gamma: 0.5 }, 4), [2, 1, 1, 0.5]);
  });

  it("stays", () => close(ratesOf({ rateSchedule: "constant", rate: 0.3, warmUp: 2 }, 4), [0.15, 0.3, 0.3, 0.3]));
});

it.each<[RateSchedule, string]>([
  [{ rate: 0.1, minRate: 0.2 }, "from 0.1 to 0.2"],
  [{ rate: 0.1, milestones: [0.5] }, 'the schedule "step"'],
  [{ rate: 0.1, rateSchedule: "step", milestones: [30, 60] }, "not 30, 60"],
])("refuses %j", (schedule, message) => expect(() => checkSchedule(schedule)).toThrow(message));
