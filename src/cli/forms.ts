/** What values options take, said as JSON Schema, for configurations and shells. */

import type { Option } from "commander";

export type JsonSchema = Readonly<Record<string, unknown>>;

const forms = new WeakMap<object, JsonSchema>();

/** A parser that says what it takes. */
export function withForm<T extends object>(parser: T, form: JsonSchema): T {
  forms.set(parser, form);
  return parser;
}

const wholes = new WeakMap<object, (value: unknown) => unknown>();

/**
 * A parser of an option that a configuration may also say as an object.
 *
 * @param read gives the value of the object, and throws commander's error for what is none
 */
export function withWhole<T extends object>(parser: T, read: (value: unknown) => unknown): T {
  wholes.set(parser, read);
  return parser;
}

/** What reads the object that stands for the value of an option, where one can. */
export const wholeOf = ({ parseArg }: Option): ((value: unknown) => unknown) | undefined =>
  parseArg && wholes.get(parseArg);

const scalar: JsonSchema = { type: ["string", "number"] };
/** What a parser takes that says nothing: a value, or several for an option that is given several times. */
const anything: JsonSchema = { anyOf: [scalar, { type: "array", items: scalar }] };

/** The JSON that stands for the value of an option. */
export function formOf(option: Option): JsonSchema {
  if (option.isBoolean() || option.negate) return { type: "boolean" };
  const value = valueFormOf(option);
  return option.optional ? { anyOf: [{ type: "boolean" }, value] } : value;
}

function valueFormOf({ argChoices, parseArg }: Option): JsonSchema {
  if (argChoices) return { enum: argChoices };
  return parseArg ? (forms.get(parseArg) ?? anything) : { type: "string" };
}
