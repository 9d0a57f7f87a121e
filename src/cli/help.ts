/** What --help says: options in groups, the most needed first, and command lines that can be copied. */

import { Help, Option, type Command, type HelpConfiguration } from "commander";
import pc from "picocolors";

/** Options that only the long help shows. */
const rare = new WeakSet<Option>();
export const leaveToLongHelp = (option: Option): void => void rare.add(option);
export const isRare = (option: Option): boolean => rare.has(option);

/** In the order in which people need them. */
const headings = ["Options", "Budget", "Data", "Learning", "Model", "Importance", "Measuring", "Machine", "Output"];

/** More choices than this are no help at a glance. */
const mostChoices = 5;

/** @param all whether options are shown that few people need */
export const helpStyle = (all: boolean): HelpConfiguration => ({
  styleTitle: (title) => pc.createColors(true).bold(title),
  visibleOptions(command) {
    const visible = Help.prototype.visibleOptions.call(this, command);
    return all ? visible : visible.filter((option) => !rare.has(option));
  },
  groupItems(all, visible, group) {
    const rank = (heading: string): number => headings.indexOf(heading.slice(0, -1));
    const groups = Help.prototype.groupItems.call(this, all as never, visible as never, group as never);
    return new Map([...groups].sort(([a], [b]) => rank(a) - rank(b))) as never;
  },
  subcommandTerm: (command) =>
    [
      command.name(),
      ...command.registeredArguments.map((one) => (one.required ? `<${one.name()}>` : `[${one.name()}]`)),
    ].join(" "),
  optionDescription({ description, argChoices, defaultValue, defaultValueDescription, required, optional }) {
    const value = defaultValueDescription ?? String(defaultValue);
    if (argChoices && argChoices.length <= mostChoices)
      return `${description}: ${argChoices.map((one) => (one === defaultValue ? `${one} (default)` : one)).join(", ")}`;
    return defaultValue === undefined || !(required || optional) ? description : `${description} (default: ${value})`;
  },
});

/** `--help`, and all of it. */
export const helpOption = (heading: string): Option =>
  new Option("-h, --help [all]", "print this; with all, every option").helpGroup(`${heading}:`);

/** Command lines that can be copied; they are tried by a test. */
export const withExample = (command: Command, ...lines: readonly string[]): Command =>
  command
    .addHelpText("after", `\nExample:\n${lines.map((line) => `  ${line}`).join("\n")}`)
    .addHelpText("after", hidden);

/** Says that there is more, where there is. */
function hidden({ command }: { readonly command: Command }): string {
  const shown = new Set(command.createHelp().visibleOptions(command));
  const more = command.options.filter((option) => rare.has(option) && !shown.has(option)).length;
  return more === 0 ? "" : `\n${more} more options: secateur ${command.name()} --help all`;
}

/** Says what an argument of a command is. */
export function describeArgument(command: Command, at: number, text: string, choices?: readonly string[]): void {
  const argument = command.registeredArguments[at]!;
  argument.description = text;
  if (choices) argument.choices(choices);
}

/** What people do first. */
export const examples = `
Examples:
  secateur prune model.onnx --data folder:pets --max-drop 1 -o small.onnx
  secateur inspect model.onnx
  secateur compare model.onnx small.onnx --data folder:pets --latency`;

export const exitCodes = `
Exit codes:
  0    done
  1    a budget or a gate was not met, or a proof failed
  2    bad input: a file, an option or data that cannot be worked with
  130  interrupted; nothing was written`;
