/** secateur completion: what makes a shell complete commands, options and their values. */

import type { Command } from "commander";
import { bashCompletion } from "../completion/bash.ts";
import { fishCompletion } from "../completion/fish.ts";
import { completedOf } from "../completion/words.ts";
import { zshCompletion } from "../completion/zsh.ts";
import type { Commands } from "../context.ts";
import { describeArgument, withExample } from "../help.ts";
import { print } from "../output.ts";

const shells = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };

function defineCompletion(command: Command): void {
  const program = command.parent!;
  describeArgument(command, 0, "the shell", Object.keys(shells));
  withExample(
    command,
    'eval "$(secateur completion bash)"',
    'eval "$(secateur completion zsh)"',
    "secateur completion fish | source",
  ).action((shell: keyof typeof shells) => print(shells[shell](program.name(), completedOf(program)).trimEnd()));
}

export const commands: Commands = { completion: defineCompletion };
