/** Batches for learning, one epoch after another, from wherever a run stands. */

import type { Augment, Batch, Dataset } from "../data/batches.ts";
import type { Graph } from "../graph/graph.ts";
import { widen } from "../passes/widen.ts";
import { feedsOf } from "../execute/feeds.ts";
import { wholeBatches } from "../execute/minibatches.ts";

/** Where a run stands in its data: the next batch is number `batch` of epoch `epoch`. */
export interface Position {
  readonly epoch: number;
  readonly batch: number;
}

export interface StreamOptions {
  readonly batchSize: number;
  readonly seed: number;
  readonly augment?: Augment | undefined;
}

/** Whole batches, shuffled, and augmented where that was asked for, without end. */
export interface BatchStream extends AsyncDisposable {
  /** Where the next batch stands. */
  readonly position: Position;
  /**
   * Batches of an epoch: as many as the last one had, before that as the size of the data set promises;
   * images that cannot be read make it fewer.
   */
  readonly perEpoch: number | undefined;
  next(): Promise<Batch>;
  /** Goes back to where it has been before. */
  goBack(to: Position): Promise<void>;
}

/**
 * @param from the position to start at: batches before it are passed over
 * @param known batches of an epoch, where an earlier stream has counted them
 * @throws SecateurError from `next`: `bad-data` for a data set that has no whole batch
 */
export function openStream(dataset: Dataset, options: StreamOptions, from: Position, known?: number): BatchStream {
  const { batchSize, seed, augment } = options;
  const learning = { batchSize, seed, augment, shuffle: true };
  let position = from;
  let perEpoch = known ?? (dataset.size === undefined ? undefined : Math.floor(dataset.size / batchSize));
  let batches = endless(from);

  async function* endless(from: Position): AsyncGenerator<Batch> {
    for (let epoch = from.epoch; ; epoch++) {
      let count = 0;
      // One batch is held back, so that the last of an epoch is known to be the last.
      let held: Batch | undefined;
      for await (const batch of wholeBatches(dataset, { ...learning, epoch })) {
        if (held) {
          position = { epoch, batch: count };
          yield held;
        }
        count++;
        held = epoch === from.epoch && count <= from.batch ? undefined : batch;
      }
      perEpoch = count;
      if (!held) continue;
      position = { epoch: epoch + 1, batch: 0 };
      yield held;
    }
  }

  return {
    get position() {
      return position;
    },
    get perEpoch() {
      return perEpoch;
    },
    async next() {
      const { value } = await batches.next();
      return value as Batch;
    },
    async goBack(to) {
      await batches.return(undefined);
      position = to;
      batches = endless(to);
    },
    async [Symbol.asyncDispose]() {
      await batches.return(undefined);
    },
  };
}

/** Fails where the training data does not fit, before anything long begins. */
export async function tryBatch(data: Dataset, graph: Graph, options: StreamOptions): Promise<void> {
  await using stream = openStream(data, options, { epoch: 0, batch: 0 });
  feedsOf(widen(graph), await stream.next());
}
