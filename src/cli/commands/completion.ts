/** secateur completion: what makes a shell complete commands, options and their values. */

import { Argument, type Command } from "commander";
import { bashCompletion } from "../completion/bash.ts";
import { fishCompletion } from "../completion/fish.ts";
import { completedOf } from "../completion/words.ts";
import { zshCompletion } from "../completion/zsh.ts";
import { withExample } from "../help.ts";
import { print } from "../output.ts";

const shells = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };

export function addCompletion(program: Command): void {
  withExample(
    program.command("completion"),
    'eval "$(secateur completion bash)"',
    'eval "$(secateur completion zsh)"',
    "secateur completion fish | source",
  )
    .description("print a script that makes a shell complete commands and options")
    .addArgument(new Argument("<shell>", "the shell").choices(Object.keys(shells)))
    .action((shell: keyof typeof shells) => print(shells[shell](program.name(), completedOf(program)).trimEnd()));
}
