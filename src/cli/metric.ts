/** `--metric`: what models are measured by. */

import { type Command, InvalidArgumentError, type Option } from "commander";
import { z } from "zod";
import { fail } from "../graph/error.ts";
import { importDefault } from "../data/module-node.ts";
import { checkMetric } from "../evaluate/metrics.ts";
import {
  countedNames,
  measureNames,
  metric,
  metricNames,
  metricSettings,
  type CountedName,
  type MetricOption,
  type MetricSettings,
} from "../options/metric.ts";
import { expected } from "../options/kinds.ts";
import { withForm } from "./forms.ts";
import { flag, withGroup } from "./options/flag.ts";

export interface MetricFlags {
  readonly metric?: string;
}

export const isModule = (text: string): boolean => /\.[cm]?js$/.test(text);

const names = countedNames.join("|");
const rest = String.raw`((?:,[\w-]+=[^,]*)*)`;
/** A text that begins with the name of a metric is no output of that name: "dice,target=f1". */
const plain = new RegExp(`^()(${names})${rest}$`);
/** [OUTPUT=]NAME[,SETTING=VALUE...], as losses are written. */
const form = new RegExp(`^(?:(.+?)=)?(${names})${rest}$`);

/** A metric with its settings, as the flag has it; nothing where it is none of those that have some. */
function settingsIn(text: string): MetricSettings | undefined {
  const [, output = "", name, rest] = plain.exec(text) ?? form.exec(text) ?? [];
  if (name === undefined) return undefined;
  const known = metricSettings[name as CountedName];
  const pairs = (rest?.split(",").slice(1) ?? []).map((pair): [string, unknown] => {
    const at = pair.indexOf("=");
    const [key, value] = [pair.slice(0, at), pair.slice(at + 1)];
    const kind = known[key];
    if (!kind)
      return refuse(
        `${name} has no setting "${key}"; it takes ${Object.keys(known).join(", ")}, as ${name},${hint(name)}`,
      );
    const { success, data } = z.safeParse(kind, kind instanceof z.ZodString ? value : numberOr(value));
    return success ? [key, data] : refuse(`${key} of ${name} must be ${expected(kind).replaceAll('"', "")}`);
  });
  if (output !== "" && !known["output"]) refuse(`${name} looks at several outputs: ${name},${hint(name)}`);
  return { kind: name, ...(output !== "" && { output }), ...Object.fromEntries(pairs) } as MetricSettings;
}

const hint = (name: string): string => (name === "map" ? "boxes=loc,scores=conf" : "target=mask");
const numberOr = (text: string): unknown => (text === "" || Number.isNaN(Number(text)) ? text : Number(text));
function refuse(message: string): never {
  throw new InvalidArgumentError(`${message}.`);
}

const metricOf = withForm(
  (text: string): string => {
    if (!(measureNames as readonly string[]).includes(text) && !isModule(text) && !settingsIn(text))
      refuse(
        `It must be one of ${metricNames.join(", ")}, one of an output, as masks=mean-iou, or a module like f1.mjs`,
      );
    return text;
  },
  { anyOf: [{ enum: metricNames }, { type: "string", pattern: String.raw`${form.source}|\.[cm]?js$` }] },
);

export const withMetric = (command: Command, more: readonly Option[] = []): Command =>
  withGroup(command, "Measuring", [flag("--metric <spec>", metric, metricOf)], more);

/** Loads the metric that the flags name. */
export async function openMetric({ metric }: MetricFlags): Promise<MetricOption | undefined> {
  if (metric === undefined) return undefined;
  if (!isModule(metric)) return settingsIn(metric) ?? checkMetric(metric);
  const given =
    (await importDefault(metric)) ??
    fail("bad-option", `${metric} has no default export: export default { name, better, start() { ... } }`);
  return checkMetric(given, `${metric}: the metric`);
}
