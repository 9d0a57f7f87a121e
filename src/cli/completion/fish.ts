/** Completion for fish: a line for each option and command. */

import { quoted } from "../../report/shell.ts";
import { briefly, type Completed, type CompletedCommand } from "./words.ts";

export function fishCompletion(name: string, program: CompletedCommand): string {
  return `# fish completion of ${name}: ${name} completion fish | source
complete -c ${name} -f
${linesOf(name, program).join("\n")}
`;
}

function linesOf(name: string, command: CompletedCommand): string[] {
  const add = (condition: string, rest: string): string =>
    `complete -c ${name}${condition === "" ? "" : ` -n ${quoted(condition)}`} ${rest}`;
  const names = command.commands.map(({ path }) => path.at(-1)!);
  const before = names.length > 0 ? `not __fish_seen_subcommand_from ${names.join(" ")}` : "";
  const here = command.path.map((word) => `__fish_seen_subcommand_from ${word}`).join("; and ");
  const both = [here, before].filter((part) => part !== "").join("; and ");
  const [first] = command.arguments;
  return [
    ...command.commands.map(({ path, description }) =>
      add(both, `-a ${quoted(path.at(-1)!)} -d ${quoted(briefly(description))}`),
    ),
    ...(first === undefined || names.length > 0 ? [] : [add(here, argumentsOf(first))]),
    ...command.options.map(({ long, short, description, value, valueIsOptional }) =>
      add(
        both,
        [
          `-l ${quoted(long)}`,
          ...(short === undefined ? [] : [`-s ${quoted(short)}`]),
          ...(value === undefined || valueIsOptional ? [] : [`-r ${argumentsOf(value)}`]),
          `-d ${quoted(briefly(description))}`,
        ].join(" "),
      ),
    ),
    ...command.commands.flatMap((sub) => linesOf(name, sub)),
  ];
}

function argumentsOf(value: Completed): string {
  if (value === "files") return "-F";
  return value === "anything" ? "-f" : `-f -a ${quoted(value.join(" "))}`;
}
