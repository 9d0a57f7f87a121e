/** The physical removal of units; mask.ts has its twin that only zeroes them. */

import type { Attribute, Dim, Graph, Node, ValueInfo } from "../../graph/graph.ts";
import { namesOf } from "../../graph/names.ts";
import { isLazy, lazyTensor, take, type NumericDType, type Tensor, type TypedArray } from "../../graph/tensor.ts";
import { beside } from "../../onnx/upgrade-step.ts";
import type { Remaining, Op, Value } from "../../ops/core/define.ts";
import { removeDead } from "../../passes/dead.ts";
import { applicationOf, type Traced } from "../../passes/trace.ts";
import { restated, stepsTo, type SizesAt } from "./computed-sizes.ts";
import type { Analysis } from "../coupling/analysis.ts";
import { createOtherSizes, type OtherSizes, type RemovalAt } from "./other-sizes.ts";
import { goneOf, withSame, type WholeGroupRemoval, type Removed } from "./whole-group.ts";
import { removeWholeGroupsOf } from "./whole-group-cut.ts";
import { positionsAfter } from "./positions.ts";
import { matchGroups, mayRename, type MatchedGroups } from "./match-groups.ts";
import { removedIndices, type Removal } from "../coupling/removal.ts";

/** What stays along every axis. */
export interface Cut {
  readonly graph: Graph;
  /** The groups of that graph, where some went as a whole. */
  readonly matched?: MatchedGroups;
  /** A tensor that has the shape of a value, such as an optimiser's state, cut as the value is. */
  shrink(name: string, whole: Tensor): Tensor;
}

/**
 * Removes units: smaller initializers, smaller sizes, fewer elements everywhere; inputs and outputs stay.
 * Where all units of a group go, what has no elements any more vanishes, and what was computed of it
 * alone is a constant (whole-group.ts).
 *
 * @param graph the graph as it is to be written; open sizes stay open
 * @param analysis of `graph`, or of one with the same nodes and shapes
 * @param elsewhere the same removal at other sizes, where it has been looked for
 * @throws SecateurError `bad-plan` for units that there are not, and for groups that
 * cannot go as a whole, with the reason
 */
export function cut(
  graph: Graph,
  analysis: Analysis,
  removal: Removal,
  elsewhere: OtherSizes = createOtherSizes(analysis, removal),
): Cut {
  const removed = removedIndices(analysis, removal);
  const gone = goneOf(analysis.traced, removed);
  if (gone.size === 0) {
    const whole = { nodes: graph.nodes, constants: new Map(), same: new Map() };
    const rest = cutNodes(whole, graph, analysis, removed, elsewhere);
    return mayRename(analysis, removal) ? { ...rest, graph: matchGroups(analysis, removal, rest.graph).graph } : rest;
  }
  const small = cutNodes(removeWholeGroupsOf(graph, analysis, removal, gone), graph, analysis, removed, elsewhere);
  const matched = matchGroups(analysis, removal, small.graph);
  return { ...small, graph: matched.graph, matched };
}

/** Cuts a tensor that has the shape of a value as the value is cut; see {@link Cut.shrink}. */
export const shrinkerOf = ({ analysis, removed }: RemovalAt): Cut["shrink"] =>
  createShrink(analysis.traced, removed, remainingOf(analysis, removed));

const createShrink =
  (traced: Traced, removed: Removed, left: RemainingIndices): Cut["shrink"] =>
  (name, whole) => {
    // What loses nothing may have no type.
    if (!removed.has(name)) return whole;
    let result = whole;
    const { shape } = traced.types.get(name)!;
    // A constant may lack leading axes, and one index of it may stand for all.
    const lead = shape.length - whole.shape.length;
    for (const axis of removed.get(name)!.keys())
      if (whole.shape[axis - lead] === shape[axis]) result = take(result, axis - lead, left.byName(name, axis));
    return result;
  };

function cutNodes(
  { nodes: left, constants, same }: WholeGroupRemoval,
  graph: Graph,
  analysis: Analysis,
  removed: Removed,
  elsewhere: OtherSizes,
): Cut {
  const { traced } = analysis;
  const indices = remainingOf(analysis, removed);
  const initializers = new Map([...graph.initializers, ...constants]);
  const shrink = createShrink(traced, removed, indices);
  for (const name of removed.keys()) {
    const old = initializers.get(name);
    if (old)
      initializers.set(name, isLazy(old) ? lazily(old, removed.get(name)!, indices, name, shrink) : shrink(name, old));
  }
  const { readers, producers } = analysis;
  const taken = namesOf(graph);
  const nodes = left.flatMap((node) => {
    if (![...node.inputs, ...node.outputs].some((name) => removed.has(name))) return [node];
    const before: Node[] = [];
    const resized = resizeNode(traced, node, indices, (name, sizes, at) => {
      const once = readers.get(name)?.length === 1 && node.inputs.filter((input) => input === name).length === 1;
      const own = once && graph.initializers.has(name);
      const target = own ? name : taken.fresh(`${name}_resized`);
      const computed = graph.initializers.has(name) ? undefined : traced.constants.get(name);
      if (computed === undefined) {
        initializers.set(target, sizes);
        return target;
      }
      // Sizes that the graph computes follow what is open: only what is removed is taken off.
      const others = elsewhere().flatMap((one): SizesAt[] => {
        const { traced: there } = one.analysis;
        const now = resizedInput(there, node, remainingOf(one.analysis, one.removed, analysis), at);
        const old = there.constants.get(name);
        return old && now ? [{ before: old, after: now }] : [];
      });
      const seen = [{ before: computed, after: sizes }, ...others];
      const parts = restated(traced, producers.get(name), seen);
      if (parts !== undefined) {
        const inputs = parts.map((part) => {
          if (typeof part === "string") return part;
          const own = taken.fresh(`${target}_part`);
          initializers.set(own, part);
          return own;
        });
        before.push({ ...producers.get(name)!, name: "", inputs, outputs: [target] });
        return target;
      }
      const steps = stepsTo(node, seen);
      return steps.reduce((from, { op, by }, i) => {
        const [number, to] = [taken.fresh(`${name}_removed`), i < steps.length - 1 ? taken.fresh(target) : target];
        initializers.set(number, by);
        before.push(beside(op, [from, number], [to]));
        return to;
      }, name);
    });
    return [...before, resized];
  });
  const resizedInfo = (info: ValueInfo): ValueInfo => {
    const axes = removed.get(info.name);
    if (axes === undefined || info.shape === undefined) return info;
    // What is left of an open size has no name.
    const left = (dim: Dim, axis: number): Dim =>
      typeof dim === "string" ? "" : indices.byName(info.name, axis).length;
    return { ...info, shape: info.shape.map((dim, axis) => (axes.has(axis) ? left(dim, axis) : dim)) };
  };
  const info = new Map(
    [...graph.info].flatMap(([name, value]) => (constants.has(name) ? [] : [[name, resizedInfo(value)]])),
  );
  const smaller = removeDead({ ...graph, nodes: withSame(nodes, same), initializers, info });
  const { positions } = graph;
  if (positions === undefined) return { graph: smaller, shrink };
  const fewer = positionsAfter(positions, traced, removed, indices.byName, smaller);
  return { graph: { ...smaller, positions: fewer }, shrink };
}

/** A cut that is made when it is asked for, of a tensor that is. */
function lazily(
  old: Tensor,
  axes: ReadonlyMap<number, unknown>,
  left: RemainingIndices,
  name: string,
  shrink: Cut["shrink"],
): Tensor {
  const shape = old.shape.map((dim, axis) => (axes.has(axis) ? left.byName(name, axis).length : dim));
  return lazyTensor(old.dtype as NumericDType, shape, () => shrink(name, old).data as TypedArray);
}

/** Shapes of values after a removal, without cutting anything: what budgets are computed from. */
export interface RemainingIndices extends Remaining {
  byName(name: string, axis: number): readonly number[];
}

function remainingOf(analysis: Analysis, removed: Removed, settling = analysis): RemainingIndices {
  const { traced } = analysis;
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
  return {
    byName,
    axis: (value: Value, axis: number) => byName(value.name, axis),
    settled: (value: Value, axis: number) => settling.isSettled(value.name, axis),
  };
}

/** What an operator says of the sizes that a node holds; `undefined` where it holds none. */
function resizing(traced: Traced, node: Node, remaining: Remaining): ReturnType<NonNullable<Op["resize"]>> | undefined {
  const applied = applicationOf(traced, node);
  return applied?.op.resize?.(remaining, applied.inputs, applied.outputs, applied.attributes);
}

const resizedInput = (traced: Traced, node: Node, remaining: Remaining, at: number): Tensor | undefined =>
  resizing(traced, node, remaining)?.inputs.get(at);

/** A node whose attributes or constant inputs hold sizes, with the new ones. */
function resizeNode(
  traced: Traced,
  node: Node,
  remaining: Remaining,
  store: (name: string, sizes: Tensor, at: number) => string,
): Node {
  const change = resizing(traced, node, remaining);
  if (change === undefined) return node;
  const attributes: Record<string, Attribute> = { ...node.attributes };
  for (const [name, attribute] of Object.entries(change.attributes)) {
    if (attribute.value === undefined) delete attributes[name];
    else attributes[name] = attribute;
  }
  const inputs = [...node.inputs];
  for (const [at, sizes] of change.inputs) {
    while (inputs.length <= at) inputs.push("");
    inputs[at] = store(inputs[at] === "" ? `${node.outputs[0]}_sizes` : inputs[at]!, sizes, at);
  }
  return { ...node, attributes, inputs };
}
