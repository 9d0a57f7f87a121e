/** The kinds of values that options take. A kind that JSON cannot say tells in words what it takes. */

import { z } from "zod";
import type { Tensor } from "../graph/tensor.ts";

interface Words {
  /** What a kind takes. */
  readonly takes: string;
  /** What is wrong with a value at a place, where that is better said than by what the kind takes. */
  readonly problems?: (place: string, value: unknown) => readonly string[];
}

/** What a kind takes, in words. */
export const words = z.registry<Words>();

/** A kind for each option of an interface. */
export type KindsOf<T> = { readonly [K in keyof T]-?: z.ZodType<unknown, T[K] | undefined> };

/** Options by their names, as a function takes them. */
export type Kinds = Readonly<Record<string, z.ZodType>>;

type Inputs<S> = { readonly [K in keyof S]: z.input<S[K]> };
type Outputs<S> = { readonly [K in keyof S]: z.output<S[K]> };
type MayBeAbsent<T> = { [K in keyof T]: undefined extends T[K] ? K : never }[keyof T];
type Loose<T> = Partial<Pick<T, MayBeAbsent<T>>> & Omit<T, MayBeAbsent<T>>;

type Optional<S> = { readonly [K in keyof S]: S[K] extends z.ZodType ? z.ZodOptional<S[K]> : never };

/** The same kinds, each of which may be left out. */
export const optional = <S extends Kinds>(kinds: S): Optional<S> =>
  Object.fromEntries(Object.entries(kinds).map(([name, kind]) => [name, kind.optional()])) as Optional<S>;

/** What a caller gives: what has a default, or need not be there, may be left out. */
export type OptionsOf<S> = Loose<Inputs<S>>;
/** The same with the defaults filled in. */
export type SettledOf<S> = Loose<Outputs<S>>;

const custom = <T>(takes: string, is: (value: unknown) => boolean) => z.custom<T>(is).register(words, { takes });

/** An object of the program that has these functions. */
export const having = <T>(takes: string, ...functions: readonly string[]) =>
  custom<T>(
    takes,
    (value) =>
      typeof value === "object" &&
      value !== null &&
      functions.every((name) => typeof (value as Record<string, unknown>)[name] === "function"),
  );

export const tensor = custom<Tensor>("a tensor: { dtype, shape, data }", (value) => {
  const { dtype, shape, data } = (value ?? {}) as Partial<Tensor>;
  return typeof dtype === "string" && Array.isArray(shape) && data !== undefined;
});

export const bytes = custom<Uint8Array>("bytes: a Uint8Array", (value) => value instanceof Uint8Array);

export const callback = <F>() => custom<F>("a function", (value) => typeof value === "function");

const isMap = (value: unknown): value is ReadonlyMap<unknown, unknown> => value instanceof Map;

/** A Map from names to what passes a test. */
export const mapOf = <V>(takes: string, is: (value: unknown) => boolean) =>
  custom<ReadonlyMap<string, V>>(takes, (value) => isMap(value) && [...value.values()].every(is));

export const count = z.int().min(1);
export const countOrNone = z.int().min(0);
export const auto = z.literal("auto");
export const countOrAuto = z.union([auto, count]);
export const positive = z.number().positive();
export const notNegative = z.number().min(0);
export const share = z.number().min(0).max(1);
export const shape = z.array(z.int().min(0)).readonly();

const isWrapper = (schema: z.core.$ZodType): schema is z.ZodOptional | z.ZodDefault | z.ZodReadonly =>
  schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodReadonly;

/** A schema without what says that it may be left out. */
export const bare = (schema: z.core.$ZodType): z.core.$ZodType => (isWrapper(schema) ? bare(schema.unwrap()) : schema);

/** What help says of it. */
export const helpOf = (schema: z.core.$ZodType): string | undefined =>
  (schema as z.ZodType).description ?? (isWrapper(schema) ? helpOf(schema.unwrap()) : undefined);

/** What stands where nothing is given. */
export function defaultOf(schema: z.core.$ZodType): unknown {
  if (schema instanceof z.ZodDefault) return schema.def.defaultValue;
  return schema instanceof z.ZodOptional ? defaultOf(schema.unwrap()) : undefined;
}

interface Form {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly exclusiveMaximum?: number;
  readonly items?: Form;
  readonly anyOf?: readonly Form[];
}

/** JSON Schema without the bounds that every whole number has. */
export function formOf(schema: z.core.$ZodType): Readonly<Record<string, unknown>> {
  const { $schema: _, ...form } = z.toJSONSchema(schema, {
    target: "draft-7",
    unrepresentable: "any",
    io: "input",
    override({ jsonSchema }) {
      delete jsonSchema.readOnly;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
    },
  });
  return form;
}

/** What an option takes: "a whole number from 1 to 256". */
export const expected = (schema: z.core.$ZodType): string => either(alternatives(bare(schema)));

function alternatives(kind: z.core.$ZodType): string[] {
  const told = words.get(kind)?.takes;
  if (told !== undefined) return [told];
  if (kind instanceof z.ZodUnion) return kind.options.flatMap((option) => alternatives(bare(option)));
  const form: Form = formOf(kind);
  return form.enum ? form.enum.map((value) => JSON.stringify(value)) : [inWords(form)];
}

const named: Readonly<Record<string, readonly [one: string, several: string]>> = {
  number: ["a number", "numbers"],
  integer: ["a whole number", "whole numbers"],
  string: ["a text", "texts"],
  boolean: ["true or false", "true or false"],
  object: ["an object of options", "objects"],
};

/** a, b or c */
const either = (all: readonly string[]): string =>
  all.length < 2 ? all.join("") : `${all.slice(0, -1).join(", ")} or ${all.at(-1)}`;

function inWords(form: Form, several = false): string {
  if (form.const !== undefined) return JSON.stringify(form.const);
  if (form.type === "array") return `a list of ${inWords(form.items ?? {}, true)}`;
  return `${named[form.type ?? ""]?.[several ? 1 : 0] ?? "something else"}${bounds(form)}`;
}

function bounds({ minimum, exclusiveMinimum, maximum, exclusiveMaximum }: Form): string {
  const from = exclusiveMinimum === undefined ? minimum : exclusiveMinimum;
  const low = from === undefined ? "" : exclusiveMinimum === undefined ? ` from ${from}` : ` above ${from}`;
  if (maximum !== undefined) return `${low} to ${maximum}`;
  return exclusiveMaximum === undefined ? low : `${low}${low === "" ? "" : " and"} below ${exclusiveMaximum}`;
}

/** A value as messages show it: no more of it than tells what it is. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}...` : value);
  if (Array.isArray(value)) return `[${value.slice(0, 6).map(shown).join(", ")}${value.length > 6 ? ", ..." : ""}]`;
  if (typeof value === "object" && value !== null) return value instanceof Map ? "a Map" : "an object";
  return typeof value === "function" ? "a function" : String(value);
}
