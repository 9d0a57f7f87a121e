/** What may stand in the place of a node that states a fixed batch, so that it runs at any. */

import type { Node } from "../graph/graph.ts";
import { int64s, sizeOf, take, tensor, toNumbers, type NumericDType, type Shape } from "../graph/tensor.ts";
import { placesInOrder, ratioOf, type BatchPlace } from "./batch-place.ts";
import { createMaker, onceOf, spreadOver } from "./open-maker.ts";
import { shapesOf, type Candidate, type Stage } from "./open-stage.ts";
import { followSizes, sizesInput } from "./sizes.ts";

/** Candidates from the likeliest on; each is told by `next` whether the one before fitted. */
export type Candidates = Generator<Candidate, void, boolean>;

/** A batch to the end of an axis, however long. */
const toEnd = 2 ** 31 - 1;

/** Everything that is worth trying for a node. */
export function* candidatesOf(stage: Stage, node: Node): Candidates {
  const data = node.inputs[0] ?? "";
  const place = stage.places.get(data);
  if (place && node.op === "Reshape" && node.domain === "") {
    yield* reshapes(stage, node, place);
    return;
  }
  if (yield { nodes: [node] }) return;
  const pattern = place && node.domain === "" ? patterns[node.op] : undefined;
  const found = pattern?.(stage, node, place!);
  if (found && (yield found)) return;
  yield* joins(stage, node);
}

const patterns: Readonly<
  Record<string, ((stage: Stage, node: Node, place: BatchPlace) => Candidate | undefined) | undefined>
> = { Expand: openExpand, Gather: openGather, GatherND: openGatherND, Resize: openResize, Slice: openSlice };

/** Targets of a Reshape for all axes that may take the batch. */
function* reshapes(stage: Stage, node: Node, place: BatchPlace): Candidates {
  const { original, batch } = stage;
  const [from, to] = [shapesOf(stage, node.inputs[0]!), original.types.get(node.outputs[0]!)?.shape];
  const target = stage.states[0]!.constants.get(node.inputs[1]!);
  if (from === undefined || to === undefined || target === undefined) {
    yield { nodes: [node] };
    return;
  }
  for (const expected of placesInOrder(from[0]!, place, to, batch)) {
    if (yield { nodes: [node], expected }) continue;
    const sizes = openTarget(node, toNumbers(target), from, to, expected.axis);
    const isFixed = stage.initializers.has(node.inputs[1]!);
    if (sizes && isFixed && (yield reshaped(stage, node, sizes, expected))) continue;
    yield computedTarget(stage, node, toNumbers(target), expected);
  }
}

/** A target that says the batch by 0 (copy) or -1 (infer); `undefined` where that does not do. */
function openTarget(
  node: Node,
  stated: readonly number[],
  from: readonly Shape[],
  to: Shape,
  axis: number,
): number[] | undefined {
  if (node.attributes["allowzero"]?.value === 1 && stated.includes(0)) return undefined;
  const copies = (i: number): boolean => from.every((shape, k) => shape[i] === (i === axis ? to[i]! * (k + 1) : to[i]));
  const inferred = stated.findIndex((size, i) => size === -1 && i !== axis);
  if (copies(axis)) return stated.with(axis, 0);
  if (inferred === -1) return stated.with(axis, -1);
  return copies(inferred) ? stated.with(inferred, 0).with(axis, -1) : undefined;
}

function reshaped(stage: Stage, node: Node, sizes: readonly number[], expected: BatchPlace): Candidate {
  const name = stage.fresh(`${node.inputs[1]}_open`);
  const { allowzero: _, ...attributes } = node.attributes;
  return {
    nodes: [{ ...node, inputs: [node.inputs[0]!, name], attributes }],
    tensors: new Map([[name, int64s(sizes)]]),
    expected,
  };
}

/** A target in which the batch is computed. */
function computedTarget(stage: Stage, node: Node, stated: readonly number[], expected: BatchPlace): Candidate {
  const { axis } = expected;
  const made = createMaker(stage, node.outputs[0]!);
  const factor = ratioOf(expected);
  const size = factor === 1 ? stage.size : made.node("Mul", [stage.size, made.constant(int64s([factor]))]);
  const part = (from: number, to: number): string[] => {
    if (from === to) return [];
    if (stage.initializers.has(node.inputs[1]!)) return [made.constant(int64s(stated.slice(from, to)))];
    return [made.node("Slice", [node.inputs[1]!, made.constant(int64s([from])), made.constant(int64s([to]))])];
  };
  const target = made.node("Concat", [...part(0, axis), size, ...part(axis + 1, stated.length)], {
    axis: { type: "int", value: 0 },
  });
  return made.done({ ...node, inputs: [node.inputs[0]!, target] }, expected);
}

/** An Expand whose target leaves the batch as it is. */
function openExpand(stage: Stage, node: Node, place: BatchPlace): Candidate | undefined {
  const target = stage.initializers.get(node.inputs[1]!);
  const rank = shapesOf(stage, node.inputs[0]!)?.[0]!.length;
  if (target === undefined || rank === undefined) return undefined;
  const made = createMaker(stage, node.outputs[0]!);
  const sizes = toNumbers(target);
  const open = made.constant(int64s(sizes.with(place.axis + sizes.length - rank, 1)));
  return made.done({ ...node, inputs: [node.inputs[0]!, open] });
}

/** A Resize that names the axes that do not follow its input. */
function openResize(stage: Stage, node: Node): Candidate | undefined {
  const name = node.inputs[sizesInput] ?? "";
  const [data, sizes] = [shapesOf(stage, node.inputs[0]!)?.[0], stage.initializers.get(name)];
  const open = data && sizes && followSizes(node, [{ data, sizes }], [], () => stage.fresh(`${name}_open`));
  return open && { nodes: [open.node], tensors: new Map([[open.name, open.sizes]]) };
}

/** A Slice that takes all samples that there are. */
function openSlice(stage: Stage, node: Node, place: BatchPlace): Candidate | undefined {
  const [starts, ends, axes, steps] = [1, 2, 3, 4].map((i) => stage.initializers.get(node.inputs[i] ?? ""));
  const size = shapesOf(stage, node.inputs[0]!)?.[0]![place.axis];
  if (!starts || !ends || size === undefined) return undefined;
  const rank = stage.states[0]!.types.get(node.inputs[0]!)!.shape.length;
  const along = axes
    ? toNumbers(axes).map((axis) => (axis < 0 ? axis + rank : axis))
    : toNumbers(starts).map((_, i) => i);
  const at = along.indexOf(place.axis);
  const whole = at !== -1 && toNumbers(starts)[at] === 0 && toNumbers(ends)[at]! >= size;
  if (!whole || (steps && toNumbers(steps)[at] !== 1)) return undefined;
  const made = createMaker(stage, node.outputs[0]!);
  const open = made.constant(tensor(ends.dtype as NumericDType, ends.shape, toNumbers(ends).with(at, toEnd)));
  return made.done({ ...node, inputs: node.inputs.with(2, open) });
}

/** A Gather of places that are numbered on through all samples: each sample is asked for its own instead. */
function openGather(stage: Stage, node: Node, place: BatchPlace): Candidate | undefined {
  const { batch, initializers, original } = stage;
  const shape = original.types.get(node.inputs[0]!)?.shape ?? [];
  const given = (node.attributes["axis"]?.value ?? 0) as number;
  const axis = given < 0 ? given + shape.length : given;
  const indices = initializers.get(node.inputs[1]!);
  if (indices?.shape[0] !== batch || place.axis !== axis || place.outer !== 1) return undefined;
  const numbers = toNumbers(indices);
  const each = numbers.length / batch;
  const own = numbers.slice(0, each);
  const fits = own.every((index) => index >= 0 && index < place.inner);
  if (!fits || numbers.some((index, i) => index !== Math.floor(i / each) * place.inner + own[i % each]!))
    return undefined;
  const made = createMaker(stage, node.outputs[0]!);
  const apart = made.node("Reshape", [
    node.inputs[0]!,
    made.constant(int64s([...shape.slice(0, axis), -1, place.inner, ...shape.slice(axis + 1)])),
  ]);
  made.carry(apart, { axis, outer: 1, inner: 1 });
  const asked = made.constant(tensor(indices.dtype as NumericDType, indices.shape.slice(1), own));
  return made.done({
    ...node,
    inputs: [apart, asked],
    attributes: { ...node.attributes, axis: { type: "int", value: axis + 1 } },
  });
}

/**
 * A GatherND whose indices name each sample in turn, as `mask[arange(n)[:, None], places]` does: each
 * sample is asked for its places instead.
 */
function openGatherND(stage: Stage, node: Node, place: BatchPlace): Candidate | undefined {
  const { batch, initializers } = stage;
  const indices = initializers.get(node.inputs[1]!);
  const named = (node.attributes["batch_dims"]?.value ?? 0) === 0;
  if (indices?.shape[0] !== batch || !named || place.axis !== 0 || ratioOf(place) !== 1) return undefined;
  const depth = indices.shape.at(-1)!;
  const samples = toNumbers(take(indices, indices.shape.length - 1, [0]));
  const each = samples.length / batch;
  if (depth < 2 || samples.some((sample, i) => sample !== Math.floor(i / each))) return undefined;
  const made = createMaker(stage, node.outputs[0]!);
  const places = take(
    indices,
    indices.shape.length - 1,
    Array.from({ length: depth - 1 }, (_, i) => i + 1),
  );
  const whole = made.constant(places);
  const once = onceOf(stage, made, whole, { axis: 0, outer: 1, inner: 1 }, places);
  if (once === undefined) return undefined;
  const spread = spreadOver(stage, made, once, { axis: 0, outer: 1, inner: 1 });
  return made.done({
    ...node,
    inputs: [node.inputs[0]!, spread],
    attributes: { ...node.attributes, batch_dims: { type: "int", value: 1 } },
  });
}

/** What is the same for all samples is spread over the batch where it meets what carries it. */
function* joins(stage: Stage, node: Node): Candidates {
  const { batch, places } = stage;
  const carried = node.inputs.flatMap((name) => places.get(name) ?? []);
  const free = [...new Set(node.inputs)].flatMap((name) => {
    const shape = places.has(name) ? undefined : shapesOf(stage, name)?.[0];
    return shape && sizeOf(shape) > 0 ? [{ name, shape }] : [];
  });
  const tried = new Set<string>();
  for (const place of carried)
    for (const axis of axesFrom(
      place.axis,
      free.map(({ shape }) => shape.length),
    )) {
      const fitting = free.filter(({ shape }) => shape[axis] === batch * ratioOf(place)).map(({ name }) => name);
      const sets = fitting.length > 1 ? [fitting, ...fitting.map((name) => [name])] : [fitting];
      for (const names of sets)
        for (const spread of batch > 1 && ratioOf(place) === 1 ? [false, true] : [true]) {
          const key = `${names.join("\n")}\n${axis} ${place.outer} ${place.inner} ${spread}`;
          if (names.length === 0 || tried.has(key)) continue;
          tried.add(key);
          const candidate = joined(stage, node, names, { ...place, axis }, spread);
          if (candidate && (yield candidate)) return;
        }
    }
}

/** The axis itself, then the others that there are. */
const axesFrom = (first: number, ranks: readonly number[]): number[] => [
  first,
  ...Array.from({ length: Math.max(0, ...ranks) }, (_, axis) => axis).filter((axis) => axis !== first),
];

/**
 * The node with some inputs taken once and, if asked, spread over the batch; `undefined`
 * where they differ from sample to sample.
 */
function joined(
  stage: Stage,
  node: Node,
  names: readonly string[],
  place: BatchPlace,
  spread: boolean,
): Candidate | undefined {
  const made = createMaker(stage, node.outputs[0]!);
  const inputs = new Map<string, string>();
  for (const name of names) {
    const once = onceOf(stage, made, name, place);
    if (once === undefined) return undefined;
    inputs.set(name, spread ? spreadOver(stage, made, once, place) : once);
  }
  return made.done({ ...node, inputs: node.inputs.map((name) => inputs.get(name) ?? name) });
}
