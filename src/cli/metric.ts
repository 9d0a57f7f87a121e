/** `--metric`: what models are measured by. */

import { type Command, InvalidArgumentError } from "commander";
import { fail } from "../graph/error.ts";
import { importDefault } from "../data/module-node.ts";
import { checkMetric, metricNames, type Metric, type MetricName } from "../train/metrics.ts";
import { withForm } from "./forms.ts";

export interface MetricFlags {
  readonly metric?: string;
}

export const isModule = (text: string): boolean => /\.[cm]?js$/.test(text);

const metricOf = withForm(
  (text: string): string => {
    if (!(metricNames as readonly string[]).includes(text) && !isModule(text))
      throw new InvalidArgumentError(`It must be one of ${metricNames.join(", ")}, or a module like f1.mjs.`);
    return text;
  },
  { anyOf: [{ enum: metricNames }, { type: "string", pattern: String.raw`\.[cm]?js$` }] },
);

export const withMetric = (command: Command): Command =>
  command.option(
    "--metric <spec>",
    `what counts: ${metricNames.join(", ")}, or a module whose default export is a metric, as f1.mjs (default: top1, without labels agreement)`,
    metricOf,
  );

/** Loads the metric that the flags name. */
export async function openMetric({ metric }: MetricFlags): Promise<Metric | MetricName | undefined> {
  if (metric === undefined || !isModule(metric)) return metric as MetricName | undefined;
  const given =
    (await importDefault(metric)) ??
    fail("bad-option", `${metric} has no default export: export default { name, better, start() { ... } }`);
  return checkMetric(given, `${metric}: the metric`);
}
