/**
 * Writes a view by strides, which exporters put as a Gather from all elements of a value, as the
 * Reshape or the Transpose that it is.
 */

import { producersOf, type Graph, type Node } from "../graph/graph.ts";
import { namesOf } from "../graph/names.ts";
import { int64s, sizeOf, toNumbers, type Shape, type Tensor } from "../graph/tensor.ts";
import { beside, intsOf } from "../onnx/upgrade-step.ts";
import { openAxes } from "./dims.ts";
import { trace, valueOf, type Traced, type TraceOptions } from "./trace.ts";

/** A view has an index for each element: more than sizes have, and no more than activations of a few samples. */
const mostIndices = 2 ** 17;

/**
 * A view at one batch size: the shape that is read, and of what is given the shape and the
 * axes in the order of their elements.
 */
interface View {
  readonly from: Shape;
  readonly shape: Shape;
  readonly order: readonly number[];
}

/**
 * The stated pattern is a Reshape to one axis and a Gather from it, whose indices count all elements
 * once: PyTorch's `as_strided`, which a pooling to one pixel becomes where channels come last. In the
 * flat form no axis can be told from another.
 *
 * @param probes traces at different sizes, which tell what follows from which
 * @returns the same graph where nothing is to be written otherwise
 */
export function plainViews(graph: Graph, probes: readonly Traced[]): Graph {
  const producers = producersOf(graph);
  const flatOf = (node: Node): Node | undefined => {
    const flat = node.op === "Gather" && node.domain === "" ? producers.get(node.inputs[0]!) : undefined;
    return flat?.op === "Reshape" && Number(node.attributes["axis"]?.value ?? 0) === 0 ? flat : undefined;
  };
  if (!graph.nodes.some(flatOf)) return graph;
  const traces = probes.map((probe) => trace(graph, { ...settingOf(graph, probe), mostIntegers: mostIndices }));
  let changed = false;
  const initializers = new Map<string, Tensor>(graph.initializers);
  const taken = namesOf(graph);
  const nodes = graph.nodes.flatMap((node): Node[] => {
    const flat = flatOf(node);
    const views = flat ? traces.map((traced) => viewOf(traced, node, flat)) : [];
    const [first] = views;
    if (!first || !views.every((view): view is View => view?.order.join() === first.order.join())) return [node];
    const target = finalShape(views as readonly View[]);
    if (target === undefined) return [node];
    changed = true;
    const [output] = node.outputs as [string];
    const sizes = taken.fresh(`${output}_sizes`);
    initializers.set(sizes, int64s(target));
    const perm = first.order.map((_, axis) => first.order.indexOf(axis));
    const isOrdered = perm.every((from, to) => from === to);
    const reshaped = isOrdered ? output : taken.fresh(`${output}_ordered`);
    const reshape = { op: "Reshape", domain: "", name: node.name, inputs: [flat!.inputs[0]!, sizes], attributes: {} };
    const transpose = beside("Transpose", [reshaped], [output], { perm: intsOf(perm) });
    return [{ ...reshape, outputs: [reshaped] }, ...(isOrdered ? [] : [transpose])];
  });
  return changed ? { ...graph, nodes, initializers } : graph;
}

/** The sizes at which a trace was made. */
function settingOf(graph: Graph, { types }: Traced): TraceOptions {
  const axes = openAxes(graph).map(({ input, axis, symbol }) => ({
    axis,
    symbol,
    size: types.get(input.name)!.shape[axis]!,
  }));
  const batch = axes.find(({ axis }) => axis === 0)?.size;
  return { ...(batch !== undefined && { batch }), sizes: new Map(axes.map(({ symbol, size }) => [symbol, size])) };
}

/** What a Gather from a flat value reads, where that is every element once and a step for each axis says which. */
function viewOf(traced: Traced, node: Node, flat: Node): View | undefined {
  const from = valueOf(traced, flat.inputs[0]!)?.shape;
  const given = valueOf(traced, node.inputs[0]!)?.shape;
  const indices = traced.constants.get(node.inputs[1]!);
  if (from === undefined || given?.length !== 1 || indices === undefined) return undefined;
  const { shape } = indices;
  const count = sizeOf(from);
  if (sizeOf(shape) !== count || count === 0) return undefined;
  const at = toNumbers(indices);
  const inner = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  const strides = shape.map((dim, axis) => (dim > 1 ? at[inner[axis]!]! : 0));
  // An axis of one element may stand anywhere.
  const long = shape.flatMap((dim, axis) => (dim > 1 ? [axis] : [])).sort((a, b) => strides[b]! - strides[a]!);
  const longSlots = shape.flatMap((dim, axis) => (dim > 1 ? [axis] : []));
  const order = shape.map((_, axis) => (longSlots.includes(axis) ? long[longSlots.indexOf(axis)]! : axis));
  const isDense = long.every((axis, i) => strides[axis] === sizeOf(long.slice(i + 1).map((later) => shape[later]!)));
  const isView = at.every(
    (index, i) =>
      index === shape.reduce((sum, dim, axis) => sum + (Math.floor(i / inner[axis]!) % dim) * strides[axis]!, 0),
  );
  return isDense && isView ? { from, shape, order } : undefined;
}

/**
 * The target of the Reshape: sizes that follow the batch by 0 (copy) or -1 (infer); `undefined` where that does not do.
 */
function finalShape(views: readonly View[]): number[] | undefined {
  const sizes = views.map(({ shape, order }) => order.map((axis) => shape[axis]!));
  const copies = (i: number): boolean => views.every(({ from }, k) => from[i] === sizes[k]![i]);
  const target = sizes[0]!.map((size, i) => {
    const isFixed = sizes.every((one) => one[i] === size);
    // The first axis is the batch mostly, which a file may fix and a user may not.
    if (i === 0 ? copies(i) : !isFixed && copies(i)) return 0;
    return isFixed ? size : -1;
  });
  return target.filter((size) => size === -1).length <= 1 ? target : undefined;
}
