/** Shards: which minibatches belong to which part of some work. */

import { fail, option } from "../graph/error.ts";
import type { Shard } from "../options/distribute.ts";
import type { Span } from "../score/score.ts";

/**
 * The minibatches of a shard: from ⌊(i - 1) · B / n⌋ to ⌊i · B / n⌋ for shard i of n and B minibatches. Shards differ
 * by one minibatch at most. Where there are more shards than minibatches, some have none.
 *
 * @throws SecateurError `bad-option` for a shard that is none of those there are
 */
export function spanOf({ index, of }: Shard, minibatches: number): Span {
  if (index > of) fail("bad-option", `${option("shard", { index, of })}: the last of ${of} shards is ${of}`);
  return { from: Math.floor(((index - 1) * minibatches) / of), to: Math.floor((index * minibatches) / of) };
}

/** A shard as people write it. */
export const shardName = ({ index, of }: Shard): string => `${index}/${of}`;
