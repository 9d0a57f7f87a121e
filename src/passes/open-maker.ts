/**
 * What stands in the place of a node while a batch is opened, gathered node by node, and
 * values that are the same for all samples.
 */

import type { Attribute, Node } from "../graph/graph.ts";
import { bytesOf, int64s, take, type Shape, type Tensor } from "../graph/tensor.ts";
import { beside } from "../onnx/upgrade-step.ts";
import { ratioOf, type BatchPlace } from "./batch-place.ts";
import { shapesOf, type Candidate, type Stage } from "./open-stage.ts";

/** What a value holds for the first sample, without a batch: its axis has the size of what the batch is folded with. */
export function onceOf(
  stage: Stage,
  made: Maker,
  name: string,
  { axis, outer, inner }: BatchPlace,
  value = stage.initializers.get(name),
): string | undefined {
  const { batch, different } = stage;
  if (batch === 1) return name;
  const indices = Array.from({ length: outer }, (_, o) => o * batch * inner).flatMap((start) =>
    Array.from({ length: inner }, (_, i) => start + i),
  );
  if (value === undefined)
    return made.node("Gather", [name, made.constant(int64s(indices))], { axis: { type: "int", value: axis } });
  if (value.dtype === "string") return undefined;
  const first = take(value, axis, indices);
  for (let sample = 1; sample < batch; sample++) {
    const other = take(
      value,
      axis,
      indices.map((i) => i + sample * inner),
    );
    if (!bytesOf(other).every((byte, i) => byte === bytesOf(first)[i])) {
      different.add(name);
      return undefined;
    }
  }
  return made.constant(first, `${name}_once`);
}

/** The same for every sample: its axis has the batch folded in. */
export function spreadOver(stage: Stage, made: Maker, name: string, place: BatchPlace): string {
  const { axis, outer, inner } = place;
  const shape = made.shapeOf(name);
  const [before, behind] = [shape.slice(0, axis), shape.slice(axis + 1)];
  const ones = (count: number): string[] =>
    count === 0 ? [] : [made.constant(int64s(Array.from({ length: count }, () => 1)))];
  const expand = (data: string, front: number, back: number): string =>
    made.node("Expand", [
      data,
      front + back === 0
        ? stage.size
        : made.node("Concat", [...ones(front), stage.size, ...ones(back)], { axis: { type: "int", value: 0 } }),
    ]);
  if (ratioOf(place) === 1) return made.carry(expand(name, axis, behind.length), place);
  const apart = made.node("Reshape", [name, made.constant(int64s([...before, outer, 1, inner, ...behind]))]);
  const whole = made.carry(expand(apart, axis + 1, behind.length + 1), { axis: axis + 1, outer: 1, inner: 1 });
  return made.carry(made.node("Reshape", [whole, made.constant(int64s([...before, -1, ...behind]))]), place);
}

export type Maker = ReturnType<typeof createMaker>;

/** Gathers the nodes and tensors of a candidate. */
export function createMaker(stage: Stage, base: string) {
  const nodes: Node[] = [];
  const tensors = new Map<string, Tensor>();
  const places = new Map<string, BatchPlace>();
  const shapes = new Map<string, Shape>();
  return {
    shapeOf: (name: string): Shape => tensors.get(name)?.shape ?? shapes.get(name) ?? shapesOf(stage, name)![0]!,
    constant(value: Tensor, name = `${base}_sizes`): string {
      const own = stage.fresh(name);
      tensors.set(own, value);
      return own;
    },
    node(op: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
      const own = stage.fresh(`${base}_batch`);
      nodes.push(beside(op, inputs, [own], attributes));
      if (op === "Gather") {
        const axis = attributes["axis"]!.value as number;
        shapes.set(own, shapesOf(stage, inputs[0]!)![0]!.with(axis, tensors.get(inputs[1]!)!.shape[0]!));
      }
      return own;
    },
    carry(name: string, place: BatchPlace): string {
      places.set(name, place);
      return name;
    },
    done: (last: Node, expected?: BatchPlace): Candidate => ({
      nodes: [...nodes, last],
      tensors,
      places,
      ...(expected && { expected }),
    }),
  };
}
