/** What to do after a run: commands with its own files. */

import { flagOf } from "./figures.ts";
import { html, type Markup } from "./html.ts";
import type { Loss } from "../options/loss.ts";
import { textsOfLoss } from "../options/loss-text.ts";
import type { LearnSummary, PruneSummary, RunConfig, RunRecord, RunSummary } from "./record.ts";
import { word } from "./shell.ts";
import { isOf } from "./run-history.ts";

export interface NextStep {
  /** What for. */
  readonly aim: string;
  /** Lines to type: of a shell, or where the aim says so of a program. */
  readonly text: string;
}

/** What is most worth doing comes first. */
export function nextSteps(config: RunConfig, records: readonly RunRecord[], summary: RunSummary): NextStep[] {
  const steps =
    config.command === "prune"
      ? afterPruning(config, records, summary as PruneSummary)
      : afterLearning(config, summary as LearnSummary);
  return [...steps, ship(summary)];
}

/** @param folder that the commands are typed in, where it is known */
export const nextSection = (steps: readonly NextStep[], folder: string | undefined): Markup =>
  html`<section id="next">
    <h2>What to do next</h2>
    ${folder === undefined ? undefined : html`<p>Commands are for the folder ${folder}.</p>`}
    ${steps.map(
      ({ aim, text }) =>
        html`<p>${aim}:</p>
          <pre>${text}</pre> `,
    )}
  </section>`;

/** Another size to try takes so much of what this one takes. */
const smaller = 0.7;

function afterPruning(config: RunConfig, records: readonly RunRecord[], summary: PruneSummary): NextStep[] {
  const { options, model } = config;
  const { output } = summary;
  const stem = stemOf(output);
  const onward = learning(config);
  return [
    ...repair(config, records, summary),
    {
      aim: "See what was lost and gained, on data and in time",
      text: line("compare", word(model.path), word(output), ...measuring(config), "--latency"),
    },
    ...(options["targets"] === undefined || options["targets"] === "labels" ? [evaluate(config, output)] : []),
    {
      aim: "Let it learn more, where too much was lost",
      text: line("finetune", word(output), ...onward, "-o", word(`${stem}-tuned.onnx`)),
    },
    {
      aim: "Prune it further, while little is lost",
      text: line("prune", word(output), ...onward, ...further(options), "-o", word(`${stem}-smaller.onnx`)),
    },
    ...(summary.end === "met" ? [otherSize(config, summary)] : []),
  ];
}

function afterLearning(config: RunConfig, { output }: LearnSummary): NextStep[] {
  const onward = learning(config);
  return [
    evaluate(config, output),
    {
      aim: "Make it smaller, while it loses at most a point",
      text: line(
        "prune",
        word(output),
        ...onward,
        ...further(config.options),
        "-o",
        word(`${stemOf(output)}-small.onnx`),
      ),
    },
    {
      aim: "Let it learn more",
      text: line("finetune", word(output), ...onward, "-o", word(`${stemOf(output)}-tuned.onnx`)),
    },
  ];
}

const line = (...words: readonly string[]): string => ["secateur", ...words].join(" ");
const stemOf = (output: string): string => output.replace(/\.onnx$/, "");

const evaluate = (config: RunConfig, output: string): NextStep => ({
  aim: "Measure what was written",
  text: line("eval", word(output), ...measuring(config)),
});

/** What has to change where the run did not reach what it was for. */
function repair(config: RunConfig, records: readonly RunRecord[], summary: PruneSummary): NextStep[] {
  const { options } = config;
  const harm = records.findLast(isOf("diverged"));
  if (summary.end === "diverged" && harm) {
    if (harm.removed) return [gentler(config, summary)];
    const flag = harm.phase === "prune" ? "--prune-learning-rate" : "--learning-rate";
    return [anew(config, summary, "Run it again at a lower rate", { [flag]: String(harm.lower) })];
  }
  const { maxDrop } = options;
  if (typeof maxDrop === "number" && summary.end === "exhausted")
    return [
      anew(config, summary, "Let it lose more, and learn longer from the original", {
        "--max-drop": String(2 * maxDrop),
        "--epochs": String(2 * Number(options["epochs"] ?? 5)),
        "--distil": "0.9",
      }),
    ];
  if (summary.end === "ruined") {
    const [flag, share] = budgetOf(options, summary);
    const more = { [flag]: roundedUp((1 + share) / 2), "--epochs": String(4 * Number(options["epochs"] ?? 5) || 5) };
    return [anew(config, summary, "Remove less, and learn longer", more)];
  }
  if (summary.end === "exhausted" || summary.end === "missed") {
    const [flag, share] = budgetOf(options, summary);
    return [anew(config, summary, "Ask for what can be reached", { [flag]: roundedUp(share) })];
  }
  return [];
}

/** Fewer units at a time, and where they were not chosen by it, those that matter least to the loss. */
function gentler(config: RunConfig, summary: PruneSummary): NextStep {
  const { criterion = defaultCriterion, schedule = "steady", removals = 25, unitsPerStep } = config.options;
  const units = Number(unitsPerStep ?? 0.02 * summary.before.units);
  const smaller: Readonly<Record<string, string>> =
    schedule === "steady"
      ? { "--units-per-step": String(Math.max(1, Math.floor(units / 2))) }
      : { "--removals": String(2 * Number(removals)) };
  return anew(config, summary, "Remove what the loss needs least, less of it at a time", {
    ...(criterion !== defaultCriterion && { "--criterion": defaultCriterion }),
    ...smaller,
  });
}

const defaultCriterion = "taylor-fo";

function otherSize(config: RunConfig, summary: PruneSummary): NextStep {
  const { maxDrop } = config.options;
  if (typeof maxDrop === "number")
    return anew(config, summary, "Let it lose more, for a smaller one", { "--max-drop": String(2 * maxDrop) });
  const [flag, share] = budgetOf(config.options, summary);
  return anew(config, summary, "Try another size, from the start", {
    [flag]: String(Number((smaller * share).toPrecision(2))),
  });
}

/** The budget that the run had, and the share that was reached of what it counts. */
function budgetOf(options: RunConfig["options"], { before, after }: PruneSummary): [flag: string, share: number] {
  const costs = (["macs", "params", "bytes"] as const).find((key) => options[key] !== undefined);
  if (costs) return [`--${costs}`, after.costs[costs] / before.costs[costs]];
  if (options["units"] !== undefined) return ["--units", after.units / before.units];
  if (before.latency && after.latency) return ["--latency", after.latency.median / before.latency.median];
  return ["--macs", after.costs.macs / before.costs.macs];
}

/** With two digits, and no less. */
const roundedUp = (share: number): string => String(Math.min(0.99, Math.ceil(share * 100) / 100));

/** The command of the run with other flags, beside what this one has written. */
function anew(
  { repeat }: RunConfig,
  { output }: PruneSummary,
  aim: string,
  flags: Readonly<Record<string, string>>,
): NextStep {
  const stem = `${stemOf(output)}-2`;
  return { aim, text: withFlags(repeat, { ...flags, "--output": word(`${stem}.onnx`), "--run": word(`${stem}.run`) }) };
}

const shortForms: Readonly<Record<string, string>> = { "-o": "--output" };

/** A command line with other values of flags; new ones are put at its end, but for where its record lies. */
export function withFlags(command: string, flags: Readonly<Record<string, string>>): string {
  const words = command.match(/(?:'[^']*'|\\.|[^\s'\\])+/g) ?? [];
  const left = new Map(Object.entries(flags));
  const changed: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const [name = "", joined] = words[i]!.startsWith("--") ? words[i]!.split("=", 2) : [words[i]];
    const long = shortForms[name] ?? name;
    const value = left.get(long);
    if (value === undefined) {
      changed.push(words[i]!);
      continue;
    }
    left.delete(long);
    changed.push(name, value);
    if (joined === undefined) i++;
  }
  left.delete("--run");
  return [...changed, ...[...left].flat()].join(" ");
}

/** What data is read by, as words of a command. */
const dataFlags = ["data", "preset", "mean", "std", "scale", "size", "resize", "layout", "channels", "classes"];
/** What learning goes by besides, where it is not the default. */
const learnFlags: Readonly<Record<string, unknown>> = { batchSize: 128, crop: undefined };

/** What the loss of labels is where nobody says it. */
const isUsualLoss = (loss: unknown): boolean => loss === undefined || loss === "auto" || loss === "cross-entropy";

function wordsOf(options: RunConfig["options"], names: readonly string[]): string[] {
  return names.flatMap((name) => {
    const value = options[name];
    if (value === undefined || value === null) return [];
    const text = Array.isArray(value) ? value.join(name === "size" ? "x" : ",") : String(value);
    return [flagOf(name), word(text)];
  });
}

const lossFlags = (loss: Loss): string[] => textsOfLoss(loss).flatMap((text) => ["--loss", word(text)]);

const readBy = (options: RunConfig["options"]): string[] => [
  ...wordsOf(options, dataFlags),
  ...(options["labelsAreRight"] === true ? ["--labels-are-right"] : []),
];

/** The data of the run to measure on: its test part, where it has one. */
const measuring = ({ options, unmeasured }: RunConfig): string[] => [
  ...readBy(options),
  ...(isUsualLoss(options["loss"]) ? [] : lossFlags(options["loss"] as Loss)),
  ...(unmeasured === undefined ? [] : ["--split", "train"]),
];

/** The data of the run to learn from, as it learned. */
const learning = ({ options }: RunConfig): string[] => [
  ...readBy(options),
  ...wordsOf(
    options,
    Object.entries(learnFlags).flatMap(([name, usual]) => (options[name] === usual ? [] : [name])),
  ),
  ...(isUsualLoss(options["loss"]) ? [] : lossFlags(options["loss"] as Loss)),
  ...(options["flip"] === true ? ["--flip"] : []),
];

/** How far to go where nobody has said: data that cannot be cut into parts has none to hold out. */
const further = ({ data, loss }: RunConfig["options"]): string[] =>
  String(data).startsWith("module:") || !isUsualLoss(loss) ? ["--macs", "0.7"] : ["--max-drop", "1"];

/** What a program in Python runs the model by. */
function ship({ output, inputs = [] }: RunSummary): NextStep {
  const feeds = inputs.map(
    ({ name }, i) => `${JSON.stringify(name)}: ${inputs.length > 1 ? `input${i + 1}` : "batch"}`,
  );
  const forms = inputs.map(({ dtype, shape }) => `${dtype} [${(shape ?? ["..."]).join(", ")}]`);
  return {
    aim: "Use it, here in Python, with inputs prepared as for the run",
    text: [
      "import onnxruntime",
      `session = onnxruntime.InferenceSession(${JSON.stringify(output)})`,
      `outputs = session.run(None, {${feeds.join(", ")}})${forms.length > 0 ? `  # ${forms.join("; ")}` : ""}`,
    ].join("\n"),
  };
}
