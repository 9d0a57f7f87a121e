/** What a graph would cost with units removed. */

import { fail } from "../../graph/error.ts";
import { bytesPerElement, sizeOf } from "../../graph/tensor.ts";
import type { Node } from "../../graph/graph.ts";
import type { Value } from "../../ops/core/define.ts";
import { macsOf, parametersIn, repetitions, type Costs } from "../../passes/costs.ts";
import { applicationOf } from "../../passes/trace.ts";
import type { Analysis } from "../coupling/analysis.ts";
import type { LostAxes } from "../coupling/lost.ts";
import type { Unit } from "../coupling/groups.ts";
import type { Removal } from "../coupling/removal.ts";

/** The costs of a graph while units are taken away one by one; only what a unit touches is computed anew. */
export interface CostModel {
  remove(unit: Unit): void;
  /** What the removal of one more unit would save. */
  saving(unit: Unit): Costs;
  /** What would be left without more units, by the numbers that they have in the analysis. Nothing is taken away. */
  without(removal: Removal): Costs;
  costs(): Costs;
}

export function createCostModel(analysis: Analysis): CostModel {
  const { graph, traced, producers, readers } = analysis;
  const { batch, times } = repetitions(traced);
  const shapes = new Map([...traced.types].map(([name, { shape }]) => [name, [...shape]]));
  const isParameter = parametersIn(graph);
  const resized = (value: Value | undefined): Value | undefined =>
    value && { ...value, shape: shapes.get(value.name)! };
  const macsNow = (node: Node): number => {
    const applied = applicationOf(traced, node);
    if (applied === undefined) return 0;
    const small = { ...applied, inputs: applied.inputs.map(resized), outputs: applied.outputs.map((y) => resized(y)!) };
    return macsOf(small) * times(node);
  };
  const ofNode = new Map(graph.nodes.map((node) => [node, macsNow(node)]));
  const costs = { ...analysis.costs, macs: analysis.costs.macs * batch };
  /** What changes where a unit goes, and what it was of each node; sizes are changed in place. */
  const take = (lost: LostAxes) => {
    const gone = { macs: 0, params: 0, bytes: 0 };
    const before = new Map<Node, number>();
    for (const [value, axes] of lost) {
      const shape = shapes.get(value)!;
      const size = sizeOf(shape);
      for (const [axis, count] of axes) shape[axis]! -= count;
      const initializer = graph.initializers.get(value);
      if (initializer) {
        const elements = size - sizeOf(shape);
        if (isParameter(value, initializer)) gone.params += elements;
        gone.bytes += elements * bytesPerElement(initializer.dtype);
      }
      for (const node of [producers.get(value) ?? [], readers.get(value) ?? []].flat())
        before.set(node, ofNode.get(node)!);
    }
    for (const [node, macs] of before) {
      const now = macsNow(node);
      gone.macs += macs - now;
      ofNode.set(node, now);
    }
    return { gone, before };
  };
  /** What the loss of axes saves, without losing them. */
  const trial = (lost: LostAxes): Costs => {
    const { gone, before } = take(lost);
    for (const [value, axes] of lost) for (const [axis, count] of axes) shapes.get(value)![axis]! += count;
    for (const [node, macs] of before) ofNode.set(node, macs);
    return gone;
  };
  return {
    remove(unit) {
      const { gone } = take(analysis.lostBy(unit));
      for (const key of ["macs", "params", "bytes"] as const) costs[key] -= gone[key];
    },
    saving(unit) {
      const gone = trial(analysis.lostBy(unit));
      return { ...gone, macs: gone.macs / batch };
    },
    without(removal) {
      const gone = trial(lostTogether(analysis, removal));
      return {
        macs: (costs.macs - gone.macs) / batch,
        params: costs.params - gone.params,
        bytes: costs.bytes - gone.bytes,
      };
    },
    costs: () => ({ ...costs, macs: costs.macs / batch }),
  };
}

/** How many indices of each axis go with all units of a removal. */
function lostTogether({ lostBy, groups }: Analysis, removal: Removal): LostAxes {
  const times = new Map<LostAxes, number>();
  const byName = new Map(groups.map(({ name, units }) => [name, units]));
  for (const [group, units] of removal)
    for (const number of units) {
      const unit = byName.get(group)?.[number];
      if (!unit) fail("bad-plan", `the model has no unit ${number} of a group "${group}"`);
      const lost = lostBy(unit);
      times.set(lost, (times.get(lost) ?? 0) + 1);
    }
  const all = new Map<string, Map<number, number>>();
  for (const [lost, count] of times)
    for (const [value, axes] of lost) {
      const sum = all.get(value) ?? new Map<number, number>();
      for (const [axis, each] of axes) sum.set(axis, (sum.get(axis) ?? 0) + each * count);
      all.set(value, sum);
    }
  return all;
}
