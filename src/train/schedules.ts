/** Learning rates over the steps of a run. */

export interface Schedule {
  /** The highest rate. */
  readonly rate: number;
  /** Steps over which the rate rises linearly from 0; default 0. */
  readonly warmUp?: number;
}

/** Half a cosine from the highest rate to 0 over `steps` steps, after the warm-up. */
export function cosineRate({ rate, warmUp = 0 }: Schedule, step: number, steps: number): number {
  if (step < warmUp) return (rate * (step + 1)) / warmUp;
  const done = (step - warmUp) / Math.max(1, steps - warmUp);
  return (rate / 2) * (1 + Math.cos(Math.PI * Math.min(1, done)));
}
