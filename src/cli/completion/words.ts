/**
 * What can be completed, from the definitions of the commands. The scripts are ours: @bomb.sh/tab completes no files,
 * and starts the program at every key.
 */

import type { Argument, Command, Option } from "commander";

/** What may stand in a place: some words, files, or what only the user knows. */
export type Completed = readonly string[] | "files" | "anything";

export interface CompletedOption {
  readonly long: string;
  /** One letter. */
  readonly short?: string;
  readonly description: string;
  /** Absent for switches. */
  readonly value?: Completed;
  readonly valueIsOptional: boolean;
}

export interface CompletedCommand {
  /** The words that lead to it, without the program's name. */
  readonly path: readonly string[];
  readonly description: string;
  readonly options: readonly CompletedOption[];
  readonly commands: readonly CompletedCommand[];
  /** What each of its arguments may be. */
  readonly arguments: readonly Completed[];
}

/** Placeholders behind which there is a path. */
const paths = new Set(["file", "dir", "model", "before", "after", "spec"]);

export function completedOf(
  command: Command,
  path: readonly string[] = [],
  inherited: readonly CompletedOption[] = [],
): CompletedCommand {
  const help = command.createHelp();
  const own = [...command.options.filter(({ hidden }) => !hidden), ...help.visibleOptions(command).slice(-1)].map(
    optionOf,
  );
  // Those of the program are read behind a command too; the version and help are each command's own affair.
  const handed = [...inherited, ...own].filter(({ long }) => long !== "version" && long !== "help");
  return {
    path,
    description: command.description(),
    options: [...own, ...inherited],
    commands: help.visibleCommands(command).map((sub) => completedOf(sub, [...path, sub.name()], handed)),
    arguments: command.registeredArguments.map(argumentOf),
  };
}

function optionOf(option: Option): CompletedOption {
  const { flags, long, short, description, argChoices, optional, required } = option;
  const placeholder = /[<[](.+?)[\]>]/.exec(flags)?.[1] ?? "";
  return {
    long: long!.slice(2),
    ...(short !== undefined && { short: short.slice(1) }),
    description,
    ...((required || optional) && { value: argChoices ?? (paths.has(placeholder) ? "files" : "anything") }),
    valueIsOptional: optional,
  };
}

const argumentOf = (argument: Argument): Completed =>
  argument.argChoices ?? (paths.has(argument.name()) ? "files" : "anything");

/** A command and all below it. */
export const everyCommand = (command: CompletedCommand): CompletedCommand[] => [
  command,
  ...command.commands.flatMap(everyCommand),
];

/** One line, and no longer than a list of completions can show. */
export function briefly(text: string): string {
  const [first] = text.split(/[;:] /);
  return first!.length <= 72 ? first! : `${first!.slice(0, 71).trimEnd()}…`;
}
