/** What one backward pass can tell of units besides the gradients of parameters, reduced inside the graph. */

import type { Evidence, Need } from "../criteria/criterion.ts";
import type { Inside } from "../autodiff/differentiate.ts";
import type { GraphBuilder } from "../graph/builder.ts";
import { isFloat, sizeOf } from "../graph/tensor.ts";
import type { BatchPlace } from "../passes/batch-place.ts";
import { plainAttributes, type Value } from "../ops/core/define.ts";
import type { Emit } from "../ops/core/emit.ts";
import { alias, inputsOf, valueIn } from "../ops/emitter.ts";
import { findOp } from "../ops/table.ts";
import { gateGradient, toUnits } from "../prune/gates/gate-gradients.ts";
import { passGates } from "../prune/gates/gate-places.ts";
import type { GatePlace } from "../options/ranking.ts";
import { findGates } from "../prune/gates/gates.ts";
import type { Analysis } from "../prune/coupling/analysis.ts";
import type { Group } from "../prune/coupling/groups.ts";
import type { AxisReference } from "../prune/coupling/axis-references.ts";
import { producingWeights } from "../prune/coupling/producers.ts";
import { readings, type Reading } from "../prune/coupling/readers.ts";
import { scalesOf, type Scale } from "../prune/coupling/scales.ts";
import type { Tensors } from "../runtime/port.ts";

/** The needs that a backward pass meets. */
const passNeeds = ["gates", "weights", "scales", "activations"] as const satisfies readonly Need[];
export type PassNeed = (typeof passNeeds)[number];

export const isPassNeed = (need: Need): need is PassNeed => (passNeeds as readonly Need[]).includes(need);

/** What is looked at of each group. */
export interface Watched {
  readonly groups: Analysis;
  readonly needs: ReadonlySet<PassNeed>;
  readonly at: GatePlace;
  readonly gates: ReadonlyMap<string, readonly AxisReference[]>;
  readonly parameters: boolean;
  weights(group: Group): readonly AxisReference[];
  scales(group: Group): readonly Scale[];
  readings(group: Group): readonly Reading[];
}

/** @param parameters whether the gradients of all parameters are taken too */
export function watch(analysis: Analysis, needs: readonly PassNeed[], at: GatePlace, parameters: boolean): Watched {
  const wanted = new Set(needs);
  const { initializers } = analysis.traced.graph;
  const producers = producingWeights(analysis);
  const scales = scalesOf(analysis);
  const removing = wanted.has("scales") ? findGates(analysis) : new Map<string, readonly AxisReference[]>();
  return {
    groups: analysis,
    needs: wanted,
    at,
    parameters,
    gates: wanted.has("gates") ? passGates(analysis, findGates(analysis, at), parameters) : new Map(),
    weights: (group) => producers(group).filter(({ value }) => isFloat(initializers.get(value)?.dtype ?? "string")),
    // A normalisation that the unit passes on its way to a later one is counted there.
    scales: (group) =>
      scales(group).filter(({ output }) => removing.get(group.name)?.some(({ value }) => value === output)),
    readings: readings(analysis),
  };
}

/** The values whose gradients are needed. */
export function watchedValues({ groups: { groups }, needs, gates, weights, scales }: Watched): Set<string> {
  const found = new Set([...gates.values()].flat().map(({ value }) => value));
  for (const group of groups) {
    if (needs.has("weights")) for (const { value } of weights(group)) found.add(value);
    if (needs.has("scales")) for (const { scale, shift } of scales(group)) found.add(scale.value).add(shift.value);
  }
  return found;
}

/** A backward pass that evidence is gathered from. */
export interface Pass {
  readonly builder: GraphBuilder;
  readonly g: Emit;
  readonly batch: number;
  readonly gradients: ReadonlyMap<string, Value | undefined>;
  readonly insides: readonly Inside[];
  /** Where the samples lie in values, as far as that is known. */
  readonly samples: ReadonlyMap<string, BatchPlace>;
}

/** By group and need a value [rows, units]; a group of which a need has nothing to tell is left out there. */
export type EvidenceValues = ReadonlyMap<string, ReadonlyMap<PassNeed, Value>>;

/** Appends what turns gradients and activations into evidence. */
export function appendEvidence(pass: Pass, watched: Watched): EvidenceValues {
  const gateOf = gatesByOperators(pass, watched);
  const emitters: Readonly<Record<PassNeed, (group: Group) => Value | undefined>> = {
    gates: (group) => gateEvidence(pass, watched, group, gateOf),
    weights: (group) => weightEvidence(pass, watched, group),
    scales: (group) => scaleEvidence(pass, watched, group),
    activations: (group) => activationEvidence(pass, watched, group),
  };
  return new Map(
    watched.groups.groups.map((group) => {
      const found = [...watched.needs].flatMap((need) => {
        const value = emitters[need](group);
        return value ? [[need, value] as const] : [];
      });
      return [group.name, new Map(found)];
    }),
  );
}

/**
 * G [N, units], or its mean [1, units] where samples cannot be told apart. A shared gate on a residual
 * stream counts the mean of its places.
 */
function gateEvidence(
  { builder, g, batch, gradients, insides, samples }: Pass,
  watched: Watched,
  group: Group,
  gateOf: (name: string) => (() => Value) | undefined,
): Value | undefined {
  const places = watched.gates.get(group.name)!.filter(({ value }) => gradients.get(value));
  if (places.length === 0) return undefined;
  const at = (name: string) => {
    return { value: valueIn(builder, name), gradient: gradients.get(name)!, gate: gateOf(name) };
  };
  const sum = gateGradient(g, watched.groups, group, places, at, insides, batch, samples);
  // The loss is a mean over the batch: N times its gradient is a sample's own.
  const times = sum.shape[0] === batch ? batch : 1;
  return g.Mul(sum, g.scalar(watched.at === "residual" ? times / places.length : times));
}

/** What operators tell of gates on values that come from them: where the gradients of all parameters are taken too. */
function gatesByOperators({ builder, g, gradients }: Pass, { parameters }: Watched) {
  const makers = new Map(parameters ? builder.nodes.map((node) => [node.outputs[0], node]) : []);
  return (name: string): (() => Value) | undefined => {
    const node = makers.get(name);
    const op = node && findOp(node.op, node.domain);
    if (op?.gate === undefined) return undefined;
    return () => op.gate!(g, gradients.get(name)!, inputsOf(builder, node!), plainAttributes(op, node!.attributes));
  };
}

/** Sums over all axes but one, for the units on it: [1, units]. */
function perUnit({ g }: Pass, { groups }: Watched, group: Group, place: AxisReference, product: Value): Value {
  const others = product.shape.map((_, axis) => axis).filter((axis) => axis !== place.axis);
  return toUnits(g, groups, group, place, g.reshaped(g.summed(product, others), [1, product.shape[place.axis]!]));
}

const added = (g: Emit, values: readonly Value[]): Value => (values.length === 1 ? values[0]! : g.Sum(...values));

/** Σ g w and Σ (g w)² [2, units]. */
function weightEvidence(pass: Pass, watched: Watched, group: Group): Value | undefined {
  const { builder, g, gradients } = pass;
  const products = watched.weights(group).flatMap((place) => {
    const gradient = gradients.get(place.value);
    return gradient ? [{ place, product: g.Mul(valueIn(builder, place.value), gradient) }] : [];
  });
  if (products.length === 0) return undefined;
  const sum = (of: (product: Value) => Value): Value =>
    added(
      g,
      products.map(({ place, product }) => perUnit(pass, watched, group, place, of(product))),
    );
  return g.Concat(
    sum((product) => product),
    sum((product) => g.Mul(product, product)),
    { axis: 0 },
  );
}

/** Σ γ ∂E/∂γ + β ∂E/∂β [1, units]. */
function scaleEvidence(pass: Pass, watched: Watched, group: Group): Value | undefined {
  const { builder, g, gradients } = pass;
  const parts = watched.scales(group).flatMap(({ scale, shift }) =>
    [scale, shift].flatMap((place) => {
      const gradient = gradients.get(place.value);
      return gradient ? [perUnit(pass, watched, group, place, g.Mul(valueIn(builder, place.value), gradient))] : [];
    }),
  );
  return parts.length === 0 ? undefined : added(g, parts);
}

/** The mean of |a|, the share of a ≠ 0, and Σ (mean of a²) Σ w² [3, units]. */
function activationEvidence(pass: Pass, watched: Watched, group: Group): Value | undefined {
  const { builder, g } = pass;
  const own = watched.readings(group);
  if (own.length === 0) return undefined;
  const mean = (place: AxisReference, value: Value): Value => {
    const sums = perUnit(pass, watched, group, place, value);
    return g.Mul(sums, g.scalar(group.units.length / elementsOf(watched, group, place, value)));
  };
  const average = (of: (value: Value) => Value): Value => {
    const all = own.map(({ place }) => mean(place, of(valueIn(builder, place.value))));
    return g.Mul(added(g, all), g.scalar(1 / all.length));
  };
  const square = (name: string): Value => {
    const value = valueIn(builder, name);
    return g.Mul(value, value);
  };
  const reads = own.flatMap(({ place, weights }) => {
    if (weights.length === 0) return [];
    const sums = weights.map((weight) => perUnit(pass, watched, group, weight, square(weight.value)));
    return [g.Mul(mean(place, square(place.value)), added(g, sums))];
  });
  return g.Concat(
    average((value) => g.Abs(value)),
    average((value) => g.Sign(g.Abs(value))),
    reads.length === 0 ? g.filled(0, [1, group.units.length]) : added(g, reads),
    { axis: 0 },
  );
}

/** The elements of a value that the units of a group lie on. */
function elementsOf({ groups: { coupling } }: Watched, group: Group, place: AxisReference, value: Value): number {
  const first = coupling.first(place.value, place.axis);
  const size = value.shape[place.axis]!;
  let indices = 0;
  for (const { atoms } of group.units) for (const atom of atoms) if (atom >= first && atom < first + size) indices++;
  return (sizeOf(value.shape) / size) * indices;
}

/** An output of a graph that is evidence. */
export interface EvidenceOutput {
  readonly group: string;
  readonly need: PassNeed;
  readonly output: string;
}

/** Gives all evidence names under which the graph can put it out. */
export function nameEvidence(builder: GraphBuilder, values: EvidenceValues): EvidenceOutput[] {
  return [...values].flatMap(([group, found]) =>
    [...found].map(([need, value]) => {
      const output = builder.claim(`${need}/${group}`);
      alias(builder, value.name, output);
      return { group, need, output };
    }),
  );
}

/** What is known of some groups, by name. */
export type Findings = ReadonlyMap<string, Partial<Evidence>>;

/** The evidence of each group from what the runtime gave. */
export function findingsOf(outputs: readonly EvidenceOutput[], { groups }: Analysis, results: Tensors): Findings {
  const units = new Map(groups.map((group) => [group.name, group.units.length]));
  const findings = new Map<string, Partial<Evidence>>();
  for (const { group, need, output } of outputs) {
    const found = readEvidence(need, results[output]!.data as Float32Array, units.get(group)!);
    findings.set(group, { ...findings.get(group), ...found });
  }
  return findings;
}

/** What the runtime gave for a value of {@link EvidenceValues}, as criteria see it. */
function readEvidence(need: PassNeed, data: Float32Array, units: number): Partial<Evidence> {
  const row = (index: number): Float32Array => data.subarray(index * units, (index + 1) * units);
  switch (need) {
    case "gates":
      return { gates: data };
    case "weights":
      return { weights: { sums: row(0), squares: row(1) } };
    case "scales":
      return { scales: data };
    case "activations":
      return { activations: { magnitudes: row(0), nonzero: row(1), reads: row(2) } };
  }
}
