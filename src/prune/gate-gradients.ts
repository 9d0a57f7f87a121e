/** The gradient of every sample's loss with respect to every gate, from what a backward pass holds already. */

import type { Inside } from "../autodiff/differentiate.ts";
import { fail } from "../graph/error.ts";
import type { Value } from "../ops/define.ts";
import type { Emit } from "../ops/emit.ts";
import type { Coupling } from "./couple.ts";
import type { Place } from "./places.ts";
import type { Group, Groups } from "./groups.ts";

/** An activation that a gate stands on. */
interface Gated {
  readonly value: Value;
  readonly gradient: Value;
  readonly gate?: (() => Value) | undefined;
}

/**
 * G[n, m] = ∂E_n/∂z_m = Σ a · ∂E_n/∂a over all elements of sample n that carry unit m, for the activations a at the gates of m.
 *
 * Where an operator has to silence a unit inside (OpSpec.silence), the factor is on the activations there too.
 *
 * @param places the gates of the group
 * @param at an activation and its gradient by name, and what its operator tells of a gate on axis 1 (OpSpec.gate)
 * @param insides what those operators hold inside, of all groups
 * @param batch the number of samples N
 * @returns [N, units]
 */
export function gateGradient(
  g: Emit,
  groups: Groups,
  group: Group,
  places: readonly Place[],
  at: (name: string) => Gated,
  insides: readonly Inside[],
  batch: number,
): Value {
  const parts = places.map((place) => {
    const { value, gradient, gate } = at(place.value);
    const told = place.axis === 1 && value.shape[0] === batch && gate?.();
    const channels = told || perChannel(g, groups.coupling, g.Mul(value, gradient), place, batch);
    return toUnits(g, groups, group, place, channels);
  });
  for (const { input, axis, value, gradient } of insides) {
    const place = group.places.find((one) => one.value === input.name && one.axis === axis);
    if (place) parts.push(toUnits(g, groups, group, place, g.Mul(value, gradient)));
  }
  return parts.length === 1 ? parts[0]! : g.Sum(...parts);
}

/** Sums everything but the samples and the axis of the units: [N, size of the axis]. */
function perChannel(g: Emit, coupling: Coupling, product: Value, { value, axis }: Place, batch: number): Value {
  const { shape } = product;
  const samples = sampleAxis(coupling, value) ?? 0;
  const rest = (own: number, at: number, rank: number) =>
    Array.from({ length: rank }, (_, i) => i).filter((i) => i !== own && i !== at);
  if (samples !== axis && shape[samples] === batch) {
    const sums = g.summed(product, rest(samples, axis, shape.length));
    return samples < axis ? sums : g.transposed(sums, [1, 0]);
  }
  if (samples === axis || shape[samples]! % batch !== 0 || samples !== 0)
    fail("unsupported", `the samples of the batch can not be told apart in "${value}" [${shape.join(", ")}]`);
  // The batch has been merged with other axes behind it.
  const apart = g.reshaped(product, [batch, shape[0]! / batch, ...shape.slice(1)]);
  return g.summed(apart, rest(0, axis + 1, apart.shape.length));
}

/** The axis of a value that goes sample by sample with the first axis of an input; a recurrence has its steps in front of it. */
function sampleAxis({ traced, solutions, first }: Coupling, value: string): number | undefined {
  const { root } = solutions[0]!;
  const sizeOf = (name: string, axis: number): number => traced.types.get(name)!.shape[axis] ?? 0;
  const found = traced.types
    .get(value)!
    .shape.findIndex((size, axis) =>
      traced.graph.inputs.some(
        ({ name }) =>
          size > 0 &&
          size === sizeOf(name, 0) &&
          Array.from({ length: size }, (_, i) => i).every(
            (i) => root[first(name, 0) + i] === root[first(value, axis) + i],
          ),
      ),
    );
  return found === -1 ? undefined : found;
}

/** From the indices of an axis to the units of the group: [N, size] becomes [N, units], summed over the indices of a unit. */
export function toUnits(g: Emit, groups: Groups, group: Group, place: Place, channels: Value): Value {
  const { coupling } = groups;
  const size = channels.shape[1]!;
  const first = coupling.first(place.value, place.axis);
  const indices = group.units.map(({ atoms }) => {
    const own: number[] = [];
    for (const atom of atoms) if (atom >= first && atom < first + size) own.push(atom - first);
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
