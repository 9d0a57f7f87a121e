/** The physical removal of units, and its twin that only zeroes them. */

import { fail, SecateurError } from "../graph/error.ts";
import {
  freshName,
  namesOf,
  readersOf,
  type Attribute,
  type Graph,
  type Node,
  type ValueInfo,
} from "../graph/graph.ts";
import {
  isLazy,
  lazyTensor,
  take,
  tensor,
  toNumbers,
  zeros,
  type DType,
  type NumericDType,
  type Shape,
  type Tensor,
  type TypedArray,
} from "../graph/tensor.ts";
import type { Kept, Value } from "../ops/define.ts";
import { removeDead } from "../passes/dead.ts";
import { applicationOf, type Traced } from "../passes/trace.ts";
import { activations } from "./couple.ts";
import { empty, goneOf, withSame, type Emptied, type Removed } from "./emptied.ts";
import { followGroups, type Followed } from "./follow.ts";
import { removedIndices, wholesOf, type Groups, type Removal } from "./groups.ts";

/** What stays along every axis. */
export interface Cut {
  readonly graph: Graph;
  /** The groups of that graph, where some went as a whole. */
  readonly followed?: Followed;
  /** A tensor that has the shape of a value, such as an optimiser's state, cut as the value is. */
  shrink(name: string, whole: Tensor): Tensor;
  /** What stays along the axes of a value that lose something. */
  stays(name: string): ReadonlyMap<number, Stays>;
}

/** What stays along an axis. */
export interface Stays {
  /** Indices that there were. */
  readonly size: number;
  /** Those that stay, ascending. */
  readonly indices: readonly number[];
}

/**
 * Removes units: smaller initializers, smaller sizes, fewer elements everywhere; inputs and outputs stay. Where all units of a group go, what has
 * no elements any more vanishes, and what was computed of it alone is a constant (emptied.ts).
 *
 * @param graph the graph as it is to be written; open sizes stay open
 * @param groups what {@link findGroups} found in a trace of `graph`
 * @throws SecateurError `bad-plan` for units that there are not, and for groups that cannot go as a whole, with the reason
 */
export function cut(graph: Graph, groups: Groups, removal: Removal): Cut {
  const { traced } = groups.coupling;
  const removed = removedIndices(groups, removal);
  const gone = goneOf(traced, removed);
  if (gone.size === 0)
    return cutNodes({ nodes: graph.nodes, constants: new Map(), same: new Map() }, graph, traced, removed);
  const small = cutNodes(emptyOf(graph, groups, removal, gone), graph, traced, removed);
  const followed = followGroups(groups, removal, small.graph);
  return { ...small, graph: followed.graph, followed };
}

/** What is left of the nodes, or an error that names the groups which cannot go as a whole. */
function emptyOf(graph: Graph, groups: Groups, removal: Removal, gone: ReadonlySet<string>): Emptied {
  try {
    return empty(graph, groups.coupling.traced, gone);
  } catch (error) {
    if (!(error instanceof SecateurError) || error.code !== "unsupported") throw error;
    const names = wholesOf(groups, removal).map(({ name, units }) => `all ${units.length} units of group "${name}"`);
    fail("bad-plan", `the plan removes ${names.join(" and ")}; at least one must stay: ${error.message}`, error);
  }
}

function cutNodes({ nodes: left, constants, same }: Emptied, graph: Graph, traced: Traced, removed: Removed): Cut {
  const kept = keptOf(traced, removed);
  const initializers = new Map([...graph.initializers, ...constants]);
  const shrink = (name: string, whole: Tensor): Tensor => {
    // What loses nothing may have no type.
    if (!removed.has(name)) return whole;
    let result = whole;
    const { shape } = traced.types.get(name)!;
    // A constant may lack leading axes, and one index of it may stand for all.
    const lead = shape.length - whole.shape.length;
    for (const axis of removed.get(name)!.keys())
      if (whole.shape[axis - lead] === shape[axis]) result = take(result, axis - lead, kept.byName(name, axis));
    return result;
  };
  const stays = (name: string): ReadonlyMap<number, Stays> => {
    const axes = [...(removed.get(name)?.keys() ?? [])];
    const size = (axis: number): number => traced.types.get(name)!.shape[axis]!;
    return new Map(axes.map((axis) => [axis, { size: size(axis), indices: kept.byName(name, axis) }]));
  };
  for (const name of removed.keys()) {
    const old = initializers.get(name);
    if (old)
      initializers.set(name, isLazy(old) ? lazily(old, removed.get(name)!, kept, name, shrink) : shrink(name, old));
  }
  const readers = readersOf(graph);
  const taken = namesOf(graph);
  const nodes = left.flatMap((node) => {
    if (![...node.inputs, ...node.outputs].some((name) => removed.has(name))) return [node];
    const before: Node[] = [];
    const resized = resizeNode(traced, node, kept, (name, sizes) => {
      const once = readers.get(name)?.length === 1 && node.inputs.filter((input) => input === name).length === 1;
      const own = once && graph.initializers.has(name);
      const target = own ? name : freshName(taken, `${name}_resized`);
      const less = graph.initializers.has(name) ? undefined : difference(sizes, traced.constants.get(name));
      if (less === undefined) initializers.set(target, sizes);
      else {
        // Sizes that the graph computes follow a batch that is open: only what is removed is taken off.
        const by = freshName(taken, `${name}_removed`);
        initializers.set(by, less);
        before.push({ op: "Add", domain: "", name: "", inputs: [name, by], outputs: [target], attributes: {} });
      }
      return target;
    });
    return [...before, resized];
  });
  const resizedInfo = (info: ValueInfo): ValueInfo => {
    const axes = removed.get(info.name);
    if (axes === undefined || info.shape === undefined) return info;
    return {
      ...info,
      shape: info.shape.map((dim, axis) => (axes.has(axis) ? kept.byName(info.name, axis).length : dim)),
    };
  };
  const info = new Map(
    [...graph.info].flatMap(([name, value]) => (constants.has(name) ? [] : [[name, resizedInfo(value)]])),
  );
  return { graph: removeDead({ ...graph, nodes: withSame(nodes, same), initializers, info }), shrink, stays };
}

/** A cut that is made when it is asked for, of a tensor that is. */
function lazily(
  old: Tensor,
  axes: ReadonlyMap<number, unknown>,
  kept: KeptIndices,
  name: string,
  shrink: Cut["shrink"],
): Tensor {
  const shape = old.shape.map((dim, axis) => (axes.has(axis) ? kept.byName(name, axis).length : dim));
  return lazyTensor(old.dtype as NumericDType, shape, () => shrink(name, old).data as TypedArray);
}

/** Shapes of values after a removal, without cutting anything: what budgets are computed from. */
export interface KeptIndices extends Kept {
  byName(name: string, axis: number): readonly number[];
}

function keptOf(traced: Traced, removed: Removed): KeptIndices {
  const known = new Map<string, readonly number[]>();
  const byName = (name: string, axis: number): readonly number[] => {
    const key = `${name}\0${axis}`;
    const indices = known.get(key);
    if (indices) return indices;
    const size = traced.types.get(name)!.shape[axis]!;
    const gone = removed.get(name)?.get(axis);
    const list = Array.from({ length: size }, (_, i) => i).filter((i) => !gone?.has(i));
    known.set(key, list);
    return list;
  };
  return { byName, axis: (value: Value, axis: number) => byName(value.name, axis) };
}

/** What added to the second list of integers makes the first; `undefined` where they are not of one form. */
function difference(now: Tensor, before: Tensor | undefined): Tensor | undefined {
  if (before === undefined || before.dtype !== "int64" || now.shape.join() !== before.shape.join()) return undefined;
  const old = toNumbers(before);
  return tensor(
    "int64",
    now.shape,
    toNumbers(now).map((n, i) => n - old[i]!),
  );
}

/** A node whose attributes or constant inputs hold sizes, with the new ones. */
function resizeNode(traced: Traced, node: Node, kept: Kept, store: (name: string, sizes: Tensor) => string): Node {
  const applied = applicationOf(traced, node);
  if (applied?.op.resize === undefined) return node;
  const change = applied.op.resize(kept, applied.inputs, applied.outputs, applied.attributes);
  const attributes: Record<string, Attribute> = { ...node.attributes };
  for (const [name, attribute] of Object.entries(change.attributes)) {
    if (attribute.value === undefined) delete attributes[name];
    else attributes[name] = attribute;
  }
  const inputs = [...node.inputs];
  for (const [at, sizes] of change.inputs) {
    while (inputs.length <= at) inputs.push("");
    inputs[at] = store(inputs[at] === "" ? `${node.outputs[0]}_sizes` : inputs[at]!, sizes);
  }
  return { ...node, attributes, inputs };
}

/**
 * Zeroes units without removing them: every activation that carries a removed unit is zero along it wherever it is read, and so is what
 * an operator needs zero to keep the unit from acting inside it (OpSpec.silence).
 * All shapes stay. It is what {@link cut} must equal, and refuses what that refuses.
 */
export function mask(graph: Graph, groups: Groups, removal: Removal): Graph {
  const { traced } = groups.coupling;
  const removed = removedIndices(groups, removal);
  const whole = goneOf(traced, removed);
  if (whole.size > 0) emptyOf(graph, groups, removal, whole);
  const alive = activations(traced);
  const taken = namesOf(graph);
  const initializers = new Map(graph.initializers);
  const constants = new Map<string, string>();
  const constant = (key: string, base: string, make: () => Tensor): string => {
    const known = constants.get(key);
    if (known) return known;
    const name = freshName(taken, base);
    initializers.set(name, make());
    constants.set(key, name);
    return name;
  };
  /** The value `from`, of the type of `name`, zero along what goes of an axis. */
  const along = (name: string, axis: number, gone: ReadonlySet<number>, from: string, to: string): Node => {
    const { shape, dtype } = traced.types.get(name)!;
    const line: Shape = shape.map((dim, at) => (at === axis ? dim : 1)).slice(axis);
    // A number whose bits are all set keeps the other's in a bitwise product.
    const [kind, one] = hasWhere(dtype) ? (["bool", 1] as const) : ([dtype as NumericDType, -1] as const);
    const key = `${kind}:${line.join()}:${[...gone].sort((a, b) => a - b).join()}`;
    const keep = constant(key, `${name}_mask`, () =>
      tensor(
        kind,
        line,
        Array.from({ length: shape[axis]! }, (_, at) => (gone.has(at) ? 0 : one)),
      ),
    );
    return zeroing(dtype, keep, from, to, () =>
      constant(`zero ${dtype}`, `zero_${dtype}`, () => zeros(dtype as NumericDType, [])),
    );
  };
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    const inputs = [...node.inputs];
    const applied = applicationOf(traced, node);
    for (const [{ name }, axis] of applied?.op.silence(applied.inputs) ?? []) {
      const gone = removed.get(name)?.get(axis);
      if (gone === undefined || alive.has(name)) continue;
      const silent = freshName(taken, `${name}_silent`);
      nodes.push(along(name, axis, gone, name, silent));
      inputs.forEach((input, i) => input === name && (inputs[i] = silent));
    }
    const after: Node[] = [];
    const outputs = node.outputs.map((name) => {
      const axes = removed.get(name);
      if (axes === undefined || !alive.has(name)) return name;
      let current = freshName(taken, `${name}_unmasked`);
      const first = current;
      const list = [...axes];
      list.forEach(([axis, gone], i) => {
        const next = i === list.length - 1 ? name : freshName(taken, `${name}_masked`);
        after.push(along(name, axis, gone, current, next));
        current = next;
      });
      return first;
    });
    nodes.push({ ...node, inputs, outputs }, ...after);
  }
  return { ...graph, nodes, initializers };
}

/** Whether the runtime selects among values of this type; of the narrow integers it has only uint8. */
const hasWhere = (dtype: DType): boolean => !/^u?int(8|16)$/.test(dtype) || dtype === "uint8";

/** Zero where `keep` is false. A product would turn an infinity into NaN. */
function zeroing(dtype: DType, keep: string, value: string, result: string, zero: () => string): Node {
  const shared = { domain: "", name: "", outputs: [result], attributes: {} };
  if (!hasWhere(dtype)) return { ...shared, op: "BitwiseAnd", inputs: [keep, value] };
  return dtype === "bool"
    ? { ...shared, op: "And", inputs: [keep, value] }
    : { ...shared, op: "Where", inputs: [keep, value, zero()] };
}
