/** Random streams that depend only on what they are for: the same numbers for the same words, anywhere. */

import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import { skipN } from "pure-rand/utils/skipN";

// The first draws of this generator are alike for seeds that are alike.
const warmUp = 16;

/** A generator for the given safe integers: a seed, an epoch, a purpose. */
export function randomStream(...words: readonly number[]): RandomGenerator {
  let hash = 0x9e3779b9 | 0;
  for (const word of words) {
    hash = mix(hash ^ word);
    hash = mix(hash ^ Math.floor(word / 2 ** 32));
  }
  const stream = xoroshiro128plus(hash);
  skipN(stream, warmUp);
  return stream;
}

/** Murmur3's finaliser, plus a constant so that zero does not stay zero. */
function mix(word: number): number {
  let h = (word + 0x6d2b79f5) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** Puts `items` in random order, in place (Fisher and Yates). */
export function shuffle(items: Int32Array, stream: RandomGenerator): void {
  for (let i = items.length - 1; i > 0; i--) {
    const j = uniformInt(stream, 0, i);
    const held = items[i]!;
    items[i] = items[j]!;
    items[j] = held;
  }
}
