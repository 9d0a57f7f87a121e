/** Samples that are known by an index: their order in an epoch, their parts, and batches of those that can be read. */

import { fail } from "../graph/error.ts";
import { randomStream, shuffle } from "../graph/random.ts";
import type { Batch, BatchOptions, CheckedOptions, Dataset, StoredPictures } from "./batches.ts";
import { checkOptions } from "./batches.ts";

/** A data set that knows its size can always be cut into parts. */
export interface SampleDataset extends Dataset {
  readonly size: number;
  subset(indices: ArrayLike<number>, name: string): SampleDataset;
}

export interface SampleSource<Sample> extends Pick<Dataset, "name" | "classes" | "labels" | "form"> {
  readonly size: number;
  /** The samples of these indices as pictures, where they are such. */
  stored?(indices: Int32Array): StoredPictures;
  /** Begins an epoch of the data set `name`. Fails with `bad-option` where the options do not suit the samples. */
  open(name: string, options: CheckedOptions): SampleReader<Sample>;
}

export interface SampleReader<Sample> {
  /**
   * The samples at the indices, without those that cannot be read. Called in the
   * order of the epoch, once for each index.
   */
  read(indices: Int32Array): readonly Sample[] | Promise<readonly Sample[]>;
  toBatch(samples: readonly Sample[]): Batch;
}

// The purposes that random streams are drawn for, so that no two share one.
export const purposes = { order: 1, augment: 2, split: 3 } as const;

/**
 * All samples of a source in stored order. A seed and an epoch decide the order of a shuffled epoch, whatever the batch
 * size. Batches are full but for the last: what cannot be read is made up for by the samples that follow.
 */
export function sampleDataset<Sample>(source: SampleSource<Sample>): SampleDataset {
  return view(
    source,
    source.name,
    Int32Array.from({ length: source.size }, (_, i) => i),
  );
}

function view<Sample>(source: SampleSource<Sample>, name: string, indices: Int32Array): SampleDataset {
  return {
    name,
    size: indices.length,
    ...(source.classes !== undefined && { classes: source.classes }),
    ...(source.labels && { labels: source.labels }),
    ...(source.form && { form: source.form }),
    ...(source.stored && { stored: source.stored(indices) }),
    batches(given) {
      const options = checkOptions(name, given);
      const order = orderOf(name, indices, options);
      return epoch(name, source.open(name, options), order, options);
    },
    subset(chosen, subsetName) {
      if (chosen.length === 0) fail("bad-option", `data set ${subsetName}: no samples chosen of ${name}`);
      const kept = Int32Array.from(
        chosen,
        (i) => indices[i] ?? fail("bad-option", `data set ${name}: sample ${i} of ${indices.length}`),
      );
      return view(source, subsetName, kept);
    },
  };
}

function orderOf(name: string, indices: Int32Array, options: CheckedOptions): Int32Array {
  const { batchSize, from = 0, to = indices.length, dropLast } = options;
  if (from >= to || to > indices.length)
    fail("bad-option", `data set ${name}: no samples from ${from} to ${to}; it has ${indices.length}`);
  const order = indices.slice(from, to);
  if (dropLast && order.length < batchSize)
    fail(
      "bad-option",
      `data set ${name}: dropLast leaves nothing of ${order.length} samples at batch size ${batchSize}`,
    );
  if (options.shuffle) shuffle(order, randomStream(options.seed, options.epoch, purposes.order));
  return order;
}

async function* epoch<Sample>(
  name: string,
  reader: SampleReader<Sample>,
  order: Int32Array,
  { batchSize, limit = Infinity, dropLast }: BatchOptions,
): AsyncGenerator<Batch> {
  const waiting: Sample[] = [];
  let given = 0;
  for (let at = 0; at < order.length; at += batchSize) {
    for (const sample of await reader.read(order.subarray(at, at + batchSize))) waiting.push(sample);
    if (waiting.length < batchSize) continue;
    yield reader.toBatch(waiting.splice(0, batchSize));
    if (++given === limit) return;
  }
  if (given === 0 && waiting.length === 0)
    fail("bad-data", `data set ${name}: none of its ${order.length} samples can be read`);
  if (waiting.length > 0 && !dropLast) yield reader.toBatch(waiting);
}
