/** What values options take, said as JSON Schema, for configurations and shells. */

import type { Option } from "commander";

export type JsonSchema = Readonly<Record<string, unknown>>;

const forms = new WeakMap<object, JsonSchema>();

/** A parser that says what it takes. */
export function withForm<T extends object>(parser: T, form: JsonSchema): T {
  forms.set(parser, form);
  return parser;
}

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
