/** Completion for bash, 3.2 of macOS too: no mapfile, no associative arrays. */

import { quoted } from "../../report/shell.ts";
import { everyCommand, type Completed, type CompletedCommand } from "./words.ts";

export function bashCompletion(name: string, program: CompletedCommand): string {
  const commands = everyCommand(program);
  const flags = (one: CompletedCommand): string[] =>
    one.options.flatMap(({ long, short }) => [`--${long}`, ...(short === undefined ? [] : [`-${short}`])]);
  const own = commands.map(
    (one) =>
      `    ${quoted(key(one))}) ` +
      `words=${quoted([...one.commands.map(({ path }) => path.at(-1)!), ...choices(one)].join(" "))}; ` +
      `flags=${quoted(flags(one).join(" "))} ;;`,
  );
  const values = commands.flatMap((one) =>
    one.options.flatMap(({ long, short, value, valueIsOptional }) => {
      if (value === undefined || valueIsOptional) return [];
      const patterns = [`--${long}`, ...(short === undefined ? [] : [`-${short}`])].map((flag) =>
        quoted(`${key(one)} ${flag}`),
      );
      return [`    ${patterns.join(" | ")}) ${fill(name, value)}; return ;;`];
    }),
  );
  const steps = commands.slice(1).map((one) => quoted(key(one)));
  return `# bash completion of ${name}: eval "$(${name} completion bash)"
_${name}_files() {
  compopt -o filenames 2>/dev/null
  local IFS=$'\\n'
  COMPREPLY=($(compgen -f -- "$1"))
}
_${name}() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" at=$((COMP_CWORD - 1)) command='' word words='' flags=''
  COMPREPLY=()
  # --option=value and kind:path come as three words.
  if [[ $cur == '=' || $cur == ':' ]]; then cur=''; at=$COMP_CWORD; fi
  if [[ \${COMP_WORDS[at]} == ':' ]]; then _${name}_files "$cur"; return; fi
  if [[ \${COMP_WORDS[at]} == '=' ]]; then at=$((at - 1)); fi
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "\${command:+$command/}$word" in
      ${steps.join(" | ")}) command="\${command:+$command/}$word" ;;
    esac
  done
  case "$command \${COMP_WORDS[at]}" in
${values.join("\n")}
  esac
  case "$command" in
${own.join("\n")}
  esac
  if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W "$flags" -- "$cur"))
  elif [[ -n $words ]]; then COMPREPLY=($(compgen -W "$words" -- "$cur"))
  else _${name}_files "$cur"
  fi
}
complete -F _${name} ${name}
`;
}

const key = ({ path }: CompletedCommand): string => path.join("/");

/** The words of the first argument, where these are all that it may be. */
const choices = ({ arguments: [first] }: CompletedCommand): readonly string[] =>
  Array.isArray(first) ? (first as readonly string[]) : [];

function fill(name: string, value: Completed): string {
  if (value === "files") return `_${name}_files "$cur"`;
  return value === "anything" ? ":" : `COMPREPLY=($(compgen -W ${quoted(value.join(" "))} -- "$cur"))`;
}
