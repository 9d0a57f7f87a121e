/** What metrics take of a minibatch: outputs and targets by name, checked, and classes along an axis. */

import { findTarget } from "../../execute/feeds.ts";
import { fail } from "../../graph/error.ts";
import { toNumbers, type Shape, type Tensor } from "../../graph/tensor.ts";
import { sameShape } from "../../ops/emitter.ts";
import type { CountedName, MetricBatch } from "../../options/metric.ts";
import type { Looked } from "./metric.ts";

const quoted = (all: Readonly<Record<string, unknown>>): string =>
  Object.keys(all)
    .map((name) => `"${name}"`)
    .join(", ");

/** @throws SecateurError `bad-option` for an output that the model does not have */
export const outputOf = (metric: CountedName, { outputs }: MetricBatch, name: string): Tensor =>
  outputs[name] ??
  fail("bad-option", `${metric} looks at the output "${name}", and the model's outputs are ${quoted(outputs)}`);

interface Placed {
  readonly target?: string | undefined;
}

const had = ({ target, targets = {} }: MetricBatch): string =>
  quoted(targets) || (target ? "one target without a name" : "no targets");

/** @throws SecateurError `bad-data` where there is none, or several and none is named */
export function targetOf(metric: CountedName, batch: MetricBatch, output: string, placed: Placed): Tensor {
  const found = findTarget(batch, { name: placed.target ?? "", output });
  if (found) return found;
  const wanted = placed.target === undefined ? `a target for "${output}"` : `the target "${placed.target}"`;
  return fail("bad-data", `${metric} takes ${wanted}; the data has ${had(batch)}`);
}

/** The same, or the original's output where the data has no targets. */
export function targetOrOriginal(metric: CountedName, batch: MetricBatch, output: string, placed: Placed): Tensor {
  const hasTargets = batch.target !== undefined || Object.keys(batch.targets ?? {}).length > 0;
  const theirs = hasTargets || placed.target !== undefined ? undefined : batch.original?.[output];
  return theirs ?? targetOf(metric, batch, output, placed);
}

const formOf = ({ dtype, shape }: Pick<Tensor, "dtype" | "shape">): string => `${dtype} [${shape.join(", ")}]`;

/** @param takes what the metric takes, in words */
export const refuseShapes = (metric: CountedName, takes: string, name: string, output: Tensor, target: Tensor): never =>
  fail(
    "bad-data",
    `${metric} does not fit the output "${name}", ${formOf(output)}, with the target ${formOf(target)}. ` +
      `It takes ${takes}`,
  );

/** Both in one shape of numbers. */
export function requireAlike(metric: CountedName, name: string, output: Tensor, target: Tensor): void {
  if (!sameShape(output.shape, target.shape))
    refuseShapes(metric, "a target in the shape of the output", name, output, target);
}

/** A shape without one of its axes. */
export const withoutAxis = (shape: Shape, axis: number): number[] => shape.filter((_, i) => i !== axis);

const product = (dims: readonly number[]): number => dims.reduce((all, dim) => all * dim, 1);

/** A tensor with its classes along an axis, and one place for each index of the others. */
export interface Classes {
  readonly classes: number;
  readonly places: number;
  /** The score of a class at a place. */
  at(place: number, c: number): number;
}

export function classesAlong({ shape, data }: Tensor, axis: number): Classes {
  const [classes, inner] = [shape[axis]!, product(shape.slice(axis + 1))];
  const values = data as Float32Array;
  return {
    classes,
    places: product(withoutAxis(shape, axis)),
    at: (place, c) => Number(values[(Math.floor(place / inner) * classes + c) * inner + (place % inner)]),
  };
}

/** The class with the largest score; of equal ones the first. */
export function largestAt({ classes, at }: Classes, place: number): number {
  let best = 0;
  for (let c = 1; c < classes; c++) if (at(place, c) > at(place, best)) best = c;
  return best;
}

/** An axis from 0 on. */
const counted = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/** The axis of the classes: as it was said, or the first of those that usually have them that fits the target. */
export function classAxis(
  output: Tensor,
  target: Tensor,
  said: number | undefined,
  usual: readonly number[],
): number | undefined {
  const rank = output.shape.length;
  const fits = (axis: number): boolean =>
    axis > 0 &&
    axis < rank &&
    (sameShape(withoutAxis(output.shape, axis), target.shape) || sameShape(output.shape.with(axis, 1), target.shape));
  return (said === undefined ? usual : [said]).map((axis) => counted(axis, rank)).find(fits);
}

/** From what a yes begins: probabilities at a half, what stands before a Sigmoid at 0. */
export const yesFrom = ({ activation }: Looked): number => (activation === "sigmoid" ? 0.5 : 0);

export const isWhole = ({ dtype }: Tensor): boolean => /^u?int/.test(dtype) || dtype === "bool";

/** @throws SecateurError `bad-data` for the first class id that is none */
export function classIds(metric: CountedName, target: Tensor, classes: number, ignore?: number): number[] {
  const ids = toNumbers(target);
  const wrong = ids.find((id) => (!Number.isInteger(id) || id < 0 || id >= classes) && id !== ignore);
  if (wrong !== undefined)
    fail("bad-data", `${metric}: the target has the class ${wrong}; the classes are 0 to ${classes - 1}`);
  return ids;
}
