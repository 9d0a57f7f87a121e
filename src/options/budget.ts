/** Options that say how far a model is pruned, and in what steps. */

import { z } from "zod";
import { scheduleKinds, type RemovalSchedule } from "../prune/select/schedule.ts";
import type { Budget } from "../prune/select/select.ts";
import type { LatencyBudget } from "../evaluate/latency.ts";
import { count, positive, share, type KindsOf } from "./kinds.ts";

export const maxDrop = positive.describe("find the smallest model that loses at most so many points");
export const macs = positive.describe("multiply-accumulates to keep, as 0.5, 50% or 50M");
export const latency = z
  .union([positive, z.strictObject({ milliseconds: positive } satisfies KindsOf<Exclude<LatencyBudget, number>>)])
  .describe("time of one sample to reach here, as 0.5, 50% or 3ms");
export const params = positive.describe("parameters to keep, as 0.5, 50% or 2M");
export const bytes = positive.describe("bytes of weights to keep, as 0.5, 50% or 8MB");
export const units = positive.describe("units to keep, as 0.5, 50% or 300units");
export const maxLoss = positive.describe("stop pruning at this training loss");

export const budget = z.strictObject({
  macs: macs.optional(),
  params: params.optional(),
  bytes: bytes.optional(),
  units: units.optional(),
} satisfies KindsOf<Budget>);

export const scheduleKind = z.enum(scheduleKinds).default("steady").describe("how much goes each time");
export const removals = count.default(25).describe("removals of a schedule that is not steady");

export const schedule = z.strictObject({
  kind: z.enum(["linear", "cubic", "one-shot"]),
  removals: removals.unwrap(),
} satisfies KindsOf<RemovalSchedule>);

export const every = count.describe("minibatches between two removals (default: 10 or fewer)");
export const unitsPerStep = count.describe("units of each removal (default: 2 % of all)");
export const scoreMomentum = share.default(0.9).describe("share of the old in averaged importances");
export const prove = z.boolean().default(true).describe("do not prove that the cut computes what it should");
export const evaluateEvery = count.default(5).describe("removals between two measurements on the test data");
export const evaluateBatches = count.default(16).describe("minibatches of such a measurement");
