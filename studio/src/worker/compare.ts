/** Two models side by side: the one that is open, and another file or what was cut last. */

import { compare, type CompareOutcome } from "secateur";
import type { Calling, CompareView } from "./calls.ts";
import { dataOf } from "./data.ts";
import { opened } from "./models.ts";
import { runtime } from "./runtime.ts";

export async function compareModels(_: unknown, { signal, progress }: Calling): Promise<CompareView> {
  const [before, after] = [opened("main"), opened("other")];
  const on = await runtime();
  const data = dataOf(before.model);
  const found: CompareOutcome = await compare(before.model, after.model, {
    runtime: on,
    threads: on.threads,
    ...(data && { data: data.dataset }),
    signal,
    onEvent: ({ done, all }) => progress({ done, ...(all !== undefined && { all }) }),
  });
  const { agreement, intervals, quality, samples = 0 } = found.data ?? {};
  return {
    before: found.before,
    after: found.after,
    groups: found.groups.map(({ name, before: old = 0, after: now = 0 }) => ({ name, before: old, after: now })),
    outputs: [...(found.outputs ?? [])].map(([name, { largest, difference }]) => ({
      name,
      max: largest,
      relative: difference,
    })),
    ...(agreement !== undefined && { agreement }),
    ...(intervals?.agreement && { interval: intervals.agreement }),
    ...(quality?.[0].top1 !== undefined && { top1: [quality[0].top1, quality[1].top1!] as const }),
    samples,
  };
}
