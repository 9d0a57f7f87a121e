/** Parts of a data set: a range, a random part put aside, and the test part of data that comes without one. */

import { fail } from "../graph/error.ts";
import { randomStream, shuffle } from "../graph/random.ts";
import type { Dataset } from "./batches.ts";
import { purposes } from "./samples.ts";

/** The samples `from` to `from + count` in stored order, as a data set of their own. */
export function take(dataset: Dataset, count: number, from = 0): Dataset {
  const { size, subset } = addressable(dataset);
  if (!Number.isSafeInteger(count) || !Number.isSafeInteger(from) || count < 1 || from < 0 || from + count > size)
    fail("bad-option", `data set ${dataset.name}: cannot take ${count} samples from sample ${from}; it has ${size}`);
  const indices = Int32Array.from({ length: count }, (_, i) => from + i);
  return subset(indices, `${dataset.name}[${from}..${from + count}]`);
}

export interface Split {
  /** What is left to train on. */
  readonly rest: Dataset;
  /** The part put aside, `fraction` of the samples, drawn at random. */
  readonly heldOut: Dataset;
}

/**
 * Puts a random part of the samples aside for validation; the same seed puts the same ones aside.
 * Both parts keep the stored order. Fails with `bad-option` where a part would be empty.
 */
export function split(dataset: Dataset, fraction: number, seed: number): Split {
  const { size, subset } = addressable(dataset);
  const count = Math.round(size * fraction);
  if (!(fraction > 0 && fraction < 1) || count === 0 || count === size)
    fail("bad-option", `data set ${dataset.name}: a part of ${fraction} of ${size} samples leaves one side empty`);
  if (!Number.isSafeInteger(seed)) fail("bad-option", `data set ${dataset.name}: seed is ${seed}, not a whole number`);
  const order = Int32Array.from({ length: size }, (_, i) => i);
  shuffle(order, randomStream(seed, purposes.split));
  return {
    rest: subset(order.slice(count).sort(), `${dataset.name} without the part held out`),
    heldOut: subset(order.slice(0, count).sort(), `${dataset.name}, the part held out`),
  };
}

function addressable(dataset: Dataset): Required<Pick<Dataset, "size" | "subset">> {
  const { size } = dataset;
  if (size === undefined || !dataset.subset)
    fail("bad-option", `data set ${dataset.name} gives its batches in a row and cannot be cut into parts`);
  return { size, subset: (indices, name) => dataset.subset!(indices, name) };
}

export type SplitName = "train" | "test";

/** Of data without parts, one sample of so many is for testing. */
const holdOutEvery = 5;

/**
 * The indices of one part of data that comes without parts: every fifth sample of a class, in stored order, is for
 * testing. Fails with `bad-data` where no class has five.
 */
export function holdOut(name: string, classIds: Iterable<number>, split: SplitName): number[] {
  const seen = new Map<number, number>();
  const chosen: number[] = [];
  let at = 0;
  for (const id of classIds) {
    const count = (seen.get(id) ?? 0) + 1;
    seen.set(id, count);
    if ((count % holdOutEvery === 0) === (split === "test")) chosen.push(at);
    at++;
  }
  if (chosen.length === 0)
    fail(
      "bad-data",
      `${name} has no part for testing, and no class has the ${holdOutEvery} samples of which one would be put aside`,
    );
  return chosen;
}
