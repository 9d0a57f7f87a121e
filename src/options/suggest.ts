/** What somebody may have meant. */

import { closest, distance } from "fastest-levenshtein";

/** What is so far from a word is another word: commander's bounds. */
const mostEdits = 3;
const leastAlike = 0.4;

/** The known word that is nearest to one that is not, where one is near enough. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const near = closest(word, known);
  const edits = distance(word, near);
  const length = Math.max(word.length, near.length);
  return edits <= mostEdits && (length - edits) / length > leastAlike ? near : undefined;
}
