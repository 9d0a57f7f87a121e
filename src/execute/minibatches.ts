/** The minibatches of a data set that work goes through. */

import type { Batch, BatchOptions, Dataset } from "../data/batches.ts";
import { prefetch } from "../data/prefetch.ts";
import { fail, option } from "../graph/error.ts";

interface MinibatchOptions extends BatchOptions {
  /** Ends the work between two minibatches. */
  readonly signal?: AbortSignal | undefined;
}

/** The minibatches of an epoch; the next is made ready while one is worked on. */
export async function* minibatches(
  dataset: Dataset,
  { signal, ...options }: MinibatchOptions,
): AsyncGenerator<Batch, void> {
  for await (const batch of prefetch(dataset.batches(options))) {
    signal?.throwIfAborted();
    yield batch;
  }
}

/**
 * Those of just the size that was asked for, as a graph for a fixed batch takes them.
 *
 * @throws SecateurError `bad-data` where there is none
 */
export async function* wholeBatches(dataset: Dataset, options: MinibatchOptions): AsyncGenerator<Batch, void> {
  const { batchSize } = options;
  let isEmpty = true;
  let seen: number | undefined;
  for await (const batch of minibatches(dataset, { ...options, dropLast: true })) {
    seen = batch.size;
    if (seen !== batchSize) continue;
    isEmpty = false;
    yield batch;
  }
  if (isEmpty) refuse(dataset, batchSize, seen);
}

function refuse({ name }: Dataset, batchSize: number, seen: number | undefined): never {
  fail(
    "bad-data",
    seen === undefined || seen < batchSize
      ? `"${name}" has fewer than ${batchSize} samples${seen === undefined ? "" : ` in a batch, ${seen}`}: lower ` +
          `${option("batchSize")}`
      : `"${name}" gives batches of ${seen} samples, not of ${batchSize}: set ${option("batchSize", seen)}`,
  );
}
