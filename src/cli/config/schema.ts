/** What a configuration may hold: the options of the commands, as JSON Schema. */

import type { Command, Option } from "commander";
import { formOf, type JsonSchema } from "../forms.ts";

/** The section whose options every command takes that has them. */
export const everyCommand = "all";

/** The options of a command and of its own commands that a configuration can set, by their names in camelCase. */
export function optionsOf(command: Command): Map<string, Option> {
  const own = command.options
    .filter(({ hidden }) => !hidden)
    .map((option) => [option.attributeName(), option] as const);
  return new Map([...own, ...command.commands.flatMap((sub) => [...optionsOf(sub)])]);
}

/** The commands that a configuration can have a section of. */
export const configurable = (program: Command): readonly Command[] =>
  program.commands.filter((command) => optionsOf(command).size > 0 && !command.options.some(isOfConfiguration));

/** The command that shows configurations has none. */
const isOfConfiguration = (option: Option): boolean => option.long === "--schema";

/** Draft 7, which editors know. */
export function schemaOf(program: Command): JsonSchema {
  const sections = configurable(program).map((command) => [command.name(), section(command)] as const);
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "secateur.config.json",
    description: "Options of secateur's commands, by command. What stands on the command line wins.",
    ...object({
      $schema: { type: "string" },
      [everyCommand]: {
        description: "Options that every command takes that has them",
        ...object(merged(configurable(program))),
      },
      ...Object.fromEntries(sections),
    }),
  };
}

const object = (properties: Readonly<Record<string, JsonSchema>>): JsonSchema => ({
  type: "object",
  additionalProperties: false,
  properties,
});

const section = (command: Command): JsonSchema => ({
  description: command.description(),
  ...object(Object.fromEntries([...optionsOf(command)].map(([key, option]) => [key, schemaOfOption(option)]))),
});

function schemaOfOption(option: Option): JsonSchema {
  const { description, defaultValue, defaultValueDescription } = option;
  // A default that is told in words is another on every machine.
  const told = defaultValue === undefined || defaultValueDescription !== undefined ? {} : { default: defaultValue };
  return { description, ...formOf(option), ...told };
}

/** Options of one name may take other values in other commands. */
function merged(commands: readonly Command[]): Record<string, JsonSchema> {
  const forms = new Map<string, Map<string, JsonSchema>>();
  for (const command of commands)
    for (const [key, option] of optionsOf(command)) {
      const form = formOf(option);
      forms.set(key, (forms.get(key) ?? new Map<string, JsonSchema>()).set(JSON.stringify(form), form));
    }
  return Object.fromEntries(
    [...forms].map(([key, found]) => [
      key,
      found.size === 1 ? [...found.values()][0]! : { anyOf: [...found.values()] },
    ]),
  );
}
