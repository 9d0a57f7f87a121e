/** `--metric`: what models are measured by. */

import { type Command, InvalidArgumentError, type Option } from "commander";
import { fail } from "../graph/error.ts";
import { importDefault } from "../data/module-node.ts";
import { checkMetric } from "../evaluate/metrics.ts";
import { metric, metricNames, type Metric, type MetricName } from "../options/metric.ts";
import { withForm } from "./forms.ts";
import { flag, withGroup } from "./options/flag.ts";

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

export const withMetric = (command: Command, more: readonly Option[] = []): Command =>
  withGroup(command, "Measuring", [flag("--metric <spec>", metric, metricOf)], more);

/** Loads the metric that the flags name. */
export async function openMetric({ metric }: MetricFlags): Promise<Metric | MetricName | undefined> {
  if (metric === undefined || !isModule(metric)) return metric as MetricName | undefined;
  const given =
    (await importDefault(metric)) ??
    fail("bad-option", `${metric} has no default export: export default { name, better, start() { ... } }`);
  return checkMetric(given, `${metric}: the metric`);
}
