/** What a source of samples offers: batches of input tensors with their targets, one epoch at a time. */

import { fail } from "../graph/error.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { ImageForm } from "./form.ts";

export interface Batch {
  /** By the name of the model's input, or "" for the only one; the first axis counts the samples. */
  readonly inputs: Readonly<Record<string, Tensor>>;
  /** Class ids as int64 [N], or float32 whose first axis is N; absent where the data has no labels. */
  readonly target?: Tensor;
  /** Where there are several: targets by their names. */
  readonly targets?: Readonly<Record<string, Tensor>>;
  /** N, the number of samples. */
  readonly size: number;
}

/** Pictures as they are stored: bytes before they are normalised, moved, or put into a layout. */
export interface StoredPictures {
  /** [C, H, W] of one picture. */
  readonly shape: readonly [number, number, number];
  /** The pictures `from` to `to` in stored order, and nothing for one that cannot be read. */
  read(from: number, to: number): Promise<readonly (StoredPicture | undefined)[]>;
  /** What all samples are compared with, but for masks. */
  targets(): Pick<Batch, "target" | "targets">;
}

export interface StoredPicture {
  /** The bytes [C, H, W]. */
  readonly image: Uint8Array;
  /** Class ids [H, W] of its pixels, which are a target called "mask". */
  readonly mask?: Uint8Array;
}

export interface Dataset {
  readonly name: string;
  /** Samples, where known. */
  readonly size?: number;
  readonly classes?: number;
  /** The names of the classes, in the order of their ids. */
  readonly labels?: readonly string[];
  /** The list that `labels` were matched to, a built-in one by its name; absent where class ids are the data's own. */
  readonly classList?: string;
  /** How its pixels become inputs, where it has pixels. */
  readonly form?: ImageForm;
  /** Its pictures, where it has any, for whoever hands them on. */
  readonly stored?: StoredPictures;
  /** One epoch. A wrong option fails here, a wrong sample when its batch is asked for. */
  batches(options: BatchOptions): AsyncIterable<Batch>;
  /** The samples of the given indices, in that order; absent where samples cannot be addressed. */
  subset?(indices: ArrayLike<number>, name: string): Dataset;
}

export interface BatchOptions {
  readonly batchSize: number;
  readonly shuffle?: boolean;
  readonly augment?: Augment | undefined;
  /** With `epoch`, decides order and augmentation; 0 unless given. */
  readonly seed?: number;
  readonly epoch?: number;
  /** At most so many batches. */
  readonly limit?: number | undefined;
  /** Leaves out a last batch that is smaller than the others. */
  readonly dropLast?: boolean;
  /** The range of samples in stored order, before any shuffling: `from` included, `to` not. */
  readonly from?: number;
  readonly to?: number;
}

/** Random changes to training images, new ones in every epoch. */
export interface Augment {
  /** Pixels of black put round an image before a random part of the first size is cut out. */
  readonly crop?: number;
  /** Mirrors left and right, every second time on average. */
  readonly flip?: boolean;
}

/** The options with their defaults, and the checks that hold for every kind of data set. */
export type CheckedOptions = BatchOptions & { readonly seed: number; readonly epoch: number };

/** Checks what does not depend on the samples; all that is wrong comes in one error. */
export function checkOptions(name: string, options: BatchOptions): CheckedOptions {
  const { batchSize, seed = 0, epoch = 0, limit, from, to, augment } = options;
  const problems: string[] = [];
  const whole = (what: string, value: number | undefined, least: number): void => {
    if (value !== undefined && (!Number.isSafeInteger(value) || value < least))
      problems.push(`${what} is ${value}, not a whole number of at least ${least}`);
  };
  whole("batchSize", batchSize, 1);
  whole("seed", seed, Number.MIN_SAFE_INTEGER);
  whole("epoch", epoch, 0);
  whole("limit", limit, 1);
  whole("from", from, 0);
  whole("to", to, 1);
  whole("augment.crop", augment?.crop, 0);
  if (batchSize === undefined) problems.push("batchSize is missing");
  if (problems.length > 0) fail("bad-option", `data set ${name}: ${problems.join("; ")}`);
  return { ...options, seed, epoch };
}
