/** From a configuration to the options of a command: below the command line, above the defaults. */

import { type Command, InvalidArgumentError, type Option } from "commander";
import { fail } from "../../graph/error.ts";
import { nearest } from "../../options/suggest.ts";
import { formOf, wholeOf, withForm } from "../forms.ts";
import { isRecord, type Configuration } from "./read.ts";
import { configurable, everyCommand, optionsOf } from "./schema.ts";

/** Gives a command what the configuration says of it, before its own words are read. */
export function configure(program: Command, command: Command, { file, sections }: Configuration): void {
  check(program, { file, sections });
  const top = topOf(program, command);
  const given = new Set<Option>();
  for (const name of [everyCommand, top.name()])
    for (const [key, value] of Object.entries((sections[name] ?? {}) as Record<string, unknown>))
      for (const each of within(command)) {
        const option = each.options.find((one) => !one.hidden && one.attributeName() === key);
        if (!option) continue;
        each.setOptionValueWithSource(key, read(`${file}: ${name}.${key}`, option, value), "config");
        given.add(option);
      }
  for (const option of given) replaceable(option);
}

/** What is repeated on the command line takes the place of what the file says, and is not added to it. */
function replaceable(option: Option): void {
  const { parseArg, defaultValue } = option;
  if (!parseArg) return;
  let isFirst = true;
  const anew = (text: string, known: unknown): unknown => {
    const before = isFirst ? defaultValue : known;
    isFirst = false;
    return parseArg(text, before as never);
  };
  option.argParser(withForm(anew, formOf(option)));
}

const topOf = (program: Command, command: Command): Command =>
  command.parent === null || command.parent === program ? command : topOf(program, command.parent);

const within = (command: Command): Command[] => [command, ...command.commands.flatMap(within)];

/** Refuses what no command would ever read. */
function check(program: Command, { file, sections }: Configuration): void {
  const commands = new Map(configurable(program).map((command) => [command.name(), optionsOf(command)]));
  const all = new Map([...commands.values()].flatMap((options) => Array.from(options)));
  for (const [name, section] of Object.entries(sections)) {
    if (name === "$schema") continue;
    const options = name === everyCommand ? all : commands.get(name);
    if (options === undefined)
      fail("bad-option", `${file}: there is no command "${name}"${suggest(name, [...commands.keys(), everyCommand])}`);
    if (!isRecord(section)) fail("bad-option", `${file}: "${name}" must be an object of options`);
    for (const key of Object.keys(section))
      if (!options.has(key))
        fail(
          "bad-option",
          `${file}: ${name === everyCommand ? "no command has" : `"${name}" has no`} option ` +
            `"${key}"${suggest(key, [...options.keys()])}`,
        );
  }
}

function suggest(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  return near === undefined ? "" : ` (Did you mean "${near}"?)`;
}

/** The value as the option itself would have read it from the command line. */
function read(where: string, option: Option, value: unknown): unknown {
  const refuse = (what: string): never => fail("bad-option", `${where} is ${JSON.stringify(value)}. ${what}`);
  if (option.isBoolean() || option.negate)
    return typeof value === "boolean" ? value : refuse("It must be true or false.");
  if (option.optional && typeof value === "boolean") return value || undefined;
  const reading = <T>(run: () => T): T => {
    try {
      return run();
    } catch (error) {
      if (error instanceof InvalidArgumentError) refuse(error.message);
      throw error;
    }
  };
  const texts = textsOf(value);
  const whole = wholeOf(option);
  if (texts === undefined && whole && typeof value === "object" && value !== null) return reading(() => whole(value));
  let parsed: unknown;
  for (const text of texts ?? refuse("It must be a text, a number, or a list of these."))
    parsed = option.parseArg ? reading(() => option.parseArg!(text, parsed as never)) : text;
  return parsed;
}

/**
 * What would stand on the command line: numbers are one value with commas between them,
 * texts an option that is given again.
 */
function textsOf(value: unknown): readonly string[] | undefined {
  const values = Array.isArray(value) ? value : [value];
  if (values.length === 0 || !values.every((one) => typeof one === "string" || typeof one === "number"))
    return undefined;
  return values.every((one) => typeof one === "number") ? [values.join(",")] : values.map(String);
}
