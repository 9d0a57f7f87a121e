/**
 * Flags of the command line, made from the table of options: what they are called, take,
 * default to, and how their text is read.
 */

import { type Command, InvalidArgumentError, Option } from "commander";
import { z } from "zod";
import { bare, defaultOf, expected, formOf, helpOf, type Kinds } from "../../options/kinds.ts";
import { withForm, type JsonSchema } from "../forms.ts";
import { leaveToLongHelp } from "../help.ts";

/** The groups of help. */
export type Heading = "Budget" | "Data" | "Learning" | "Importance" | "Measuring" | "Machine" | "Output" | "Model";

export type Reader = (text: string, known: never) => unknown;

/**
 * The flag of an option.
 *
 * @param flags as commander takes them: "--epochs <n>"
 * @param read reads what is no number, word, or list of these
 */
export function flag(flags: string, kind: z.ZodType, read?: Reader): Option {
  const inner = bare(kind);
  const option = new Option(flags, helpOf(kind));
  const value = defaultOf(kind);
  if (read) option.argParser(read as never);
  else if (inner instanceof z.ZodEnum) option.choices(inner.options.map(String));
  else if (!option.isBoolean() && !option.negate && !(inner instanceof z.ZodString))
    option.argParser(readerOf(kind) as never);
  if (value !== undefined && !option.negate) option.default(value);
  return option;
}

/** The flags of a table of options: with `{ warmUp: "<steps>" }`, `--warm-up <steps>`. */
export const flagsOf = <S extends Kinds>(kinds: S, named: { readonly [K in keyof S]?: string }): Option[] =>
  Object.entries(named).map(([key, value]) =>
    flag(`--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} ${value}`.trim(), kinds[key]!),
  );

/** Those flags that are options of a function under the same name. */
export const handed = <F extends object, S extends Kinds>(flags: F, kinds: S): Pick<F, keyof F & keyof S> => {
  const given = new Map(Object.entries(flags));
  return Object.fromEntries(Object.keys(kinds).map((key) => [key, given.get(key)])) as Pick<F, keyof F & keyof S>;
};

/** Gives a command options under a heading of its help; the long help shows `more` besides. */
export function withGroup(
  command: Command,
  heading: Heading,
  common: readonly Option[],
  more: readonly Option[] = [],
): Command {
  for (const option of more) leaveToLongHelp(option);
  for (const option of [...common, ...more]) command.addOption(option.helpGroup(`${heading}:`));
  return command;
}

/** Reads a number, a word, or a list, as the kind has it. */
function readerOf(kind: z.ZodType): (text: string, known?: readonly string[]) => unknown {
  const inner = bare(kind);
  const refuse = (more = ""): never => {
    throw new InvalidArgumentError(`It must be ${expected(kind).replaceAll('"', "")}${more}.`);
  };
  if (inner instanceof z.ZodArray) {
    // Numbers stand in one text; texts come one by one.
    if (bare(inner.element) instanceof z.ZodString)
      return withForm((text: string, known: readonly string[] = []) => [...known, text], listed(formOf(inner)));
    const read = (text: string): unknown => {
      const { success, data } = z.safeParse(inner, text.split(",").map(valueOf));
      return success ? data : refuse(", with commas between them");
    };
    return withForm(read, listed(formOf(inner)));
  }
  const read = (text: string): unknown => {
    const { success, data } = z.safeParse(inner, valueOf(text));
    return success ? data : refuse();
  };
  return withForm(read, formOf(inner));
}

const valueOf = (text: string): number | string =>
  text.trim() === "" || Number.isNaN(Number(text)) ? text : Number(text);

/** A list may be one value in a configuration. */
const listed = (form: JsonSchema): JsonSchema => ({ anyOf: [form, ...(form["items"] ? [form["items"]] : [])] });

/** Leaves options of a command to the long help. */
export function makeRare(command: Command, ...names: readonly string[]): Command {
  for (const option of command.options) if (names.includes(option.attributeName())) leaveToLongHelp(option);
  return command;
}

/** What every command has that prints JSON. */
export const json = (help: string): Option => flag("--json", z.boolean().describe(help));
/** What is written. */
export const output = (help: string): Option => flag("-o, --output <file>", z.string().describe(help));
