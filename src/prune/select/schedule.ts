/** How much is to be gone after each removal, where that is planned from the start. */

import type { Costs } from "../../passes/costs.ts";
import type { Budget, RemovalSchedule } from "../../options/budget.ts";

/** The target of the next removal: the first on the way from the start to the target that is not met yet. */
export function nextTarget(
  { kind, removals }: RemovalSchedule,
  start: Costs & { readonly units: number },
  target: Budget,
  now: Costs & { readonly units: number },
): Budget {
  const count = kind === "one-shot" ? 1 : removals;
  for (let step = 1; step < count; step++) {
    const done = step / count;
    const share = kind === "cubic" ? 1 - (1 - done) ** 3 : done;
    const interim: Budget = Object.fromEntries(
      (["macs", "params", "bytes", "units"] as const).flatMap((key) => {
        const goal = target[key];
        return goal === undefined ? [] : [[key, start[key] + (goal - start[key]) * share]];
      }),
    );
    if (Object.entries(interim).some(([key, value]) => now[key as keyof Budget] > value)) return interim;
  }
  return target;
}
