/**
 * What a loss is measured by: how much a model loses that knows nothing, and how
 * much more or less of it nobody notices.
 */

import { toNumbers, type Tensor } from "../graph/tensor.ts";
import type { Distillation } from "./losses.ts";
import type { Loss } from "../options/learning.ts";

export interface LossScale {
  /** The mean loss of a model that answers all the same, as well as that can be done. */
  readonly chance: number;
  /** What the loss may rise by and the metric is hardly any worse, however small the loss is. */
  readonly slight: number;
}

/** Of cross-entropy, a share of chance: of ten classes 0.046, about a point of accuracy. */
const slightOfClasses = 0.02;
/** Of errors, whose measure is what they are of themselves. */
const slightOfErrors = 0.001;

export interface Judged {
  readonly loss: Loss;
  readonly distillation?: Distillation | undefined;
  /** Classes that a label may name; 0 where none is needed. */
  readonly classes: number;
}

/**
 * @param target of some samples, where the loss takes one: [N, ...]
 * @param logits what a teacher gives for them, where there is one: [N, C, ...]
 */
export function scaleOf({ loss, distillation, classes }: Judged, target?: Tensor, logits?: Tensor): LossScale {
  if (loss === "mse") {
    const chance = target ? varianceOf(target) : 0;
    return { chance, slight: slightOfErrors * chance };
  }
  const own = Math.log(Math.max(2, classes));
  if (distillation === undefined || logits === undefined) return { chance: own, slight: slightOfClasses * own };
  const { weight, temperature } = distillation;
  const chance = weight * uninformed(logits, temperature) + (weight < 1 ? (1 - weight) * own : 0);
  return { chance, slight: slightOfClasses * chance };
}

/** The mean square of what a target [N, ...] is above or below the mean of all. */
function varianceOf(target: Tensor): number {
  const values = toNumbers(target);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
}

/** T² KL(softmax(teacher / T) || uniform), averaged. */
function uninformed(logits: Tensor, temperature: number): number {
  const [n, classes, ...rest] = logits.shape as [number, number, ...number[]];
  const inner = rest.reduce((product, size) => product * size, 1);
  const values = toNumbers(logits);
  let sum = 0;
  for (let sample = 0; sample < n; sample++)
    for (let at = 0; at < inner; at++) {
      const row = Array.from({ length: classes }, (_, c) => values[(sample * classes + c) * inner + at]! / temperature);
      const most = Math.max(...row);
      const weights = row.map((value) => Math.exp(value - most));
      const total = weights.reduce((all, value) => all + value, 0);
      for (const weight of weights) if (weight > 0) sum += (weight / total) * Math.log((classes * weight) / total);
    }
  return (temperature ** 2 * sum) / (n * inner);
}
