/** Data sets as they are named on the command line: a kind, a colon and a path. */

import { readFile } from "node:fs/promises";
import { fail } from "../graph/error.ts";
import type { Model } from "../graph/graph.ts";
import type { Dataset } from "./batches.ts";
import { cifar10 } from "./cifar10-node.ts";
import { builtInList, builtInLists, isBuiltInList, parseClasses, withClasses, type ClassList } from "./class-list.ts";
import type { ColumnsOf } from "./columns.ts";
import { csv } from "./csv-node.ts";
import type { EncodedOptions } from "./encoded-node.ts";
import { folder } from "./folder-node.ts";
import { maskedFolder } from "./masked-node.ts";
import { mnist } from "./mnist-node.ts";
import { moduleDataset } from "./module-node.ts";
import type { Normalise } from "./normalise.ts";
import { npz } from "./npz-node.ts";
import { parquet } from "./parquet-node.ts";
import type { SplitName } from "./splits.ts";
import { channelOrders, layouts, type ImageForm, type PixelForm } from "./form.ts";
import { optionsFor, preprocessingOf, type Preprocessing } from "./preprocessing.ts";

export interface OpenOptions extends Omit<PixelForm, keyof Normalise>, Omit<EncodedOptions, keyof PixelForm> {
  readonly split: SplitName;
  readonly normalise?: Normalise;
  /**
   * The model that the data is for: what its file says of pixels and classes is taken where the options do not say it.
   */
  readonly model?: Pick<Model, "metadata" | "graph" | "aside">;
  /**
   * The classes in the order of the model's outputs, by which those of the data are found by name. It is a list, or a
   * built-in one by its name (imagenet, imagenet-1001, cifar10, numbers). It may be a file with one name a line or a
   * JSON list, or names with commas between. "data" keeps the order of the data.
   */
  readonly classes?: string | readonly string[];
  /** Told in one sentence what is taken from the model's file. */
  readonly onNote?: (note: string) => void;
}

interface Kind {
  readonly form: string;
  /** What may stand behind its path, as help has it. */
  readonly more?: string;
  /** What its pixels can be told to become. */
  readonly takes: readonly (keyof ImageForm)[];
  /** What a part for testing looks like there. */
  readonly test: (path: string) => string;
  readonly open: (path: string, split: SplitName, options: EncodedOptions, known: Known) => Promise<Dataset>;
}

/** What else is known where a data set is opened. */
interface Known {
  /** What the model's file says of pixels, for data that may have none. */
  readonly stated: ImageForm;
  /** The model that the data is for. */
  readonly model: Pick<Model, "graph"> | undefined;
  /** What stands behind the path: names and values. */
  readonly more: Readonly<Record<string, string>>;
}

const pixels = ["scale", "mean", "std", "layout", "channels"] as const;
const encoded = [...pixels, "size", "resize"] as const;

const columnsForm = "TARGET=COLUMN+COLUMN";

/** Targets that are made of columns: "boxes=x+y+w+h". */
const columnsIn = (more: Readonly<Record<string, string>>): ColumnsOf =>
  Object.fromEntries(Object.entries(more).map(([name, columns]) => [name, columns.split("+")]));

function openFolder(path: string, split: SplitName, options: EncodedOptions, { more }: Known): Promise<Dataset> {
  const { masks, ...others } = more;
  const [other] = Object.keys(others);
  if (other !== undefined) fail("bad-option", `folder:${path} takes masks=DIR behind it, and no ${other}`);
  return masks === undefined ? folder(path, split, options) : maskedFolder(path, masks, split, options);
}

const idx = "t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte";

const kinds: Readonly<Record<string, Kind>> = {
  cifar10: { form: "cifar10:DIR", takes: pixels, test: (path) => `${path}/test_batch.bin`, open: cifar10 },
  mnist: { form: "mnist:DIR", takes: pixels, test: (path) => `${idx} to ${path}`, open: mnist },
  folder: {
    form: "folder:DIR",
    more: "masks=DIR",
    takes: encoded,
    test: (path) => `${path}/test/CLASS/IMAGE`,
    open: openFolder,
  },
  csv: {
    form: "csv:FILE.csv",
    takes: encoded,
    more: columnsForm,
    test: (path) => `rows to ${path} whose column split is test`,
    open: (path, split, options, { more }) => csv(path, split, options, columnsIn(more)),
  },
  parquet: {
    form: "parquet:DIR",
    takes: encoded,
    more: columnsForm,
    test: (path) => `test-*.parquet to the folder of ${path}`,
    open: (path, split, options, { more }) => parquet(path, split, options, columnsIn(more)),
  },
  npz: {
    form: "npz:FILE.npz",
    takes: pixels,
    test: (path) => `the arrays x_test and y_test to ${path}`,
    open: (path, split, options, { stated, model }) => npz(path, split, options, stated, model),
  },
  module: {
    form: "module:FILE.mjs",
    takes: [],
    test: (path) => `batches to ${path} for split "test"`,
    open: moduleDataset,
  },
};

interface Spec {
  readonly kind: string;
  readonly path: string;
  readonly more: Readonly<Record<string, string>>;
}

/** KIND:PATH, and for kinds that take more NAME=VALUE behind commas. */
function parse(spec: string): Spec {
  const colon = spec.indexOf(":");
  if (colon < 0) return { kind: spec, path: "", more: {} };
  const [kind, rest] = [spec.slice(0, colon), spec.slice(colon + 1)];
  const takesMore = Object.hasOwn(kinds, kind) && kinds[kind]!.more !== undefined;
  const [, path = rest, more = ""] = (takesMore && /^(.*?)((?:,[^,=]+=[^,=]+)*)$/s.exec(rest)) || [];
  const pairs = more
    .split(",")
    .slice(1)
    .map((pair) => pair.split("=") as [string, string]);
  return { kind, path, more: Object.fromEntries(pairs) };
}

/** The same data set with other paths. */
export function withPath(spec: string, change: (path: string) => string): string {
  const { kind, path, more } = parse(spec);
  if (path === "") return spec;
  const others = Object.entries(more).map(
    ([name, value]) => `,${name}=${kind === "folder" && name === "masks" ? change(value) : value}`,
  );
  return `${kind}:${change(path)}${others.join("")}`;
}

/** What to add to data that has no part for testing. */
export function testPartOf(spec: string): string {
  const { kind, path } = parse(spec);
  return kinds[kind]?.test(path) ?? "a part for testing";
}

/** The forms that {@link openDataset} takes. */
const datasetForms: readonly string[] = Object.values(kinds).map(({ form }) => form);

/**
 * Opens a data set by its kind and path. Fails with `bad-option` on another kind, no path, or options that the kind
 * does not take, and as the data set itself does.
 */
export async function openDataset(spec: string, options: OpenOptions): Promise<Dataset> {
  const { kind, path, more } = parse(spec);
  const known = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
  if (!known) fail("bad-option", `data set "${spec}": unknown kind "${kind}"; give one of ${datasetForms.join(", ")}`);
  if (path === "") fail("bad-option", `data set "${spec}": no path; give ${known.form}`);
  const { split, normalise, model, classes: named, onNote, ...rest } = options;
  if (split !== "train" && split !== "test")
    fail("bad-option", `data set "${spec}": split "${String(split)}"; give train or test`);
  const given = { ...normalise, ...rest };
  refuseOthers(spec, known, given);
  const stated: Preprocessing = model ? preprocessingOf(model) : { form: {}, input: {}, remarks: [] };
  const { layout } = stated.input;
  // Images that are decoded are made to fit; others have the channels and the size that they have.
  const input = known.takes.includes("size") ? stated.input : layout && { layout };
  const form = openForm({ ...input, ...stated.form }, given, known.takes);
  const own = kind === "npz" ? given : { ...form, ...given };
  const dataset = await known.open(path, split, own, { stated: form, model, more });
  const list = await listFor(dataset, named ?? stated.classes, named === undefined);
  if (onNote) {
    for (const remark of stated.remarks) onNote(remark);
    const text = optionsFor(dataset.form ? form : {}, list && named === undefined ? stated.classes : undefined);
    if (text !== "") onNote(`from the model's file: ${text}`);
  }
  return list ? withClasses(dataset, list) : dataset;
}

/** What is open in a form that is given: mean, std and scale go together, and so do the sizes. */
function openForm(stated: ImageForm, given: EncodedOptions, takes: Kind["takes"]): ImageForm {
  const has = (...keys: (keyof ImageForm)[]): boolean => keys.some((key) => given[key] !== undefined);
  const taken = Object.entries(stated).filter(
    ([key]) =>
      takes.includes(key as keyof ImageForm) &&
      !has(key as keyof ImageForm) &&
      !(["scale", "mean", "std"].includes(key) && has("scale", "mean", "std")) &&
      !(key === "resize" && has("size")),
  );
  return Object.fromEntries(taken);
}

/** The list that the classes of data are looked for in; none where they keep their order. */
async function listFor(
  dataset: Dataset,
  classes: string | readonly string[] | undefined,
  isStated: boolean,
): Promise<ClassList | undefined> {
  // What a file says of classes is for data that has names; data of numbers means the outputs themselves.
  if (classes === undefined || classes === "data" || (isStated && !dataset.labels)) return undefined;
  if (typeof classes !== "string") return named(classes, isStated ? "the model's file" : "the list");
  if (isBuiltInList(classes)) return builtInList(classes, dataset.labels);
  const text = await readFile(classes, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" && classes.includes(",")) return undefined;
    return fail(
      "io",
      `cannot read the list of classes ${classes} (${error.code}): give a file, ${builtInLists.join(", ")}, ` +
        "or names with commas between",
      error,
    );
  });
  return text === undefined ? named(classes.split(","), "the list") : parseClasses(text, classes);
}

const named = (classes: readonly string[], name: string): ClassList => ({
  name,
  classes: classes.map((one) => [one.trim()]),
});

function refuseOthers(spec: string, { takes }: Kind, form: EncodedOptions): void {
  const others = encoded.filter((key) => form[key] !== undefined && !takes.includes(key));
  if (others.length > 0)
    fail(
      "bad-option",
      `data set "${spec}": ${others.join(", ")} cannot be applied to it; ` +
        (takes.length === 0 ? "do it in the module" : "its images have the size that they have"),
    );
  const { layout = "nchw", channels = "rgb" } = form;
  if (!layouts.includes(layout))
    fail("bad-option", `data set "${spec}": layout "${layout}"; give ${layouts.join(" or ")}`);
  if (!channelOrders.includes(channels))
    fail("bad-option", `data set "${spec}": channels "${channels}"; give one of ${channelOrders.join(", ")}`);
}
