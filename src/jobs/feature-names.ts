/** Which values inside a model patterns mean: by their own names, those of nodes, and those of modules. */

import { fail, option } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import { isFloat } from "../graph/tensor.ts";
import { moduleOf } from "../onnx/modules.ts";
import { nearest } from "../options/suggest.ts";
import type { BatchPlace } from "../passes/batch-place.ts";
import { batchPlaces } from "../passes/open-stage.ts";
import type { Analysis } from "../prune/coupling/analysis.ts";
import { namesGroup } from "../prune/select/limits.ts";

/** A value that can be a feature, and the axis of its samples. */
export interface NamedValue {
  readonly value: string;
  readonly axis: number;
}

export interface NamedValues {
  /** In the order of the graph, each once. */
  readonly values: readonly NamedValue[];
  /** What else a pattern with `*` means, each with why it is left out. */
  readonly others: readonly string[];
}

/**
 * The values that patterns mean, in which `*` stands for any text. A pattern means a value by its name, by the name of
 * the node that it is the first output of, or by the name of a module whose result it is: one that is read outside.
 *
 * @param analysis of the model in float32, at the batch that it learns with
 * @param file the graph as the file has it
 * @throws SecateurError `bad-option` for a pattern that means nothing, with the names that are near, or nothing that
 * can be compared, with the reasons
 */
export function valuesNamed(analysis: Analysis, file: Graph, patterns: readonly string[]): NamedValues {
  const names = namesOfValues(analysis);
  const places = batchPlaces(analysis.graph, analysis.setting.batch, analysis.traced);
  const chosen = new Map<string, number>();
  const others = new Map<string, string>();
  for (const pattern of patterns) {
    const meant = [...names].filter(([, own]) => own.some((name) => namesGroup(pattern, name)));
    if (meant.length === 0) refuseUnknown(pattern, names, file);
    const found = meant.map(([value]) => ({ value, axis: axisOf(analysis, places, value) }));
    const unfit = found.flatMap(({ value, axis }) => (typeof axis === "string" ? [`"${value}" ${axis}`] : []));
    if (unfit.length === found.length || (unfit.length > 0 && !pattern.includes("*")))
      fail("bad-option", `${option("features", pattern)} names nothing that can be compared: ${listed(unfit)}`);
    for (const { value, axis } of found)
      if (typeof axis === "number") chosen.set(value, axis);
      else others.set(value, `"${value}" ${axis}`);
  }
  const values = [...names.keys()].flatMap((value) => {
    const axis = chosen.get(value);
    return axis === undefined ? [] : [{ value, axis }];
  });
  return { values, others: [...others.values()] };
}

const shown = 5;

/** The first few, and how many there are besides. */
export const listed = (all: readonly string[]): string =>
  all.slice(0, shown).join(", ") + (all.length > shown ? ` and ${all.length - shown} more` : "");

/** The axis along which the samples of a value lie, or why it cannot be compared. */
function axisOf(
  { graph, traced: { types } }: Analysis,
  places: ReadonlyMap<string, BatchPlace>,
  value: string,
): number | string {
  const type = types.get(value);
  if (graph.outputs.some(({ name }) => name === value)) return "is an output of the model, which the loss compares";
  if (type === undefined) return "has a shape that is not known";
  if (!isFloat(type.dtype)) return `holds ${type.dtype} and not floats`;
  const place = places.get(value);
  if (place === undefined || place.outer * place.inner !== 1)
    return `is [${type.shape.join(", ")}], in which no axis follows the batch`;
  return place.axis;
}

/** What each value that a node computes can be called. */
function namesOfValues({ graph, readers }: Analysis): Map<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  for (const node of graph.nodes)
    for (const [i, value] of node.outputs.entries()) {
      if (value === "") continue;
      const outside = (readers.get(value) ?? []).map((reader) => moduleOf(reader) ?? "");
      const modules = modulesOf(moduleOf(node)).filter((module) => outside.some((one) => !isIn(one, module)));
      found.set(value, [value, ...(i === 0 && node.name !== "" ? [node.name] : []), ...modules]);
    }
  return found;
}

/** A module and those that it is in: `layer3.0.conv1`, `layer3.0`, `layer3`. */
const modulesOf = (module = ""): string[] =>
  module === "" ? [] : [module, ...modulesOf(module.includes(".") ? module.slice(0, module.lastIndexOf(".")) : "")];

const isIn = (module: string, outer: string): boolean => module === outer || module.startsWith(`${outer}.`);

function refuseUnknown(pattern: string, names: ReadonlyMap<string, readonly string[]>, file: Graph): never {
  const gone = file.nodes.find(({ name, outputs }) => [name, ...outputs].some((own) => namesGroup(pattern, own)));
  const all = [...names.values()].flat();
  const word = pattern.split("*")[0]!.replace(/[./]+$/, "");
  const near = nearest(word, [...new Set(all.flatMap(beginningsOf))]);
  const meant = near === undefined ? "" : ` (did you mean ${pattern.replace(word, near)}?)`;
  return fail(
    "bad-option",
    gone === undefined
      ? `no value, node or module of the model is named "${pattern}"${meant}; there are ` +
          `${listed([...names.keys()])}, and a viewer of ONNX files shows all`
      : `"${gone.outputs[0]}" is made ready before the model learns, and nothing computes it then: name what is ` +
          `computed before or after it by ${option("features")}`,
  );
}

/** A name, and what it begins with up to each of its dots and strokes. */
const beginningsOf = (name: string): string[] => [
  name,
  ...[...name.matchAll(/[./]/g)].map(({ index }) => name.slice(0, index)).filter((one) => one !== ""),
];
