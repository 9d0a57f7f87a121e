/** Checks of a batch against the model: labels that it has, numbers that are numbers. */

import { fail, option } from "../graph/error.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Batch, Dataset } from "./batches.ts";

/**
 * Fails with `bad-data` where the data has more classes than the model has outputs (0 where its outputs are no
 * classes), before work begins that the first label without an output would end.
 */
export function checkClasses({ name, classes }: Dataset, outputs: number): void {
  if (outputs > 0 && classes !== undefined && classes > outputs)
    fail(
      "bad-data",
      `"${name}" has ${classes} classes, the model gives ${outputs} outputs; it takes a model with an output ` +
        "for each class",
    );
}

/** What is known of labels besides their classes. */
export interface LabelForm {
  /** Which batch is meant. */
  readonly where?: string;
  /** An id that stands for nothing. */
  readonly ignore?: number | undefined;
  /** A class that is no label, as that between the letters of a text. */
  readonly never?: number | undefined;
  /** The least id; default 0. */
  readonly least?: number | undefined;
  /** What compares with them, where that can be told an id to ignore; undefined where it is a file. */
  readonly loss?: string | undefined;
}

/**
 * Fails with `bad-data` where a class id is not in 0 to `classes - 1`, naming the first such sample
 * of the batch. A float32 target has no class ids and passes.
 *
 * @param target class ids, int64 [N, ...]
 */
export function checkLabels(
  target: Tensor | undefined,
  classes: number,
  { where = "the batch", ignore, never, least = 0, loss }: LabelForm = { loss: "cross-entropy" },
): void {
  if (target?.dtype !== "int64") return;
  const labels = target.data as BigInt64Array;
  const [start, end] = [BigInt(least), BigInt(classes)];
  const nothing = ignore === undefined ? undefined : BigInt(ignore);
  const none = never === undefined ? undefined : BigInt(never);
  const isOutside = (label: bigint): boolean =>
    label === none || ((label < start || label >= end) && label !== nothing);
  const first = labels.findIndex(isOutside);
  if (first < 0) return;
  const others = labels.filter(isOutside).length - 1;
  const perSample = labels.length / Math.max(1, target.shape[0] ?? 1);
  fail(
    "bad-data",
    `${where}: sample ${Math.floor(first / perSample)} has label ${labels[first]}; the classes are 0 to ` +
      `${classes - 1}${never === undefined ? "" : ` without ${never}, which is the blank`}` +
      (perSample > 1 && ignore === undefined && never === undefined && loss !== undefined
        ? `; what stands for nothing is left out by ${option("loss", left(Number(labels[first])))}`
        : "") +
      (others > 0 ? ` (and so for ${others} more of ${labels.length} ${perSample === 1 ? "samples" : "labels"})` : ""),
  );
}

/** What rounding may add to a share. */
const slack = 1e-6;

/**
 * Fails with `bad-data` where a number of a target [N, ...] is not from 0 to 1, naming the first such sample of the
 * batch: masks of 0 and 255 and labels of -1 and 1 have a loss too, which means nothing.
 */
export function checkShares(
  { shape, data }: Tensor,
  { name, loss }: { readonly name: string; readonly loss?: string | undefined },
): void {
  const values = data as Float32Array;
  const isOutside = (value: number): boolean => value < -slack || value > 1 + slack;
  const first = values.findIndex(isOutside);
  if (first < 0) return;
  const others = values.filter(isOutside).length - 1;
  fail(
    "bad-data",
    `${name === "" ? "the target" : `the target "${name}"`} holds ${values[first]} in sample ` +
      `${Math.floor((first * shape[0]!) / values.length)}; ${loss ?? "the loss"} takes numbers from 0, no, to 1, yes` +
      (others > 0 ? ` (and so for ${others} more of ${values.length} numbers)` : ""),
  );
}

/**
 * Fails with `not-finite` where an input or the target holds NaN or an infinity, naming tensor and
 * sample; `where` says which batch is meant.
 */
export function checkFinite(batch: Batch, where = "the batch"): void {
  for (const [name, value] of Object.entries(batch.inputs))
    checkTensor(where, name === "" ? "the input" : `input "${name}"`, value);
  if (batch.target) checkTensor(where, "the target", batch.target);
  for (const [name, value] of Object.entries(batch.targets ?? {})) checkTensor(where, `the target "${name}"`, value);
}

function checkTensor(where: string, what: string, { dtype, shape, data }: Tensor): void {
  const at = findNotFinite(dtype, data);
  if (at < 0) return;
  const perSample = data.length / Math.max(1, shape[0] ?? 1);
  fail(
    "not-finite",
    `${where}: ${what} holds ${describeBad(dtype, data[at])} at element ${at % perSample} of sample ` +
      `${Math.floor(at / perSample)}`,
  );
}

function findNotFinite(dtype: Tensor["dtype"], data: Tensor["data"]): number {
  switch (dtype) {
    case "float32":
    case "float64":
      return (data as Float32Array).findIndex((value) => !Number.isFinite(value));
    // An exponent of all ones is what NaN and the infinities have in common.
    case "float16":
      return (data as Uint16Array).findIndex((bits) => (bits & 0x7c00) === 0x7c00);
    case "bfloat16":
      return (data as Uint16Array).findIndex((bits) => (bits & 0x7f80) === 0x7f80);
    default:
      return -1;
  }
}

function describeBad(dtype: Tensor["dtype"], value: unknown): string {
  return dtype === "float16" || dtype === "bfloat16" ? "NaN or an infinity" : String(value);
}

/** The loss that leaves out an id. */
const left = (ignore: number) => ({ kind: "cross-entropy", ignore });
