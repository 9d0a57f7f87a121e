/** The gradient of every sample's loss with respect to every gate, from what a backward pass holds already. */

import type { Inside } from "../../autodiff/differentiate.ts";
import type { Value } from "../../ops/core/define.ts";
import type { Emit } from "../../ops/core/emit.ts";
import type { BatchPlace } from "../../passes/batch-place.ts";
import type { AxisReference } from "../coupling/axis-references.ts";
import type { Analysis } from "../coupling/analysis.ts";
import type { Group } from "../coupling/groups.ts";

/** An activation that a gate stands on. */
interface Gated {
  readonly value: Value;
  readonly gradient: Value;
  readonly gate?: (() => Value) | undefined;
}

/**
 * G[n, m] = ∂E_n/∂z_m = Σ a · ∂E_n/∂a over all elements of sample n that carry unit m, for
 * the activations a at the gates of m.
 *
 * Where an operator has to mask a unit inside (`maskInside`), the factor is on the activations there too.
 *
 * @param places the gates of the group
 * @param at an activation and its gradient by name, and what its operator tells of a gate on axis 1 (`gate`)
 * @param insides what those operators hold inside, of all groups
 * @param batch the number of samples N
 * @param samples where they lie in values, as far as that is known
 * @returns [N, units]; [1, units], the sum over all samples, where they cannot be told apart
 */
export function gateGradient(
  g: Emit,
  analysis: Analysis,
  group: Group,
  places: readonly AxisReference[],
  at: (name: string) => Gated,
  insides: readonly Inside[],
  batch: number,
  samples: ReadonlyMap<string, BatchPlace>,
): Value {
  const parts = places.map((place) => {
    const { value, gradient, gate } = at(place.value);
    const lie = samples.get(place.value) ?? sampleAxis(analysis, place.value, batch);
    const told = place.axis === 1 && value.shape[0] === batch && lie?.axis === 0 && gate?.();
    if (told) return toUnits(g, analysis, group, place, told);
    const product = g.Mul(value, gradient);
    if (lie?.axis === place.axis) return onOneAxis(g, analysis, group, place, product, lie, batch);
    return toUnits(g, analysis, group, place, perChannel(g, product, place, lie, batch));
  });
  for (const { input, axis, value, gradient } of insides) {
    const place = group.axes.find((one) => one.value === input.name && one.axis === axis);
    if (place) parts.push(toUnits(g, analysis, group, place, g.Mul(value, gradient)));
  }
  const apart = parts.every(({ shape }) => shape[0] === batch);
  const rows = apart ? parts : parts.map((part) => (part.shape[0] === 1 ? part : g.summed(part, [0], true)));
  return rows.length === 1 ? rows[0]! : g.Sum(...rows);
}

/**
 * Sums everything but the samples and the axis of the units: [N, size of the axis],
 * or [1, size] where samples are mixed.
 */
function perChannel(
  g: Emit,
  product: Value,
  { axis }: AxisReference,
  lie: BatchPlace | undefined,
  batch: number,
): Value {
  const { shape } = product;
  const rest = (own: number, at: number, rank: number) =>
    Array.from({ length: rank }, (_, i) => i).filter((i) => i !== own && i !== at);
  if (lie === undefined) return g.reshaped(g.summed(product, rest(axis, axis, shape.length)), [1, shape[axis]!]);
  const { axis: on, outer, inner } = lie;
  if (outer * inner === 1) {
    const sums = g.summed(product, rest(on, axis, shape.length));
    return on < axis ? sums : g.transposed(sums, [1, 0]);
  }
  const apart = g.reshaped(product, [...shape.slice(0, on), outer, batch, inner, ...shape.slice(on + 1)]);
  const at = axis < on ? axis : axis + 2;
  const sums = g.summed(apart, rest(on + 1, at, apart.shape.length));
  return on < axis ? sums : g.transposed(sums, [1, 0]);
}

/** [N, units] of units that lie on the axis that the samples are folded into. */
function onOneAxis(
  g: Emit,
  analysis: Analysis,
  group: Group,
  place: AxisReference,
  product: Value,
  { axis, outer, inner }: BatchPlace,
  batch: number,
): Value {
  const others = product.shape.map((_, i) => i).filter((i) => i !== axis);
  const sums = g.reshaped(g.summed(product, others), [outer, batch, inner]);
  const channels = g.reshaped(g.transposed(sums, [1, 0, 2]), [batch, outer * inner]);
  const ofFirst = (i: number): number => Math.floor(i / inner) * batch * inner + (i % inner);
  return toUnits(g, analysis, group, place, channels, ofFirst);
}

/**
 * The axis of a value that goes sample by sample with the first axis of an input, else the
 * first where it has the size of the batch.
 */
function sampleAxis(
  { traced, coupling: { solutions, first } }: Analysis,
  value: string,
  batch: number,
): BatchPlace | undefined {
  const { root } = solutions[0]!;
  const sizeOf = (name: string, axis: number): number => traced.types.get(name)!.shape[axis] ?? 0;
  const { shape } = traced.types.get(value)!;
  const found = shape.findIndex((size, axis) =>
    traced.graph.inputs.some(
      ({ name }) =>
        size > 0 &&
        size === sizeOf(name, 0) &&
        Array.from({ length: size }, (_, i) => i).every(
          (i) => root[first(name, 0) + i] === root[first(value, axis) + i],
        ),
    ),
  );
  const axis = Math.max(0, found);
  return shape[axis] === batch ? { axis, outer: 1, inner: 1 } : undefined;
}

/**
 * From the indices of an axis to the units of the group: [N, size] becomes [N,
 * units], summed over the indices of a unit.
 *
 * @param indexOf the index along the axis that a column stands for; default its own number
 */
export function toUnits(
  g: Emit,
  analysis: Analysis,
  group: Group,
  place: AxisReference,
  channels: Value,
  indexOf: (column: number) => number = (column) => column,
): Value {
  const { coupling } = analysis;
  const size = channels.shape[1]!;
  const first = coupling.first(place.value, place.axis);
  const columns = new Map(Array.from({ length: size }, (_, column) => [first + indexOf(column), column]));
  const indices = group.units.map(({ atoms }) => {
    const own: number[] = [];
    for (const atom of atoms) {
      const column = columns.get(atom);
      if (column !== undefined) own.push(column);
    }
    return own;
  });
  if (indices.length === size && indices.every((own, i) => own.length === 1 && own[0] === i)) return channels;
  if (indices.every((own) => own.length === 1))
    return g.Gather(channels, g.ints(indices.map((own) => own[0]!)), { axis: 1 });
  const matrix = new Float32Array(size * indices.length);
  indices.forEach((own, unit) => {
    for (const index of own) matrix[index * indices.length + unit] = 1;
  });
  return g.Gemm(channels, g.constant({ dtype: "float32", shape: [size, indices.length], data: matrix }));
}
