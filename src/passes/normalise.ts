/** Brings a loaded graph into the form that coupling wants: arithmetic on sizes that are not open is constants. */

import { fail, option } from "../graph/error.ts";
import type { Dim, Graph, Node, ValueInfo } from "../graph/graph.ts";
import { captures } from "../graph/graph.ts";
import { type Names, namesOf } from "../graph/names.ts";
import { bytesOf, int64s, isFloat, toNumbers, type Shape, type Tensor } from "../graph/tensor.ts";
import { sizeAsker } from "./ask-sizes.ts";
import { settleBranches } from "./branches.ts";
import { chooseSizes, type ChosenSizes } from "./choose-sizes.ts";
import { removeDead } from "./dead.ts";
import { symbolOf } from "./dims.ts";
import { followSizes, scalesInput, sizesInput, type Seen } from "./sizes.ts";
import { ownGenerated } from "./own-generated.ts";
import { plainViews } from "./plain-views.ts";
import { openEntries } from "./settled.ts";
import { pickSlices } from "./pick-slices.ts";
import { valueOf, type Traced } from "./trace.ts";

export interface NormaliseOptions {
  /**
   * Shapes of inputs by name: at which sizes a graph whose file leaves more open than the batch is traced. They change
   * nothing in what is written. Where none are given they are found by trying.
   */
  readonly shapes?: Readonly<Record<string, Shape>> | undefined;
  /** Is told in a sentence each what the sizes were that had to be found, and which axes cannot stay open and why. */
  readonly onNote?: ((note: string) => void) | undefined;
}

/**
 * Turns every integer, truth value and single float that does not depend on open sizes into a constant. All axes that
 * the file leaves open stay open. What depends on them stays as it is, but for the target of a Reshape, which can say
 * it by 0 (copy) or -1 (infer), the sizes of a Resize, which need not name the axis, and the shapes that are asked of
 * values (ask-sizes.ts). Readers of what is generated from sizes, such as the zeros that a recurrence starts with, get
 * their own; a part that is joined and picked out again is read where it comes from.
 *
 * @returns the graph. Its `sizes` say at which sizes it is traced; `otherSizes` are more that it runs at.
 * @throws SecateurError where no sizes are found that the graph runs at. Also for a shape that does not fit.
 */
export function normalise(graph: Graph, options: NormaliseOptions = {}): Graph {
  const given = options.shapes ?? {};
  refuseUnknown(graph, Object.keys(given));
  const shaped: Graph = {
    ...graph,
    inputs: graph.inputs.map((input) =>
      input.shape === undefined && given[input.name] ? { ...input, shape: given[input.name]!.map(() => "") } : input,
    ),
  };
  const first = chooseSizes(shaped, given);
  const settled = settleBranches(shaped, first.traces);
  if (settled !== shaped) return normalise(settled, options);
  const plain = plainViews(shaped, first.traces);
  const chosen = plain === shaped ? first : chooseSizes(plain, given);
  const { traces } = chosen;
  tellSizes(plain, chosen, given, options.onNote);
  const fixed = withSizes(plain, chosen);
  const scales = scalesOf(fixed);
  const [a] = traces as readonly [Traced, ...Traced[]];
  const initializers = new Map(fixed.initializers);
  const nodes: Node[] = [];
  const taken = namesOf(fixed);
  const outputs = new Set(fixed.outputs.map((v) => v.name));
  const ask = sizeAsker(fixed, traces, initializers, taken);
  const settle = openEntries(traces);
  for (const node of fixed.nodes) {
    const openOf = settle(node);
    if (a.refused.has(node)) {
      nodes.push(node);
      continue;
    }
    const known = node.outputs.map((name) =>
      name === "" || outputs.has(name) || openOf(name).includes(true)
        ? undefined
        : agreed(
            traces.map(({ constants }) => constants.get(name)),
            scales.has(name),
          ),
    );
    if (known.length > 0 && known.every((value) => value !== undefined)) {
      node.outputs.forEach((name, i) => initializers.set(name, known[i]!));
      continue;
    }
    const asked = ask(node);
    if (asked !== undefined) {
      nodes.push(...asked);
      continue;
    }
    const resized =
      node.op === "Resize" && node.domain === ""
        ? openResize(node, traces, openOf(node.inputs[sizesInput]!), taken)
        : undefined;
    if (resized !== undefined) {
      initializers.set(resized.name, resized.sizes);
      nodes.push(resized.node);
      continue;
    }
    const target = openTarget(node, traces, openOf(node.inputs[1]!));
    if (target === undefined) {
      nodes.push(node);
      continue;
    }
    const name = taken.fresh(`${node.inputs[1]}_sizes`);
    initializers.set(name, target);
    nodes.push({ ...node, inputs: [node.inputs[0]!, name] });
  }
  return ownGenerated(removeDead(pickSlices({ ...fixed, nodes, initializers }, traces)), a);
}

/**
 * The graph with its sizes for tracing; axes that cannot be open are not, and
 * declarations that do not hold are left out.
 */
function withSizes(graph: Graph, { sizes, otherSizes, fixed, traces }: ChosenSizes): Graph {
  const known = new Map(fixed.map(({ symbol, size }) => [symbol, size]));
  const settle = (info: ValueInfo, shape: readonly Dim[] | undefined = info.shape): ValueInfo =>
    shape ? { ...info, shape: shape.map((dim) => (typeof dim === "number" ? dim : (known.get(dim) ?? dim))) } : info;
  const inputs = graph.inputs.map((input) =>
    settle(
      input,
      input.shape?.map((dim, axis) => (typeof dim === "number" ? dim : (known.get(symbolOf(input, axis, dim)) ?? dim))),
    ),
  );
  const holds = ({ name, shape }: ValueInfo): boolean =>
    traces.every(({ types }) => {
      const type = types.get(name);
      const isOther = (dim: Dim, axis: number): boolean => typeof dim === "number" && dim !== type!.shape[axis];
      return type === undefined || shape === undefined || (shape.length === type.shape.length && !shape.some(isOther));
    });
  const info = new Map([...graph.info].flatMap(([name, value]) => (holds(value) ? [[name, settle(value)]] : [])));
  const open: Pick<Graph, "sizes" | "otherSizes"> = sizes.size > 0 ? { sizes, otherSizes } : {};
  return { ...graph, inputs, outputs: graph.outputs.map((output) => settle(output)), info, ...open };
}

function tellSizes(
  { inputs }: Graph,
  { sizes, fixed, traces }: ChosenSizes,
  given: Readonly<Record<string, Shape>>,
  tell: ((note: string) => void) | undefined,
): void {
  const stuck = new Set(fixed.map(({ symbol }) => symbol));
  const isFound = (symbol: string): boolean => sizes.has(symbol) && !stuck.has(symbol);
  const found = inputs.filter(
    (input) =>
      given[input.name] === undefined &&
      input.shape?.some((dim, axis) => typeof dim === "string" && isFound(symbolOf(input, axis, dim))),
  );
  if (found.length > 0) {
    const shapes = found.map((input) => {
      const shape = traces[0]!.types
        .get(input.name)!
        .shape.with(0, typeof input.shape![0] === "number" ? input.shape![0] : 1);
      return `${input.name}=${shape.join("x")}`;
    });
    tell?.(
      `sizes that the file leaves open are counted at ` +
        `${shapes.slice(0, 4).join(", ")}${shapes.length > 4 ? ", ..." : ""}; others by ${option("shapes")}`,
    );
  }
  const told = new Set<string>();
  for (const { input, axis, symbol, size, reason } of fixed) {
    if (told.has(symbol)) continue;
    told.add(symbol);
    tell?.(
      `axis ${axis} of input "${input.name}" is fixed to ${size}: at another size the model can not run (${reason})`,
    );
  }
}

function refuseUnknown(graph: Graph, names: readonly string[]): void {
  const inputs = graph.inputs.map(({ name }) => name);
  const unknown = names.filter((name) => !inputs.includes(name));
  if (unknown.length > 0)
    fail(
      "bad-option",
      `a shape is given for ${unknown.map((name) => `"${name}"`).join(", ")}; the model's inputs are ` +
        `${inputs.map((name) => `"${name}"`).join(", ")}`,
    );
}

/** Values that are computed of sizes and that nobody reads but a Resize as its scales. */
function scalesOf({ inputs, nodes }: Graph): Set<string> {
  const computed = new Set(inputs.map(({ name }) => name));
  const [scales, others] = [new Set<string>(), new Set<string>()];
  for (const node of nodes) {
    const isResize = node.op === "Resize" && node.domain === "";
    const read = [...node.inputs, ...captures(node)];
    if (read.some((name) => computed.has(name))) for (const name of node.outputs) computed.add(name);
    read.forEach((name, i) => (isResize && i === scalesInput ? scales : others).add(name));
  }
  return new Set([...scales].filter((name) => computed.has(name) && !others.has(name)));
}

/**
 * What is the same in all traces. Floats stay computed unless they are scalars or scales: as
 * initializers they would be taken for weights.
 */
function agreed(found: readonly (Tensor | undefined)[], isScales: boolean): Tensor | undefined {
  const [x, ...others] = found;
  if (x === undefined || (isFloat(x.dtype) && x.shape.length > 0 && !isScales)) return undefined;
  const isSame = (y: Tensor | undefined): boolean =>
    y !== undefined && x.shape.join() === y.shape.join() && bytesOf(x).every((byte, i) => byte === bytesOf(y)[i]);
  return others.every(isSame) ? x : undefined;
}

/**
 * The target of a Reshape whose sizes follow from those of the inputs, written by 0 and -1, or of an Expand, written by
 * 1, which leaves a size as it is. `undefined` where that does not do.
 */
function openTarget(node: Node, traces: readonly Traced[], isOpen: readonly boolean[]): Tensor | undefined {
  if (node.domain !== "" || (node.op !== "Reshape" && node.op !== "Expand")) return undefined;
  const [data = "", stated = ""] = node.inputs;
  const seen = traces.flatMap((traced) => {
    const [shape, target] = [valueOf(traced, data)?.shape, traced.constants.get(stated)];
    return shape && target ? [{ shape, target: toNumbers(target) }] : [];
  });
  const [{ shape, target: x } = { shape: [], target: [] }] = seen;
  if (traces[0]!.graph.initializers.has(stated) || seen.length < traces.length) return undefined;
  if (node.attributes["allowzero"]?.value === 1) return undefined;
  if (seen.some((one) => one.target.length !== x.length)) return undefined;
  const shift = node.op === "Expand" ? x.length - shape.length : 0;
  const copies = (i: number) => seen.every((one) => one.target[i] === one.shape[i - shift]);
  const stays = (i: number) => !isOpen[i] && seen.every((one) => one.target[i] === x[i]);
  const open = x.flatMap((_, i) => (stays(i) ? [] : [i]));
  if (node.op === "Expand") return open.every(copies) ? int64s(x.map((size, i) => (stays(i) ? size : 1))) : undefined;
  const inferred = open.filter((i) => !copies(i)).length + x.filter((size, i) => size === -1 && stays(i)).length;
  return inferred <= 1 ? int64s(x.map((size, i) => (stays(i) ? size : copies(i) ? 0 : -1))) : undefined;
}

/** A Resize whose sizes follow from those of the inputs, with those left out that its input has anyhow. */
function openResize(
  node: Node,
  traces: readonly Traced[],
  isOpen: readonly boolean[],
  taken: Names,
): ReturnType<typeof followSizes> {
  const stated = node.inputs[sizesInput] ?? "";
  const seen = traces.flatMap((traced): Seen[] => {
    const [data, sizes] = [valueOf(traced, node.inputs[0]!)?.shape, traced.constants.get(stated)];
    return data && sizes ? [{ data, sizes }] : [];
  });
  if (traces[0]!.graph.initializers.has(stated) || seen.length < traces.length || seen.length < 2) return undefined;
  return followSizes(node, seen, isOpen, () => taken.fresh(`${stated}_sizes`));
}
