/** The form of a criterion. */

import type { Tensor } from "../graph/tensor.ts";
import type { Group, Groups } from "../prune/groups.ts";

/** Importance of each unit by group name; non-negative, small = remove first. */
export type Scores = ReadonlyMap<string, Float64Array>;

/** A criterion that looks at weights alone. */
export interface WeightCriterion {
  readonly name: string;
  readonly summary: string;
  readonly kind: "weights";
  score(groups: Groups, weights: ReadonlyMap<string, Tensor>, seed: number): Scores;
}

/** A criterion over the gradients of gates. */
export interface GateCriterion {
  readonly name: string;
  readonly summary: string;
  readonly kind: "gates";
  /**
   * The importance that one minibatch gives.
   *
   * @param gradients G[n, m] = ∂E_n/∂z_m, row by row: N rows of `units` numbers
   */
  sample(gradients: Float32Array, samples: number, units: number): Float64Array;
}

export type Criterion = WeightCriterion | GateCriterion;

/** Sums of per-unit numbers over minibatches, and their mean. */
export class Average {
  readonly #sums = new Map<string, Float64Array>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(scores: Scores): void {
    for (const [name, values] of scores) {
      const sum = this.#sums.get(name) ?? new Float64Array(values.length);
      values.forEach((value, i) => (sum[i]! += value));
      this.#sums.set(name, sum);
    }
    this.#count++;
  }

  mean(): Map<string, Float64Array> {
    return new Map([...this.#sums].map(([name, sum]) => [name, sum.map((value) => value / this.#count)]));
  }
}

/** Applies a gate criterion to the gate gradients of one minibatch, group by group. */
export function sampleGates(
  criterion: GateCriterion,
  groups: readonly Group[],
  gradients: (group: string) => Float32Array,
  samples: number,
): Map<string, Float64Array> {
  return new Map(
    groups.map((group) => [group.name, criterion.sample(gradients(group.name), samples, group.units.length)]),
  );
}
