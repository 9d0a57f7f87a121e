/** What there is to know of a model before it is pruned. */

import { describe, type Model } from "../graph/graph.ts";
import { countNotFinite } from "../graph/tensor.ts";
import { normalise, type NormaliseOptions } from "../passes/normalise.ts";
import { causesOf, neuronsOf, type Cause } from "./causes.ts";
import type { Costs } from "../passes/costs.ts";
import { findGates } from "./gates/gates.ts";
import { analyse, type Analysis } from "./coupling/analysis.ts";
import { whyNotWhole } from "./cut/whole.ts";
import { createCostModel } from "./select/cost-model.ts";

export interface Summary extends Costs {
  /** Of the file, which what is written is in too. */
  readonly opset: number;
  readonly nodes: number;
  readonly inputs: readonly ValueSummary[];
  readonly outputs: readonly ValueSummary[];
  readonly groups: readonly GroupSummary[];
  /** What keeps units from being pruned, the cause that costs most first. */
  readonly causes: readonly Cause[];
  /** Neurons that can never be removed, and why. */
  readonly frozen: readonly { readonly name: string; readonly units: number; readonly reasons: readonly string[] }[];
  /** Weights that hold NaN or infinities. */
  readonly notFinite: readonly NotFinite[];
  /** Nodes whose rules are not known; what they touch is frozen. */
  readonly refused: readonly { readonly node: string; readonly reason: string }[];
}

/** A weight with elements that are NaN or infinite. */
export interface NotFinite {
  readonly name: string;
  readonly count: number;
  readonly of: number;
}

export interface ValueSummary {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly (number | string)[];
}

export interface GroupSummary {
  readonly name: string;
  readonly units: number;
  /** What the removal of one unit saves: of the first, where they differ. */
  readonly saving: Costs;
  /** The node that first produces the units. */
  readonly node: string;
  /** Every axis that the units lie on, as `value:axis`. */
  readonly axes: readonly string[];
  /** The nodes that those values touch. */
  readonly nodes: readonly string[];
  /** The values that bear the gates. */
  readonly gates: readonly string[];
  /** Why removing these units is not what zeroing them is; empty where it is. */
  readonly inexact: readonly string[];
  /** Whether all units can go, and why one has to stay where they cannot; absent where that was not asked. */
  readonly whole?: { readonly possible: boolean; readonly reason?: string };
}

export interface SummaryOptions extends NormaliseOptions {
  /** Whether to tell of each group if it can go as a whole, which is tried one by one; default false. */
  readonly whole?: boolean | undefined;
}

/** More reasons than this for one group say nothing further. */
const mostReasons = 3;

/** Looks at a model: its size, its groups, and what is frozen or refused. */
export function summarise(model: Model, options: SummaryOptions = {}): Summary {
  const graph = normalise(model.graph, options);
  const found = analyse(graph);
  const gates = findGates(found);
  const costs = createCostModel(found);
  const value = ({ name, dtype, shape }: Model["graph"]["inputs"][number]): ValueSummary => ({
    name,
    dtype,
    shape: shape ?? [],
  });
  return {
    opset: model.fileOpset ?? model.opsets[""] ?? 0,
    nodes: graph.nodes.length,
    inputs: graph.inputs.map(value),
    outputs: graph.outputs.map(value),
    ...found.costs,
    groups: found.groups.map(({ name, units, node, axes: places, inexact }) => {
      const touched = new Set(places.map((place) => place.value));
      return {
        name,
        units: units.length,
        saving: costs.saving(units[0]!),
        node: describe(node),
        axes: places.map((place) => `${place.value}:${place.axis}`),
        nodes: graph.nodes
          .filter((one) => [...one.inputs, ...one.outputs].some((each) => touched.has(each)))
          .map(describe),
        gates: gates.get(name)!.map((place) => place.value),
        inexact,
        ...(options.whole && { whole: wholeOf(found, name) }),
      };
    }),
    causes: causesOf(found),
    frozen: neuronsOf(found).map(({ name, units, reasons }) => ({
      name,
      units,
      reasons: reasons.slice(0, mostReasons),
    })),
    notFinite: [...model.graph.initializers].flatMap(([name, value]) => {
      const count = countNotFinite(value);
      return count > 0 ? [{ name, count, of: value.data.length }] : [];
    }),
    refused: found.traced.refusals.map(({ node, reason }) => ({ node: describe(node), reason })),
  };
}

function wholeOf(found: Analysis, name: string): { possible: boolean; reason?: string } {
  const reason = whyNotWhole(found, [name]);
  return reason === undefined ? { possible: true } : { possible: false, reason };
}
