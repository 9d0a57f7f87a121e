/** The physical removal of units; mask.ts has its twin that only zeroes them. */

import type { Dim, Graph, ValueInfo } from "../../graph/graph.ts";
import { isLazy, lazyTensor, take, type NumericDType, type Tensor, type TypedArray } from "../../graph/tensor.ts";
import { removeDead } from "../../passes/dead.ts";
import type { Traced } from "../../passes/trace.ts";
import type { Analysis } from "../coupling/analysis.ts";
import { createOtherSizes, type OtherSizes, type RemovalAt } from "./other-sizes.ts";
import { goneOf, withSame, type WholeGroupRemoval, type Removed } from "./whole-group.ts";
import { removeWholeGroupsOf } from "./whole-group-cut.ts";
import { remainingOf, type RemainingIndices } from "./remaining.ts";
import { createResize } from "./resize.ts";
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
  const resize = createResize({ graph, analysis, removed, indices, elsewhere, initializers });
  const nodes = left.flatMap((node) =>
    [...node.inputs, ...node.outputs].some((name) => removed.has(name)) ? resize(node) : [node],
  );
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
