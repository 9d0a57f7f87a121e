/** Lists of classes in the order of a model's outputs, and data whose classes are found in one by their names. */

import { fail, option } from "../graph/error.ts";
import type { Batch, Dataset } from "./batches.ts";
import { cifarClassNames } from "./cifar10.ts";
import { classIds } from "./targets.ts";

/** The classes in order, each with all names that it goes by; the first is shown. */
export interface ClassList {
  /** A built-in list's own, else where the list comes from. */
  readonly name: string;
  readonly classes: readonly (readonly string[])[];
}

/** Lists that are there by name; `numbers` is for classes that are called by the number of their output. */
export const builtInLists = ["imagenet", "imagenet-1001", "cifar10", "numbers"] as const;
export type BuiltInList = (typeof builtInLists)[number];

export const isBuiltInList = (name: string): name is BuiltInList => (builtInLists as readonly string[]).includes(name);

const moreOfCifar: Readonly<Record<string, readonly string[]>> = {
  airplane: ["plane", "aeroplane"],
  automobile: ["car"],
};

/**
 * A list by its name.
 *
 * @param labels names that numbers are read from
 */
export async function builtInList(name: BuiltInList, labels: readonly string[] = []): Promise<ClassList> {
  if (name === "cifar10") return { name, classes: cifarClassNames.map((one) => [one, ...(moreOfCifar[one] ?? [])]) };
  if (name === "numbers") {
    const most = labels.reduce((most, label) => (isNumber(label) ? Math.max(most, Number(label)) : most), 0);
    return { name, classes: Array.from({ length: most + 1 }, (_, i) => [String(i)]) };
  }
  const { imagenetClasses } = await import("./imagenet.ts");
  const classes = imagenetClasses
    .trim()
    .split(/[\n;]/)
    .map((line) => namesOf(`n${line}`));
  // TensorFlow's nets have an output for what is none of them, in front of all.
  return { name, classes: name === "imagenet" ? classes : [["background"], ...classes] };
}

const isNumber = (label: string): boolean => /^\d{1,7}$/.test(label);

const isId = (name: string): boolean => /^n\d{8}$/.test(name);

/** The names in a line: `tench`, `tench, Tinca tinca` or `n01440764 tench, Tinca tinca`. */
function namesOf(line: string): string[] {
  const [, id, rest] = /^(n\d{8})\s+(.*)$/.exec(line) ?? [undefined, undefined, line];
  const names = rest.split(",").map((name) => name.trim());
  return [...new Set([...names, rest, ...(id === undefined ? [] : [id])])].filter((name) => name !== "");
}

/**
 * A list from text: one class a line; a JSON list; or a JSON or Python object by the number of the
 * output, as Keras and Ultralytics have it.
 *
 * @throws SecateurError `bad-data` where it is none of these, or has a class without a name
 */
export function parseClasses(text: string, name: string): ClassList {
  const given = text.trim();
  const classes = /^[[{]/.test(given)
    ? readObject(given, name)
    : given.split(/\r?\n/).map((line) => namesOf(line.trim()));
  const nameless = classes.findIndex((names) => names.length === 0);
  if (given === "" || nameless >= 0)
    fail("bad-data", `${name}: class ${Math.max(0, nameless)} has no name; give one name a line, or a JSON list`);
  return { name, classes };
}

function readObject(text: string, name: string): string[][] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = readPython(text) ?? fail("bad-data", `${name} is no JSON: give a list of names, or one name a line`);
  }
  const entries = Array.isArray(value) ? value : inOrder(value as Readonly<Record<string, unknown>>, name);
  return entries.map((entry) => {
    const names: unknown[] = Array.isArray(entry) ? entry : [entry];
    return names.flatMap((one) => (typeof one === "string" ? namesOf(one) : []));
  });
}

/** What Python prints for a dictionary from numbers to names, or for a list of names. */
function readPython(text: string): Readonly<Record<string, string>> | undefined {
  const found = [...text.matchAll(/(?:(\d+)\s*:\s*)?(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")/g)];
  const entries = found.map(([, key, one, other], i) => [key ?? String(i), (one ?? other)!.replaceAll(/\\(.)/g, "$1")]);
  return entries.length === 0 ? undefined : (Object.fromEntries(entries) as Record<string, string>);
}

function inOrder(object: Readonly<Record<string, unknown>>, name: string): unknown[] {
  const { length } = Object.keys(object);
  return Array.from(
    { length },
    (_, i) => object[i] ?? fail("bad-data", `${name} has ${length} classes but none of number ${i}`),
  );
}

/** A name as it is compared: without case, marks and whatever else stands between words. */
const plainName = (name: string): string =>
  name
    .normalize("NFKD")
    .replaceAll(/\p{M}/gu, "")
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, " ")
    .trim();

/** Where each label stands in a list; a label that is not there, or there twice, is told with what is like it. */
export interface Matched {
  readonly ids: readonly number[];
  readonly problems: readonly string[];
}

export function matchClasses(labels: readonly string[], { classes }: ClassList): Matched {
  // The first name of a class says more than the others.
  const ranks = [(names: readonly string[]) => names.slice(1), (names: readonly string[]) => names.slice(0, 1)];
  const [others, first] = ranks.map((pick) => {
    const places = new Map<string, number[]>();
    for (const [id, names] of classes.entries())
      for (const name of new Set(pick(names).map(plainName))) places.set(name, [...(places.get(name) ?? []), id]);
    return places;
  });
  const problems: string[] = [];
  const ids = labels.map((label) => {
    const plain = plainName(label);
    const found = first!.get(plain) ?? others!.get(plain) ?? [];
    // "maillot" is the class of that name alone, and not "maillot, tank suit".
    const alone = found.filter((id) => classes[id]!.filter((name) => !isId(name)).length === 1);
    const [only, ...rest] = alone.length === 1 ? alone : found;
    if (only !== undefined && rest.length === 0) return only;
    const like =
      found.length > 1 ? found : [...classes.keys()].filter((id) => classes[id]!.some((name) => hasWord(name, plain)));
    const shown = like.slice(0, mostLike).map((id) => [id, classes[id]![0], ...classes[id]!.filter(isId)].join(" "));
    const what = found.length > 1 ? `"${label}" is several of them` : `"${label}" is none of them`;
    problems.push(shown.length === 0 ? what : `${what} (${found.length > 1 ? "" : "like it: "}${shown.join("; ")})`);
    return -1;
  });
  return { ids, problems };
}

const mostLike = 3;
const hasWord = (name: string, plain: string): boolean => ` ${plainName(name)} `.includes(` ${plain} `);

/** Problems that are named of many. */
const mostTold = 8;

/**
 * The data with the class ids of a list: its classes are found there by their names. Data that has ids alone keeps
 * them, unless the list is of numbers, which are then those ids.
 *
 * @throws SecateurError `bad-data` naming the classes that the list does not have
 */
export function withClasses(dataset: Dataset, list: ClassList): Dataset {
  const named = { classes: list.classes.length, labels: list.classes.map(([name]) => name!), classList: list.name };
  // Numbers without names are outputs already, unless they are what the list renumbers.
  if (!dataset.labels && !list.classes.every(([name]) => isNumber(name!))) return relabelled(dataset, [], named);
  const labels = dataset.labels ?? Array.from({ length: dataset.classes ?? named.classes }, (_, id) => String(id));
  const { ids, problems } = matchClasses(labels, list);
  if (problems.length > 0) {
    const more = problems.length > mostTold ? `; and ${problems.length - mostTold} more` : "";
    fail(
      "bad-data",
      `"${dataset.name}": its classes are not those of ${list.name} (${list.classes.length}): ` +
        `${problems.slice(0, mostTold).join("; ")}${more}. ` +
        `Rename them, or give the names of the model's outputs in their order by ${option("classes")}; ` +
        `${option("classes", "data")} keeps the order that the data has`,
    );
  }
  return relabelled(dataset, ids, named);
}

function relabelled(
  dataset: Dataset,
  ids: readonly number[],
  named: Required<Pick<Dataset, "classes" | "labels" | "classList">>,
): Dataset {
  const { subset, stored } = dataset;
  return {
    ...dataset,
    ...named,
    async *batches(options) {
      for await (const batch of dataset.batches(options)) yield renumbered(batch, ids);
    },
    ...(stored && { stored: { ...stored, targets: () => renumbered(stored.targets(), ids) } }),
    ...(subset && { subset: (indices, name) => relabelled(subset.call(dataset, indices, name), ids, named) }),
  };
}

function renumbered<B extends Pick<Batch, "target">>(batch: B, ids: readonly number[]): B {
  if (batch.target?.dtype !== "int64") return batch;
  const labels = Array.from(batch.target.data as BigInt64Array, Number);
  return { ...batch, target: classIds(labels.map((label) => ids[label] ?? label)) };
}
