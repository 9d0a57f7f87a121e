/** secateur config: the schema of configurations, and what one amounts to. */

import type { Command } from "commander";
import { fail } from "../../graph/error.ts";
import { readConfiguration } from "../config/read.ts";
import { configure } from "../config/apply.ts";
import { configurable, optionsOf, schemaOf } from "../config/schema.ts";
import type { Commands } from "../context.ts";
import { describeArgument, withExample } from "../help.ts";
import { printJson } from "../output.ts";

function defineConfig(command: Command): void {
  const program = command.parent!;
  const names = configurable(program).map((one) => one.name());
  describeArgument(command, 0, "the command", names);
  describeArgument(command, 1, "flags of the command, which win over the configuration");
  withExample(command, "secateur config --schema > secateur.schema.json", "secateur config prune --macs 0.5")
    .option("--schema", "print the JSON Schema of configurations")
    .allowUnknownOption()
    .action(async (name: string | undefined, words: string[], { schema }: { schema?: boolean }) => {
      if (schema) printJson(schemaOf(program));
      else await resolve(program, name, words);
    });
}

async function resolve(program: Command, name: string | undefined, words: readonly string[]): Promise<void> {
  const command =
    configurable(program).find((one) => one.name() === name) ??
    fail("bad-option", "name the command whose options are to be shown, or ask for --schema");
  const configuration = await readConfiguration(
    program.getOptionValue("config") as string | false | undefined,
    process.cwd(),
  );
  if (configuration) configure(program, command, configuration);
  const { unknown } = command.parseOptions([...words]);
  if (unknown.length > 0) fail("bad-option", `"${command.name()}" has no option ${unknown[0]}`);
  printJson({
    ...(configuration && { file: configuration.file }),
    options: Object.fromEntries(
      [...optionsOf(command).keys()]
        .filter((key) => command.getOptionValue(key) !== undefined)
        .map((key) => [key, { value: command.getOptionValue(key), source: command.getOptionValueSource(key) }]),
    ),
  });
}

export const commands: Commands = { config: defineConfig };
