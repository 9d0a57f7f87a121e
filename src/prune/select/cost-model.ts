/** What a graph would cost with units removed. */

import { bytesPerElement, sizeOf } from "../../graph/tensor.ts";
import type { Node } from "../../graph/graph.ts";
import type { Value } from "../../ops/core/define.ts";
import { costsOf, macsOf, parametersIn, repetitions, type Costs } from "../../passes/costs.ts";
import { applicationOf } from "../../passes/trace.ts";
import type { Analysis } from "../coupling/analysis.ts";
import type { Unit } from "../coupling/groups.ts";

/** The costs of a graph while units are taken away one by one; only what a unit touches is computed anew. */
export interface CostModel {
  remove(unit: Unit): void;
  /** What the removal of one more unit would save. */
  saving(unit: Unit): Costs;
  costs(): Costs;
}

export function createCostModel(analysis: Analysis): CostModel {
  const { traced, locate } = analysis.coupling;
  const { batch, times } = repetitions(traced);
  const shapes = new Map([...traced.types].map(([name, { shape }]) => [name, [...shape]]));
  const isParameter = parametersIn(traced.graph);
  const users = new Map<string, Node[]>();
  for (const node of traced.graph.nodes)
    for (const name of new Set([...node.inputs, ...node.outputs])) {
      const known = users.get(name);
      if (known) known.push(node);
      else users.set(name, [node]);
    }
  const resized = (value: Value | undefined): Value | undefined =>
    value && { ...value, shape: shapes.get(value.name)! };
  const macsNow = (node: Node): number => {
    const applied = applicationOf(traced, node);
    if (applied === undefined) return 0;
    const small = { ...applied, inputs: applied.inputs.map(resized), outputs: applied.outputs.map((y) => resized(y)!) };
    return macsOf(small) * times(node);
  };
  const ofNode = new Map(traced.graph.nodes.map((node) => [node, macsNow(node)]));
  const start = costsOf(traced);
  let macs = start.macs * batch;
  let { params, bytes } = start;
  /** What changes where a unit goes; sizes are changed in place. */
  const take = ({ atoms }: Unit): { macs: number; params: number; bytes: number; undo: () => void } => {
    const lost = new Map<string, Map<number, number>>();
    for (const atom of atoms) {
      const { value, axis } = locate(atom);
      const axes = lost.get(value) ?? new Map<number, number>();
      lost.set(value, axes.set(axis, (axes.get(axis) ?? 0) + 1));
    }
    const touched = new Map<Node, number>();
    const gone = { macs: 0, params: 0, bytes: 0 };
    for (const [value, axes] of lost) {
      const shape = shapes.get(value)!;
      const before = sizeOf(shape);
      for (const [axis, count] of axes) shape[axis]! -= count;
      const initializer = traced.graph.initializers.get(value);
      if (initializer) {
        const elements = before - sizeOf(shape);
        if (isParameter(value, initializer)) gone.params += elements;
        gone.bytes += elements * bytesPerElement(initializer.dtype);
      }
      for (const node of users.get(value) ?? []) touched.set(node, ofNode.get(node)!);
    }
    for (const [node, before] of touched) {
      const now = macsNow(node);
      gone.macs += before - now;
      ofNode.set(node, now);
    }
    const undo = (): void => {
      for (const [value, axes] of lost) for (const [axis, count] of axes) shapes.get(value)![axis]! += count;
      for (const [node, before] of touched) ofNode.set(node, before);
    };
    return { ...gone, undo };
  };
  return {
    remove(unit) {
      const gone = take(unit);
      macs -= gone.macs;
      params -= gone.params;
      bytes -= gone.bytes;
    },
    saving(unit) {
      const { undo, ...gone } = take(unit);
      undo();
      return { ...gone, macs: gone.macs / batch };
    },
    costs: () => ({ macs: macs / batch, params, bytes }),
  };
}
