/** The last step to a goal that can only be measured, made no longer than it has to be. */

/** What a number of units gave. */
export interface Attempt<T> {
  readonly result: T;
  /** What was measured, as a share of the goal, which is reached: at most 1. */
  readonly share: number;
}

/** So near to the goal no fewer units are tried. */
const near = 0.97;
/** Each try halves what is in question. */
const mostTries = 6;

/**
 * Halves between no units and as many as go past the goal until it is reached nearly, and not missed.
 *
 * @param count the units that went in `past`
 * @param attempt what fewer units give; `undefined` where they miss the goal
 */
export async function bisect<T>(
  count: number,
  past: Attempt<T>,
  attempt: (count: number) => Promise<Attempt<T> | undefined>,
): Promise<T> {
  let [low, high, best] = [0, count, past];
  for (let tries = 0; tries < mostTries && best.share < near && high - low > 1; tries++) {
    const half = Math.floor((low + high) / 2);
    const tried = await attempt(half);
    if (tried === undefined) low = half;
    else [high, best] = [half, tried];
  }
  return best.result;
}
