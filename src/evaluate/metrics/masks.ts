/** Masks and classes of pixels, counted: how much of each class was found, and how much was there. */

import { toNumbers, type Tensor } from "../../graph/tensor.ts";
import { sameShape } from "../../ops/emitter.ts";
import type { CountedSettings, MetricBatch } from "../../options/metric.ts";
import type { Looked } from "./metric.ts";
import {
  classAxis,
  classesAlong,
  classIds,
  isWhole,
  largestAt,
  outputOf,
  refuseShapes,
  targetOf,
  withoutAxis,
  yesFrom,
} from "./taken.ts";

/** Pixels of a class over all samples. */
export interface Overlap {
  /** Those that are of it, and were said to be. */
  readonly both: number;
  readonly said: number;
  readonly there: number;
}

export const takes =
  "scores [N, C, d...] with class ids [N, d...]; or yes and no [N, C, d...] with 0 and 1 in the same shape, " +
  "for C = 1 also [N, d...]. A yes is from 0.5 on where the output ends in a Sigmoid, else from 0 on";

type Name = "mean-iou" | "dice";

/** Counts overlaps, and gives the mean of what they come to over the classes that were said or are there. */
export function countMasks(
  metric: Name,
  { ignore, axis: said, target: name }: CountedSettings<Name>,
  looked: Looked,
  valueOf: (overlap: Overlap) => number,
) {
  const counts: { both: number; said: number; there: number }[] = [];
  const add = (c: number, guess: boolean, there: boolean): void => {
    const count = (counts[c] ??= { both: 0, said: 0, there: 0 });
    if (guess && there) count.both++;
    if (guess) count.said++;
    if (there) count.there++;
  };
  const ofClasses = (output: Tensor, target: Tensor, axis: number): void => {
    const scores = classesAlong(output, axis);
    classIds(metric, target, scores.classes, ignore).forEach((id, place) => {
      if (id === ignore) return;
      const guess = largestAt(scores, place);
      add(guess, true, guess === id);
      if (guess !== id) add(id, false, true);
    });
  };
  const ofMasks = ({ shape, data }: Tensor, target: Tensor): void => {
    const [from, channels] = [yesFrom(looked), shape[1]!];
    const inner = shape.slice(2).reduce((all, dim) => all * dim, 1);
    toNumbers(target).forEach((wanted, i) => {
      if (wanted !== ignore) add(Math.floor(i / inner) % channels, Number(data[i]) >= from, wanted >= 0.5);
    });
  };
  return {
    add(batch: MetricBatch): void {
      const output = outputOf(metric, batch, looked.output);
      const target = targetOf(metric, batch, looked.output, { target: name });
      const channels = output.shape[1];
      const isMask =
        sameShape(output.shape, target.shape) ||
        (channels === 1 && sameShape(withoutAxis(output.shape, 1), target.shape));
      const axis = classAxis(output, target, said ?? looked.axis, [1]);
      if (isMask && output.shape.length >= 2) ofMasks(output, target);
      else if (axis !== undefined && isWhole(target)) ofClasses(output, target, axis);
      else refuseShapes(metric, takes, looked.output, output, target);
    },
    result(): number {
      const values = Object.values(counts)
        .filter(({ said, there }) => said + there > 0)
        .map(valueOf);
      // Where nothing is there, and nothing was said, nothing is wrong.
      return values.length === 0 ? 1 : values.reduce((sum, value) => sum + value, 0) / values.length;
    },
  };
}
