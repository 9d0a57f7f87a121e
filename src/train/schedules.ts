/** Learning rates over the steps of a run. */

import type { LearningOptions, RateScheduleName } from "../options/learning.ts";
import { fail } from "../graph/error.ts";

export interface RateSchedule extends Pick<
  LearningOptions,
  "rateSchedule" | "minRate" | "warmUp" | "milestones" | "gamma"
> {
  /** The highest rate. */
  readonly rate: number;
}

/** The share of the highest rate, of which `low` is the least, when a share `done` of the run is over. */
const fall: Readonly<Record<RateScheduleName, (done: number, low: number, schedule: RateSchedule) => number>> = {
  // Loshchilov and Hutter 2017, "SGDR", eq. 5
  cosine: (done, low) => low + ((1 - low) / 2) * (1 + Math.cos(Math.PI * done)),
  linear: (done, low) => low + (1 - low) * (1 - done),
  // PyTorch's MultiStepLR
  step: (done, low, { milestones = [0.5, 0.75], gamma = 0.1 }) =>
    Math.max(low, gamma ** milestones.filter((milestone) => done >= milestone).length),
  constant: () => 1,
};

/** @throws SecateurError `bad-option` for what no schedule can do */
export function checkSchedule({ rateSchedule = "cosine", rate, minRate = 0, milestones }: RateSchedule): void {
  if (minRate > rate) fail("bad-option", `the learning rate cannot fall from ${rate} to ${minRate}, which is more`);
  if (milestones && rateSchedule !== "step")
    fail("bad-option", `milestones are of the schedule "step"; the learning rate falls by "${rateSchedule}"`);
  if (milestones?.some((milestone) => !(milestone > 0 && milestone < 1)))
    fail("bad-option", `milestones are shares of the run between 0 and 1, not ${milestones.join(", ")}`);
}

/** The learning rate of a step, counted from 0, of a run of so many `steps`. */
export function rateAt(schedule: RateSchedule, step: number, steps: number): number {
  const { rateSchedule: name = "cosine", rate, minRate = 0, warmUp = 0 } = schedule;
  if (step < warmUp) return (rate * (step + 1)) / warmUp;
  // Milestones are of the whole run; what falls steadily begins after the warm-up.
  const [begun, length] = name === "step" ? [step, steps] : [step - warmUp, steps - warmUp];
  return rate * fall[name](Math.min(1, begun / Math.max(1, length)), minRate / rate, schedule);
}
