/** Whether labels are among the first classes that a model names, sample by sample. */

import { toNumbers, type Tensor } from "../graph/tensor.ts";
import type { Changed } from "./intervals.ts";

/** The ranks that count. */
const hits = { top1: 1, top5: 5 } as const;
const tops = Object.keys(hits) as readonly (keyof typeof hits)[];

export type Top = keyof typeof hits;

/** The rank of what is not a number: it is never a hit. */
const last = 2 ** 32 - 1;

/** Whether a label before which so many classes come is a hit. */
const isHit = (name: Top, rank: number): boolean => rank < hits[name];

/** Sums over samples. */
export interface Sums {
  loss: number;
  top1: number;
  top5: number;
  samples: number;
}

/**
 * Adds up -log softmax, and whether the label is among the first, for each row of [N, C] (or [N, C, 1, 1]).
 *
 * @returns how many classes come before the label in each row
 */
export function addHits(sums: Sums, logits: Tensor, target: Tensor): Uint32Array {
  const [n, classes] = logits.shape as [number, number];
  const data = logits.data as Float32Array;
  const labels = toNumbers(target);
  const ranks = new Uint32Array(n);
  for (let i = 0; i < n; i++) {
    const row = data.subarray(i * classes, (i + 1) * classes);
    const own = row[labels[i]!]!;
    let largest = Number.NEGATIVE_INFINITY;
    for (const x of row) if (x > largest) largest = x;
    let sum = 0;
    let before = 0;
    row.forEach((x, c) => {
      sum += Math.exp(x - largest);
      // Of equal outputs the first counts as the larger one, and what is not a number as larger than all.
      if (!(x < own) && (x !== own || c < labels[i]!) && c !== labels[i]) before++;
    });
    sums.loss += Math.log(sum) + largest - own;
    ranks[i] = Number.isFinite(own) ? before : last;
    for (const name of tops) if (isHit(name, ranks[i]!)) sums[name]++;
  }
  sums.samples += n;
  return ranks;
}

/** @param ranks of the labels by two models, sample by sample */
export function changedBetween([before, after]: readonly [ArrayLike<number>, ArrayLike<number>]): Readonly<
  Record<Top, Changed>
> {
  const count = (name: Top): Changed => {
    let [lost, gained] = [0, 0];
    for (let i = 0; i < before.length; i++) {
      const [was, is] = [isHit(name, before[i]!), isHit(name, after[i]!)];
      if (was && !is) lost++;
      if (is && !was) gained++;
    }
    return { lost, gained };
  };
  return { top1: count("top1"), top5: count("top5") };
}
