/** Options that say how far a model is pruned, and in what steps. */

import { z } from "zod";
import { count, positive, share } from "./kinds.ts";

export const budget = z.strictObject({
  macs: positive.describe("multiply-accumulates to keep, as 0.5, 50% or 50M").optional(),
  params: positive.describe("parameters to keep, as 0.5, 50% or 2M").optional(),
  bytes: positive.describe("bytes of weights to keep, as 0.5, 50% or 8MB").optional(),
  units: positive.describe("units to keep, as 0.5, 50% or 300units").optional(),
});
/** What must be reached: shares of what there is at the start, or numbers where they are larger than 1. */
export type Budget = Readonly<z.input<typeof budget>>;

const latency = z.union([positive, z.strictObject({ milliseconds: positive })]);
/** A share of the latency at the start; or milliseconds, where a number is above 1 or they are named. */
export type LatencyBudget = z.input<typeof latency>;

const scheduleKinds = ["steady", "linear", "cubic", "one-shot"] as const;
/**
 * `steady` removes the same number of units each time (the paper's). The others reach the target in a given number of
 * removals: in equal steps of what is to be saved, in steps that become smaller (Zhu and Gupta 2017, "To prune, or not
 * to prune", eq. 1), or at once.
 */
export type ScheduleKind = (typeof scheduleKinds)[number];
export const scheduleKind = z.enum(scheduleKinds).default("steady").describe("how much is removed each time");
export const removals = count.default(25).describe("removals of a schedule that is not steady");

const schedule = z.strictObject({
  kind: z.enum(scheduleKinds).exclude(["steady"]),
  /** Removals until the target is met; one-shot takes one. */
  removals: removals.unwrap(),
});
export type RemovalSchedule = Readonly<z.input<typeof schedule>>;

/** How far the loop prunes, and in what steps. */
export const pruning = {
  /** What must be reached: shares of what there is at the start, or numbers where they are larger than 1. */
  budget: budget.optional(),
  /**
   * The latency to reach with one sample at a time: a share of what it is at the start, or milliseconds where it is
   * larger than 1 or says so. It is measured after every removal, so that a second run may end a removal earlier or
   * later.
   */
  latency: latency.describe("time of one sample to reach here, as 0.5, 50% or 3ms").optional(),
  /**
   * How much of the metric may be lost after fine-tuning. The smallest model that loses no more is searched for, down
   * to the budget where there is one. The default counts percentage points of top-1, or without labels of agreement
   * with the original; a metric of your own counts in its own unit. A tenth of the data is held out to choose by.
   */
  maxDrop: positive.describe("find the smallest model that loses at most so many points").optional(),
  /** Pruning stops when the mean training loss between two removals is above this. */
  maxLoss: positive.describe("stop pruning at this training loss").optional(),
  /** How much goes each time; default the same number of units. */
  schedule: schedule.optional(),
  /** Minibatches between two removals; default 10 (the paper's for CIFAR-10) or fewer. */
  every: count.describe("minibatches between two removals (default: 10 or fewer)").optional(),
  /** Units removed each time; default 2 % of the units at the start (the paper's). */
  unitsPerStep: count.describe("units of each removal (default: 2 % of all)").optional(),
  /** The share of the old importances in their average over removals; default 0.9 (the paper's). */
  scoreMomentum: share.default(0.9).describe("share of the old value when importances are averaged"),
  /** Removals between two measurements while pruning; default 5. */
  evaluateEvery: count.default(5).describe("removals between two measurements on the test data"),
  /** Minibatches of a measurement while pruning; the first and the last take all data. Default 16. */
  evaluateBatches: count.default(16).describe("minibatches of such a measurement"),
  /**
   * Whether all that was removed is proved, before fine-tuning, to be cut as it would be masked; default true. A proof
   * that fails ends nothing: the outcome says so by `unproved`.
   */
  prove: z.boolean().default(true).describe("do not prove that the cut model computes what the masked one does"),
};
