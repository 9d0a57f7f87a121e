/** Cuts that are wrong on purpose: in one weight another index goes than in all the others. */

import { uniformInt } from "pure-rand/distribution/uniformInt";
import { randomStream } from "../../src/graph/random.ts";
import { sizeOf } from "../../src/graph/tensor.ts";
import type { Analysis } from "../../src/prune/coupling/analysis.ts";
import { removedIndices, type Removal } from "../../src/prune/coupling/removal.ts";

export interface WrongCut {
  readonly groups: Analysis;
  /** The weight, its axis, the index that should go, and the one that goes instead. */
  readonly what: string;
}

/** Groups in which a removal takes an index beside the right one from one weight, chosen by the seed; `undefined` where there is none to take. */
export function wrongCut(groups: Analysis, removal: Removal, seed: number): WrongCut | undefined {
  const { coupling } = groups;
  const removed = removedIndices(groups, removal);
  const { initializers } = groups.graph;
  const choices = [...removed].flatMap(([value, axes]) => {
    const weight = initializers.get(value);
    if (weight === undefined || sizeOf(weight.shape) < 2) return [];
    return [...axes].flatMap(([axis, gone]) =>
      [...gone].flatMap((index) =>
        [index - 1, index + 1]
          .filter((other) => other >= 0 && other < weight.shape[axis]! && !gone.has(other))
          .map((other) => ({ value, axis, index, other })),
      ),
    );
  });
  if (choices.length === 0) return undefined;
  const { value, axis, index, other } = choices[uniformInt(randomStream(seed, 7), 0, choices.length - 1)]!;
  const first = coupling.first(value, axis);
  const swapped = (atom: number): number =>
    atom === first + index ? first + other : atom === first + other ? first + index : atom;
  return {
    groups: {
      ...groups,
      groups: groups.groups.map((group) => ({
        ...group,
        units: group.units.map(({ atoms }) => ({ atoms: atoms.map(swapped) })),
      })),
    },
    what: `axis ${axis} of "${value}": ${other} for ${index}`,
  };
}
