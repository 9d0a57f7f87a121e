/** What tells how good a model is: measures that every evaluation has, and metrics of the user's own. */

import { fail, SecateurError, option } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import {
  countedNames,
  metricNames,
  type Better,
  type CountedName,
  type MeasureName,
  type Metric,
  type MetricBatch,
  type MetricName,
  type MetricOption,
  type MetricSettings,
} from "../options/metric.ts";
import { headOf } from "../passes/heads.ts";
import { metricNamed } from "./metrics/table.ts";

/** A value, and what it is. */
export interface MetricValue {
  readonly name: string;
  readonly better: Better;
  readonly value: number;
  /** Whether it is a share that is no count of samples, as mean IoU: told in percent, without an interval. */
  readonly share?: boolean;
}

const builtIn: Readonly<Record<MeasureName, Better>> = {
  top1: "higher",
  top5: "higher",
  agreement: "higher",
  loss: "lower",
};

/** Those that are shares of samples. */
export type ShareName = Exclude<MeasureName, "loss">;

/** Whether this is the name of a measure that every evaluation has. */
export const isBuiltIn = (metric: unknown): metric is MeasureName =>
  typeof metric === "string" && Object.hasOwn(builtIn, metric);

/** Whether a value is a share, which is told in percent and differs by percentage points. */
export const isShare = ({ name, share }: Pick<MetricValue, "name" | "share">): boolean =>
  share === true || (isBuiltIn(name) && name !== "loss");

/** Whether it is a share of samples, which is a count. */
export const isOfSamples = ({ name, share }: Pick<MetricValue, "name" | "share">): boolean =>
  share !== true && isBuiltIn(name) && name !== "loss";

/**
 * A metric as it was given, checked.
 *
 * @param where the place that it comes from, for errors
 * @throws SecateurError `bad-option` for what is no metric
 */
export function checkMetric(given: unknown, where = "the metric"): Metric | MetricName | MetricSettings {
  if (typeof given === "string" && (metricNames as readonly string[]).includes(given)) return given as MetricName;
  if (typeof given !== "object" || given === null)
    fail(
      "bad-option",
      `${where} is ${typeof given === "string" ? `"${given}"` : String(given)}; give ` +
        `${metricNames.join(", ")}, or { name, better, start() }`,
    );
  if ((countedNames as readonly unknown[]).includes((given as Partial<MetricSettings>).kind))
    return given as MetricSettings;
  const { name, better, start } = given as Readonly<Record<keyof Metric, unknown>>;
  if (typeof name !== "string" || name.trim() === "") fail("bad-option", `${where} has no name: name: "f1"`);
  if (isBuiltIn(name)) fail("bad-option", `${where} has the name of another measure, ${name}: give it one of its own`);
  if (better !== "higher" && better !== "lower")
    fail("bad-option", `${where} "${name}" does not say which values are better: better: "higher" or "lower"`);
  if (typeof start !== "function")
    fail("bad-option", `${where} "${name}" has no start(), which gives { add(batch), result() } for each measurement`);
  return given as Metric;
}

/** What a metric by name is called where it looks at an output that was named: "masks=mean-iou". */
const calledBy = ({ kind, ...settings }: MetricSettings): string => {
  const output = "output" in settings ? settings.output : undefined;
  return output === undefined ? kind : `${output}=${kind}`;
};

/**
 * A metric for a model: measures stay names, and a metric by name knows the output that it looks at.
 *
 * @throws SecateurError `bad-option` for what is no metric, and for an output that the model does not have
 */
export function metricFor(graph: Graph, given: MetricOption | undefined): Metric | MeasureName | undefined {
  if (given === undefined) return undefined;
  const checked = checkMetric(given);
  if (isBuiltIn(checked)) return checked;
  if (typeof checked === "object" && !("kind" in checked)) return checked;
  const settings = typeof checked === "object" ? checked : ({ kind: checked as CountedName } as MetricSettings);
  const { kind, ...own } = settings;
  const definition = metricNamed(kind);
  const output = lookedAt(graph, kind, "output" in own ? own.output : undefined);
  const head = headOf(graph, output);
  const { better, share } = definition;
  const looked = { output, activation: head?.activation, axis: head?.axis };
  return { name: calledBy(settings), better, ...(share && { share }), start: () => definition.start(own, looked) };
}

function lookedAt({ outputs }: Graph, kind: CountedName, output: string | undefined): string {
  const names = outputs.map(({ name }) => name);
  if (output === undefined || names.includes(output)) return output ?? names[0] ?? "";
  return fail(
    "bad-option",
    `${kind} looks at the output "${output}", and the model's outputs are "${names.join('", "')}"`,
  );
}

/** A metric at work; its errors name it. */
export interface Counting {
  add(batch: MetricBatch): Promise<void>;
  value(): Promise<MetricValue>;
}

/** Begins to count; nothing where there is no metric that counts by itself. */
export async function startCounting(metric: Metric | MeasureName | undefined): Promise<Counting | undefined> {
  if (metric === undefined || typeof metric === "string") return undefined;
  const { name, better, share } = metric;
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
      return { name, better, value, ...(share === true && { share }) };
    },
  };
}

/** The value of a measure among those of an evaluation. */
export function namedValue(name: MeasureName, values: Readonly<Partial<Record<MeasureName, number>>>): MetricValue {
  const value = values[name] ?? fail("bad-option", `there is no ${name} here: ${reasons[name]}`);
  return { name, better: builtIn[name], value };
}

const one = `one class for each sample, by ${option("loss", "cross-entropy")}`;
const otherwise = `for other outputs take another metric, such as ${option("metric", "mean-iou")}`;
const reasons: Readonly<Record<MeasureName, string>> = {
  top1: `it needs labels, ${one}; ${otherwise}`,
  top5: `it needs labels, ${one}; ${otherwise}`,
  agreement: "only compare and prune have an original to agree with",
  loss: "it needs targets in the data",
};

/**
 * What was lost from one value to another, below 0 where something was gained: percentage points of a share, else in
 * the metric's own unit.
 */
export function lostBetween(before: MetricValue, after: MetricValue, samples: number): number {
  const lost = before.better === "higher" ? before.value - after.value : after.value - before.value;
  if (!isShare(after)) return lost;
  // Counts over samples: what is between them is a count again, not one and a rounding error.
  return isOfSamples(after) ? (100 * Math.round(lost * samples)) / samples : 100 * lost;
}
