/** Weights that an exporter made one because they are equal become separate again; a shared weight stays one. */

import { fail } from "../graph/error.ts";
import { bodies, captures, type Graph, type Node } from "../graph/graph.ts";
import { type Names, namesOf } from "../graph/names.ts";
import { byteLength, bytesOf, bytesPerElement, isLazy, sizeOf, type Tensor } from "../graph/tensor.ts";
import { moduleOf } from "./modules.ts";
import { togetherIn, type Use } from "./together.ts";

/** Copies beyond this many bytes in all are refused: a small file must not ask for endless memory. */
const copyLimit = 4 * 2 ** 30;

/** Operators whose result does not hold the numbers that they read, or other ones each time. */
const apart = new Set("Bernoulli Dropout Multinomial NonZero RandomNormalLike RandomUniformLike Shape Size".split(" "));

/** Element types of weights, and of what quantised weights are read with; sizes and indices are of others. */
const typesOfWeights = new Set("float32 float16 float64 bfloat16 int8 uint8 int16 int32".split(" "));

const isWeight = ({ dtype, shape }: Tensor): boolean => typesOfWeights.has(dtype) && sizeOf(shape) > 1;

/** Whether all elements are the same, as those of a fresh normalisation are. */
function allSame(value: Tensor): boolean {
  if (isLazy(value)) return false;
  const [bytes, size] = [bytesOf(value), bytesPerElement(value.dtype)];
  for (let at = size; at < bytes.length; at++) if (bytes[at] !== bytes[at - size]) return false;
  return true;
}

/** A node whose inputs are still to be settled. */
interface Draft {
  readonly node: Node;
  readonly inputs: string[];
}

interface Reading extends Use {
  readonly draft: Draft;
  readonly index: number;
}

/**
 * The initializer that a chain of Identity nodes copies, for each copy. An Identity
 * that makes an output of the graph stays.
 */
function findAliases(graph: Graph): ReadonlyMap<string, string> {
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const sources = new Map<string, string>();
  for (const { op, domain, inputs, outputs: made } of graph.nodes)
    if (op === "Identity" && domain === "" && made.length === 1 && !outputs.has(made[0]!))
      sources.set(made[0]!, inputs[0] ?? "");
  const rootOf = new Map<string, string>();
  for (const output of sources.keys()) {
    const seen = new Set<string>();
    let root = output;
    while (sources.has(root) && !seen.has(root)) {
      seen.add(root);
      root = sources.get(root)!;
    }
    if (!graph.initializers.has(root)) continue;
    if (graph.initializers.has(output)) fail("bad-model", `two values are named "${output}"; rename one`);
    rootOf.set(output, root);
  }
  return rootOf;
}

/** The values that are weights or computed from weights alone, each with the largest of these. */
function weightValues({ nodes, initializers }: Graph, rootOf: ReadonlyMap<string, string>): Map<string, Tensor> {
  const found = new Map([...initializers].filter(([, value]) => isWeight(value)));
  for (const node of nodes) {
    if (node.outputs.length !== 1 || apart.has(node.op) || bodies(node).length > 0) continue;
    const given = node.inputs.filter((name) => name !== "").map((name) => rootOf.get(name) ?? name);
    if (!given.every((name) => found.has(name) || initializers.has(name))) continue;
    const weights = given.flatMap((name) => found.get(name) ?? []);
    const [largest] = weights.toSorted((a, b) => sizeOf(b.shape) - sizeOf(a.shape));
    if (largest) found.set(node.outputs[0]!, largest);
  }
  return found;
}

/** Readings in the fewest classes that keep together what belongs together, in the order of their first. */
function classify(all: readonly Reading[], together: (a: Reading, b: Reading) => boolean): Reading[][] {
  const classes: Reading[][] = [];
  for (const one of all) {
    const [first, ...others] = classes.filter((each) => each.some((other) => together(other, one)));
    if (first === undefined) {
      classes.push([one]);
      continue;
    }
    first.push(one);
    for (const other of others) {
      first.push(...other);
      classes.splice(classes.indexOf(other), 1);
    }
  }
  return classes;
}

/** What each class of readings of an initializer reads from then on: one keeps the name. */
function nameClasses(root: string, classes: readonly (readonly Reading[])[], taken: Names): string[] {
  const owner = classes.findIndex((all) => all.some(({ leaf }) => root.startsWith(`${moduleOf(leaf)}.`)));
  const direct = classes.map((all) => all.some(({ via }) => via === root));
  const keeper = owner !== -1 && direct[owner] ? owner : direct.indexOf(true);
  const last = /\.(\w+)$/.exec(root)?.[1];
  const used = new Set<string>();
  return classes.map((all, i) => {
    const [{ leaf, via }] = all as [Reading];
    if (i === keeper) return root;
    if (!direct[i] && !used.has(via)) {
      used.add(via);
      return via;
    }
    const module = moduleOf(leaf);
    return taken.fresh(module !== undefined && last !== undefined ? `${module}.${last}` : root);
  });
}

/**
 * The graph with a weight of its own for every layer that an exporter gave the weight of another because the two were
 * equal, as fresh normalisations are. Shared, they could only be cut and learn alike. A weight that the model itself
 * computes with twice stays one: a layer that is applied to several inputs, an embedding that is read backwards at the
 * end. Identities of initializers go, unless they make an output.
 */
export function untie(graph: Graph): Graph {
  const rootOf = findAliases(graph);
  const captured = new Set(graph.nodes.flatMap((node) => (bodies(node).length > 0 ? captures(node) : [])));
  const taken = namesOf(graph);
  const { drafts, classesOf } = copyComputed(graph, rootOf, captured, taken);
  const initializers = copyInitializers(graph, rootOf, captured, taken, classesOf);
  const same =
    rootOf.size === 0 && initializers.size === graph.initializers.size && drafts.length === graph.nodes.length;
  if (same) return graph;
  const settled = ({ node, inputs }: Draft): Node =>
    inputs.every((name, i) => name === node.inputs[i]) ? node : { ...node, inputs };
  const nodes = drafts.toReversed().map(settled);
  const info = new Map([...graph.info].filter(([name]) => !rootOf.has(name) || initializers.has(name)));
  return { ...graph, nodes, initializers, info };
}

type ClassesOf = (name: string) => Reading[][];

/** Tells what of a weight's readings belongs together; `note` adds those of a node. */
function createReadings(
  graph: Graph,
  rootOf: ReadonlyMap<string, string>,
  captured: ReadonlySet<string>,
): { values: ReadonlyMap<string, Tensor>; classesOf: ClassesOf; note(draft: Draft, leafOf?: Use): void } {
  const values = weightValues(graph, rootOf);
  const outputs = graph.outputs.map(({ name }) => name);
  const held = new Set([...outputs, ...captured, ...[...captured].flatMap((name) => rootOf.get(name) ?? [])]);
  const together = togetherIn(graph, rootOf);
  const readings = new Map<string, Reading[]>();
  return {
    values,
    note(draft, leafOf) {
      draft.inputs.forEach((via, index) => {
        const root = rootOf.get(via) ?? via;
        if (!values.has(root) && !graph.initializers.has(root)) return;
        const step = `${draft.node.op}:${index}`;
        const use = leafOf ? { leaf: leafOf.leaf, path: `${step} ${leafOf.path}` } : { leaf: draft.node, path: step };
        const known = readings.get(root);
        const reading = { ...use, via, draft, index };
        if (known) known.push(reading);
        else readings.set(root, [reading]);
      });
    },
    classesOf(name) {
      const all = (readings.get(name) ?? []).toReversed();
      const value = values.get(name);
      let same: boolean | undefined;
      const isConstant = (): boolean => (same ??= allSame(value!));
      return value === undefined || held.has(name)
        ? classify(all, (a, b) => a.via === b.via)
        : classify(all, (a, b) => together(a, b, isConstant));
    },
  };
}

/**
 * The nodes from last to first, with a copy for each class of readers of what is computed from weights alone. From the
 * last node back, as the copies read their weights too.
 */
function copyComputed(
  graph: Graph,
  rootOf: ReadonlyMap<string, string>,
  captured: ReadonlySet<string>,
  taken: Names,
): { drafts: Draft[]; classesOf: ClassesOf } {
  const { values, classesOf, note } = createReadings(graph, rootOf, captured);
  const drafts: Draft[] = [];
  const isAlias = (node: Node): boolean => rootOf.has(node.outputs[0] ?? "");
  for (const node of graph.nodes.toReversed()) {
    if (isAlias(node)) continue;
    const [output = ""] = node.outputs;
    const classes = values.has(output) ? classesOf(output) : [];
    for (const others of classes.slice(1).toReversed()) {
      const own = taken.fresh(output);
      for (const { draft, index } of others) draft.inputs[index] = own;
      const draft = { node: { ...node, name: "", outputs: [own] }, inputs: [...node.inputs] };
      note(draft, others[0]);
      drafts.push(draft);
    }
    const draft = { node, inputs: [...node.inputs] };
    note(draft, classes[0]?.[0]);
    drafts.push(draft);
  }
  return { drafts, classesOf };
}

/** The initializers with a copy for each class of readers, which read it from now on. */
function copyInitializers(
  graph: Graph,
  rootOf: ReadonlyMap<string, string>,
  captured: ReadonlySet<string>,
  taken: Names,
  classesOf: ClassesOf,
): Map<string, Tensor> {
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const aliasesOf = new Map<string, string[]>();
  for (const [alias, root] of rootOf) aliasesOf.set(root, [...(aliasesOf.get(root) ?? []), alias]);
  const initializers = new Map(graph.initializers);
  let bytes = 0;
  for (const [root, value] of graph.initializers) {
    const classes = classesOf(root);
    const names = nameClasses(root, classes, taken);
    classes.forEach((all, i) => {
      for (const { draft, index } of all) draft.inputs[index] = names[i]!;
    });
    const read = new Set(names);
    const own = aliasesOf.get(root) ?? [];
    const copies = new Set([...own.filter((alias) => read.has(alias) || captured.has(alias)), ...names]);
    const kept = copies.delete(root) || outputs.has(root) || captured.has(root);
    for (const name of copies) {
      bytes += byteLength(value);
      if (bytes > copyLimit) fail("unsupported", `the initializer "${root}" is shared by too many nodes to copy`);
      initializers.set(name, isLazy(value) ? value : { ...value, data: value.data.slice() });
    }
    if (!kept && classes.length > 0) initializers.delete(root);
  }
  return initializers;
}
