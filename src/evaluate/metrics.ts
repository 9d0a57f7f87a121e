/** What tells how good a model is: measures that every evaluation has, and metrics of the user's own. */

import { fail, SecateurError, option } from "../graph/error.ts";
import type { Better, Metric, MetricBatch, MetricName } from "../options/metric.ts";

/** A value, and what it is. */
export interface MetricValue {
  readonly name: string;
  readonly better: Better;
  readonly value: number;
}

const builtIn: Readonly<Record<MetricName, Better>> = {
  top1: "higher",
  top5: "higher",
  agreement: "higher",
  loss: "lower",
};

/** Those that are shares of samples. */
export type ShareName = Exclude<MetricName, "loss">;

/** Whether this is the name of a measure that every evaluation has. */
export const isBuiltIn = (metric: unknown): metric is MetricName =>
  typeof metric === "string" && Object.hasOwn(builtIn, metric);

/** Whether values of this name are shares of samples, which are told in percent and differ by percentage points. */
export const isShare = (name: string): name is ShareName => isBuiltIn(name) && name !== "loss";

/**
 * A metric as it was given, checked.
 *
 * @param where the place that it comes from, for errors
 * @throws SecateurError `bad-option` for what is no metric
 */
export function checkMetric(given: unknown, where = "the metric"): Metric | MetricName {
  if (isBuiltIn(given)) return given;
  if (typeof given !== "object" || given === null)
    fail(
      "bad-option",
      `${where} is ${typeof given === "string" ? `"${given}"` : String(given)}; give ` +
        `${Object.keys(builtIn).join(", ")}, or { name, better, start() }`,
    );
  const { name, better, start } = given as Readonly<Record<keyof Metric, unknown>>;
  if (typeof name !== "string" || name.trim() === "") fail("bad-option", `${where} has no name: name: "f1"`);
  if (isBuiltIn(name)) fail("bad-option", `${where} has the name of another measure, ${name}: give it one of its own`);
  if (better !== "higher" && better !== "lower")
    fail("bad-option", `${where} "${name}" does not say which values are better: better: "higher" or "lower"`);
  if (typeof start !== "function")
    fail("bad-option", `${where} "${name}" has no start(), which gives { add(batch), result() } for each measurement`);
  return given as Metric;
}

/** A metric at work; its errors name it. */
export interface Counting {
  add(batch: MetricBatch): Promise<void>;
  value(): Promise<MetricValue>;
}

/** Begins to count; nothing where there is no metric that counts by itself. */
export async function startCounting(metric: Metric | MetricName | undefined): Promise<Counting | undefined> {
  if (metric === undefined || typeof metric === "string") return undefined;
  const { name, better } = metric;
  let batches = 0;
  const guard = async <T>(doing: string, work: () => T | Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      if (error instanceof SecateurError) throw error;
      const message = error instanceof Error ? error.message : String(error);
      return fail("bad-option", `the metric "${name}" threw "${message.replaceAll(/\s+/g, " ")}" ${doing}`, error);
    }
  };
  const count = await guard("in start()", () => metric.start());
  if (typeof count?.add !== "function" || typeof count.result !== "function")
    fail("bad-option", `start() of the metric "${name}" gives no { add(batch), result() }`);
  return {
    add: (batch) => guard(`in add() on minibatch ${++batches}`, () => count.add(batch)),
    async value() {
      const value: unknown = await guard("in result()", () => count.result());
      if (typeof value !== "number")
        fail("bad-option", `result() of the metric "${name}" gives ${typeof value}, not a number`);
      if (!Number.isFinite(value))
        fail(
          "not-finite",
          `the metric "${name}" is ${value} over ${batches} minibatches: let result() give a finite number, also ` +
            "where it has nothing to divide by",
        );
      return { name, better, value };
    },
  };
}

/** The value of a measure among those of an evaluation. */
export function namedValue(name: MetricName, values: Readonly<Partial<Record<MetricName, number>>>): MetricValue {
  const value = values[name] ?? fail("bad-option", `there is no ${name} here: ${reasons[name]}`);
  return { name, better: builtIn[name], value };
}

const reasons: Readonly<Record<MetricName, string>> = {
  top1: `it takes labels, and ${option("loss", "cross-entropy")}`,
  top5: `it takes labels, and ${option("loss", "cross-entropy")}`,
  agreement: `it is with the original model, of compare and prune, and goes with ${option("loss", "cross-entropy")}`,
  loss: "it takes labels",
};

/**
 * What was lost from one value to another, below 0 where something was gained: percentage points of a share of
 * samples, else in the metric's own unit.
 */
export function lostBetween(before: MetricValue, after: MetricValue, samples: number): number {
  const lost = before.better === "higher" ? before.value - after.value : after.value - before.value;
  // Shares are counts over samples: what is between them is a count again, not one and a rounding error.
  return isShare(before.name) ? (100 * Math.round(lost * samples)) / samples : lost;
}
