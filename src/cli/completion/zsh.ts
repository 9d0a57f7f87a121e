/** Completion for zsh, by its _arguments. */

import { quoted } from "../../report/shell.ts";
import { briefly, everyCommand, type Completed, type CompletedCommand, type CompletedOption } from "./words.ts";

export function zshCompletion(name: string, program: CompletedCommand): string {
  return `#compdef ${name}
# zsh completion of ${name}: eval "$(${name} completion zsh)"
${everyCommand(program)
  .map((command) => functionOf(name, command))
  .join("\n")}
# As a file of fpath this is the function itself.
if [[ $funcstack[1] == _${name} ]]; then _${name} "$@"; else compdef _${name} ${name}; fi
`;
}

const functionName = (name: string, { path }: CompletedCommand): string => ["", name, ...path].join("_");

function functionOf(name: string, command: CompletedCommand): string {
  const specs = [...command.options.flatMap(optionSpecs), ...argumentSpecs(command)].map(
    (spec) => `    ${quoted(spec)}`,
  );
  if (command.commands.length === 0)
    return `${functionName(name, command)}() {\n  _arguments -s -S \\\n${specs.join(" \\\n")}\n}`;
  const described = command.commands.map(
    ({ path, description }) => `    ${quoted(`${path.at(-1)!}:${briefly(description)}`)}`,
  );
  const cases = command.commands.map((sub) => `        ${sub.path.at(-1)!}) ${functionName(name, sub)} ;;`);
  return `${functionName(name, command)}() {
  local curcontext="$curcontext" state line
  local -a commands=(
${described.join("\n")}
  )
  _arguments -C \\
${[...specs, `    '1: :->command'`, `    '*:: :->rest'`].join(" \\\n")}
  case $state in
    command) _describe -t commands command commands ;;
    rest)
      case $line[1] in
${cases.join("\n")}
      esac ;;
  esac
}`;
}

function optionSpecs({ long, short, description, value, valueIsOptional }: CompletedOption): string[] {
  const flags = [`--${long}`, ...(short === undefined ? [] : [`-${short}`])];
  const group = flags.length > 1 ? `(${flags.join(" ")})` : "";
  const told = `[${escaped(briefly(description))}]`;
  return flags.map((flag) => {
    if (value === undefined) return `${group}${flag}${told}`;
    // "=" after a long option: the value may be joined to it as well; a second colon: there may be none.
    const joined = flag.startsWith("--") ? "=" : "+";
    return `${group}${flag}${joined}${told}${valueIsOptional ? ":" : ""}:${long}:${action(value)}`;
  });
}

/** Where a command has commands of its own, these are its first argument. */
function argumentSpecs(command: CompletedCommand): string[] {
  if (command.commands.length > 0) return [];
  return command.arguments.map((value, i) => `${i + 1}:argument:${action(value)}`);
}

function action(value: Completed): string {
  if (value === "files") return "_files";
  return value === "anything" ? " " : `(${value.join(" ")})`;
}

const escaped = (text: string): string => text.replaceAll(/[[\]:\\]/g, String.raw`\$&`);
