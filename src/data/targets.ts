/** What samples are compared with: one target, or several by name. */

import { fail, option } from "../graph/error.ts";
import { fromHalf } from "../graph/half.ts";
import { sizeOf, take, toNumbers, type Tensor } from "../graph/tensor.ts";
import type { Augment, Batch } from "./batches.ts";
import { plainView, writeMask, type ImageShape, type View } from "./pixels.ts";

/** Targets of all samples, along their first axes. */
export type TargetArrays = Pick<Batch, "target" | "targets">;

/** Their rows of some samples. */
export const targetRows = ({ target, targets }: TargetArrays, samples: readonly number[]): TargetArrays => ({
  ...(target && { target: take(target, 0, samples) }),
  ...(targets && { targets: mapped(targets, (one) => take(one, 0, samples)) }),
});

const mapped = (targets: Readonly<Record<string, Tensor>>, change: (one: Tensor) => Tensor): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(targets).map(([name, one]) => [name, change(one)]));

/** Class ids as a target. */
export const classIds = (ids: ArrayLike<number>): Tensor => ({
  dtype: "int64",
  shape: [ids.length],
  data: BigInt64Array.from({ length: ids.length }, (_, i) => BigInt(ids[i]!)),
});

/**
 * An array as a target: whole numbers, true and false become int64, floats float32. [N] and [N, 1] of whole numbers
 * are class ids of the samples.
 *
 * @param what the array is called in messages
 * @throws SecateurError `bad-data` for another type, and for an id below 0
 */
export function asTarget(what: string, { dtype, shape, data }: Tensor): Tensor {
  if (dtype === "float32") return { dtype, shape, data };
  if (dtype === "float64") return { dtype: "float32", shape, data: Float32Array.from(data as Float64Array) };
  if (dtype === "float16") return { dtype: "float32", shape, data: Float32Array.from(data as Uint16Array, fromHalf) };
  if (dtype !== "bool" && !/^u?int/.test(dtype))
    fail("bad-data", `${what} is ${dtype}; it is class ids or other whole numbers, or floats`);
  const ids = toNumbers({ dtype, shape, data });
  if (!isOfSamples(shape)) return { ...classIds(ids), shape };
  const wrong = ids.findIndex((id) => id < 0 || id >= 2 ** 31);
  if (wrong >= 0)
    fail("bad-data", `${what}: sample ${wrong} has label ${ids[wrong]}; a class id is a whole number from 0 on`);
  return classIds(ids);
}

/** Whether there is one number for each sample. */
const isOfSamples = (shape: readonly number[]): boolean => sizeOf(shape) === shape[0];

/** The class of each sample, where a target says it. */
export const classesOf = (target: Tensor | undefined): number[] | undefined =>
  target?.dtype === "int64" && isOfSamples(target.shape) ? [...toNumbers(target)] : undefined;

/** Class ids of pixels that lie outside a picture that was moved: what they show is not known. */
const outsideMask = 255;

/** Whether a target has a class id for each pixel of the pictures. */
const isMask = ({ dtype, shape }: Tensor, [, height, width]: ImageShape): boolean =>
  dtype === "int64" && shape.length === 3 && shape[1] === height && shape[2] === width;

/**
 * Fails with `bad-option` where pictures are moved and a target of places cannot be moved with them.
 */
export function checkMovable(name: string, { target, targets }: TargetArrays, shape: ImageShape, augment?: Augment) {
  if (!augment) return;
  for (const [key, one] of [["", target], ...Object.entries(targets ?? {})] as const)
    if (one && one.shape.length > 2 && sizeOf(one.shape.slice(2)) > 1 && !isMask(one, shape))
      fail(
        "bad-option",
        `data set ${name}: ${key === "" ? "the target" : `the target "${key}"`} is ${one.dtype} ` +
          `[${one.shape.join(", ")}], which is not moved with the pictures; leave out ${option("augment.crop")} and ` +
          `${option("augment.flip")}, or give class ids of pixels, whole numbers [N, ${shape[1]}, ${shape[2]}]`,
      );
}

/** Rows of targets as the pictures were moved: masks go with them, and all else stays. */
export function moved({ target, targets }: TargetArrays, shape: ImageShape, views: readonly View[]): TargetArrays {
  if (views.every((view) => view === plainView)) return { ...(target && { target }), ...(targets && { targets }) };
  const change = (one: Tensor): Tensor => {
    if (!isMask(one, shape)) return one;
    const plane = shape[1] * shape[2];
    const data = new BigInt64Array(one.data.length);
    for (const [i, view] of views.entries())
      writeMask(
        (one.data as BigInt64Array).subarray(i * plane, (i + 1) * plane),
        data.subarray(i * plane, (i + 1) * plane),
        [shape[1], shape[2]],
        view,
        BigInt(outsideMask),
      );
    return { ...one, data };
  };
  return { ...(target && { target: change(target) }), ...(targets && { targets: mapped(targets, change) }) };
}
