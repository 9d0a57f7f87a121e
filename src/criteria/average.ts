/** Means of per-unit numbers over minibatches. */

import type { Scores } from "./criterion.ts";

/** Sums of per-unit numbers by group, and their mean. */
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
