/**
 * Options as they were given, held against the table: unknown names, wrong types and impossible
 * values are refused, all in one error.
 */

import { z } from "zod";
import { fail } from "../graph/error.ts";
import type { Model } from "../graph/graph.ts";
import { bare, defaultOf, expected, shown, words, type Kinds, type OptionsOf, type SettledOf } from "./kinds.ts";
import { nearest } from "./suggest.ts";

/**
 * Says what a function takes.
 *
 * @returns what checks the options of a call, and its models, and fills in what the table says where nothing is given
 */
export const takes =
  <S extends Kinds>(verb: string, kinds: S) =>
  (given: OptionsOf<S>, ...models: readonly Model[]): SettledOf<S> => {
    for (const model of models) refuseOtherThanModel(verb, model);
    refuse(verb, z.strictObject(kinds), given);
    const values = new Map<string, unknown>(Object.entries(given));
    const settled = Object.entries(kinds).map(([name, kind]) => [name, values.get(name) ?? defaultOf(kind)] as const);
    return Object.fromEntries(settled.filter(([, value]) => value !== undefined)) as SettledOf<S>;
  };

/** Refuses what is no model, as the path of its file. */
function refuseOtherThanModel(verb: string, model: unknown): asserts model is Model {
  const graph = (model as Partial<Model> | null | undefined)?.graph;
  if (!Array.isArray(graph?.nodes))
    fail("bad-option", `${verb} takes a model, as load gives it, and not ${shown(model)}`);
}

function refuse(verb: string, table: z.ZodObject, given: unknown): void {
  if (typeof given !== "object" || given === null)
    fail("bad-option", `${verb} takes an object of options, and not ${shown(given)}`);
  const { error } = table.safeParse(given);
  if (error) fail("bad-option", `${verb}: ${problems(verb, table, given, error.issues).join("; ")}`);
}

type Path = readonly PropertyKey[];

function problems(verb: string, table: z.ZodObject, given: object, issues: readonly z.core.$ZodIssue[]): string[] {
  const told = new Set<PropertyKey>();
  return issues.flatMap((issue) => {
    const [first] = issue.path;
    const own = first === undefined ? undefined : words.get(bare(table.shape[String(first)]!))?.problems;
    if (own && first !== undefined) {
      if (told.has(first)) return [];
      told.add(first);
      return own(String(first), at(given, [first]));
    }
    if (issue.code === "unrecognized_keys")
      return issue.keys.map((key) => unknown(verb, table, [...issue.path, key], given));
    if (issue.code === "invalid_union") {
      const inside = issue.errors.find((errors) => errors.length > 0 && errors.every(isInside));
      const deeper = inside?.map((one) => ({ ...one, path: [...issue.path, ...one.path] }) as z.core.$ZodIssue);
      if (deeper) return problems(verb, table, given, deeper);
    }
    const value = at(given, issue.path);
    const what = `${nameOf(issue.path)} is ${value === undefined ? "missing" : shown(value)}`;
    return `${what}, it must be ${expected(kindAt(table, issue.path, given))}`;
  });
}

/** Whether an issue is of something in the value, and not of the value itself. */
const isInside = ({ code, path }: z.core.$ZodIssue): boolean => path.length > 0 || code === "unrecognized_keys";

function unknown(verb: string, table: z.ZodObject, path: Path, given: object): string {
  const place = path.slice(0, -1);
  const [name, word] = [nameOf(path), String(path.at(-1))];
  const here = Object.keys(kindsOf(kindAt(table, place, given), at(given, place)));
  const elsewhere = pathsOf(table).find((other) => other.endsWith(`.${word}`) && other !== name);
  const near = nearest(word, here);
  const meant = elsewhere ?? (near === undefined ? undefined : nameOf([...place, near]));
  const list = `${place.length === 0 ? verb : nameOf(place)} takes ${here.join(", ")}`;
  return `there is no option ${name} (${meant === undefined ? "" : `did you mean ${meant}? `}${list})`;
}

/** The names of all options, those within options too. */
const pathsOf = (kind: z.core.$ZodType, prefix = ""): string[] =>
  Object.entries(kindsOf(kind)).flatMap(([name, inner]) => [
    `${prefix}${name}`,
    ...pathsOf(inner, `${prefix}${name}.`),
  ]);

/** The options of an object of options; those of one of several that tell themselves apart by their kind. */
function kindsOf(schema: z.core.$ZodType, value?: unknown): Readonly<Record<string, z.core.$ZodType>> {
  const kind = bare(schema);
  if (kind instanceof z.ZodObject) return kind.shape;
  if (!(kind instanceof z.ZodUnion)) return {};
  // Without a value there is none that says its kind: options of options of one of several are not told.
  const several = value === undefined ? kind.options : kind.options.flatMap(optionsOf);
  const objects = several.map(bare).filter((option) => option instanceof z.ZodObject);
  const named = (value as { readonly kind?: unknown } | undefined)?.kind;
  const chosen = objects.find(({ shape }) => shape["kind"] && z.safeParse(shape["kind"], named).success);
  const kinds = objects.flatMap(({ shape }) => shape["kind"] ?? []);
  return chosen?.shape ?? { ...objects[0]?.shape, ...(kinds.length > 0 && { kind: z.union(kinds) }) };
}

/** What a kind can be, also where it is one of several within several. */
const optionsOf = (kind: z.core.$ZodType): readonly z.core.$ZodType[] =>
  kind instanceof z.ZodUnion ? kind.options.flatMap(optionsOf) : [kind];

/** The kind of an option of options. */
function kindAt(schema: z.core.$ZodType, [first, ...rest]: Path, value: unknown): z.core.$ZodType {
  if (first === undefined) return schema;
  const kind = bare(schema);
  const inner = kind instanceof z.ZodArray ? kind.element : kind instanceof z.ZodRecord ? kind.valueType : undefined;
  return kindAt(inner ?? kindsOf(kind, value)[String(first)] ?? z.unknown(), rest, at(value, [first]));
}

const at = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>((now, key) => (now as Readonly<Record<PropertyKey, unknown>> | undefined)?.[key], value);

const nameOf = (path: Path): string =>
  path.map((key, i) => (typeof key === "number" ? `[${key}]` : `${i === 0 ? "" : "."}${String(key)}`)).join("");
