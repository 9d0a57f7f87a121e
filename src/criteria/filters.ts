/** The weights of each unit as a row of numbers. */

import { fail } from "../graph/error.ts";
import { isFloat, sizeOf, type Tensor } from "../graph/tensor.ts";
import { numbersOf } from "../passes/quantised.ts";
import { widenTensor } from "../passes/widen.ts";
import { keyOf } from "../prune/coupling/axis-references.ts";
import { producingWeights } from "../prune/coupling/producers.ts";
import type { Analysis } from "../prune/coupling/analysis.ts";
import type { Group } from "../prune/coupling/groups.ts";

/**
 * For a group the weights that produce each of its units. They are filters and rows of matrices, not biases and
 * normalisations unless the unit has nothing else; of quantised weights the numbers that they stand for. All rows of a
 * group have the same weights in the same order.
 *
 * @param criterion who asks, for the error
 * @throws SecateurError `unsupported` where the weights are quantised in a way that does not tell their numbers
 */
export function filtersOf(
  analysis: Analysis,
  weights: ReadonlyMap<string, Tensor>,
  criterion: string,
): (group: Group) => Float32Array[] {
  const producers = producingWeights(analysis);
  const numbers = numbersOf(analysis.traced);
  const numbered = (value: string): Tensor => numbers.get(value) ?? widenTensor(weights.get(value)!);
  return (group) => {
    const producing = producers(group);
    const all = producing.filter(({ value }) => numbers.has(value) || isFloat(weights.get(value)?.dtype ?? "string"));
    const filters = all.filter(({ value }) => weights.get(value)!.shape.length > 1);
    const integers = producing.find(({ value }) => /^u?int/.test(weights.get(value)?.dtype ?? ""));
    if (filters.length === 0 && integers)
      fail(
        "unsupported",
        `${criterion} compares weights that are numbers, but "${integers.value}" of group "${group.name}" is ` +
          `quantised; use taylor-fo`,
      );
    const used = new Map((filters.length > 0 ? filters : all).map((place) => [keyOf(place), place]));
    const wide = new Map([...used].map(([key, { value }]) => [key, numbered(value)]));
    return group.units.map(({ atoms }) => {
      const parts: Float32Array[] = [];
      for (const atom of atoms) {
        const place = analysis.coupling.locate(atom);
        const tensor = wide.get(keyOf(place));
        if (tensor) for (const part of slices(tensor, place.axis, place.index)) parts.push(part);
      }
      return joined(parts);
    });
  };
}

/** The numbers at one index of an axis, stretch by stretch. */
function slices({ shape, data }: Tensor, axis: number, index: number): Float32Array[] {
  const inner = sizeOf(shape.slice(axis + 1));
  const step = inner * shape[axis]!;
  const numbers = data as Float32Array;
  return Array.from({ length: step === 0 ? 0 : numbers.length / step }, (_, i) =>
    numbers.subarray(i * step + index * inner, i * step + (index + 1) * inner),
  );
}

function joined(parts: readonly Float32Array[]): Float32Array {
  if (parts.length === 1) return parts[0]!;
  const whole = new Float32Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
