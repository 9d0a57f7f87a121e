/** Two models side by side: the one that is open, and another file or what was cut last. */

import { compare, encodeModel, preprocessingOf, type CompareOutcome, type Model, type Runtime } from "secateur";
import type { Calling, CompareView, SampleApart } from "./calls.ts";
import { dataOf, type OpenData } from "./data.ts";
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
    apart: data ? await apartOn(data, [before.model, after.model], on, signal) : [],
  };
}

/** So many samples are looked at one by one, and so many of them are shown. */
const [mostLooked, mostShown] = [64, 6];

/** The samples on which two models are furthest apart, each run alone. */
async function apartOn(
  { dataset, paths }: OpenData,
  models: readonly [Model, Model],
  on: Runtime,
  signal: AbortSignal,
): Promise<SampleApart[]> {
  const { classes } = preprocessingOf(models[0]);
  const nameOf = (id: number): string =>
    (Array.isArray(classes) ? (classes[id] as string) : undefined) ?? `class ${id}`;
  await using first = await on.load(encodeModel(models[0]), { threads: on.threads, signal });
  await using second = await on.load(encodeModel(models[1]), { threads: on.threads, signal });
  const found: SampleApart[] = [];
  let index = 0;
  for await (const { inputs } of dataset.batches({ batchSize: 1, limit: mostLooked })) {
    const feeds = inputs[""] ? { [first.inputs[0]!]: inputs[""] } : inputs;
    const [old, now] = [await first.run(feeds), await second.run(feeds)];
    const distances = first.outputs.map((output, i) => ({
      output,
      relative: relativeOf(old[output]!.data as Float32Array, now[second.outputs[i]!]!.data as Float32Array),
    }));
    const worst = distances.reduce((a, b) => (b.relative > a.relative ? b : a));
    const [output] = first.outputs;
    const isClassifier = first.outputs.length === 1 && old[output!]!.shape.length === 2;
    const classOf = (data: Float32Array): string => nameOf(data.indexOf(data.reduce((a, b) => Math.max(a, b))));
    found.push({
      index,
      ...(paths?.[index] !== undefined && { path: paths[index]! }),
      ...worst,
      ...(isClassifier && {
        classes: [
          classOf(old[output!]!.data as Float32Array),
          classOf(now[second.outputs[0]!]!.data as Float32Array),
        ] as const,
      }),
    });
    index++;
  }
  return found.toSorted((a, b) => b.relative - a.relative).slice(0, mostShown);
}

/** The largest difference as a share of the largest value. */
function relativeOf(before: Float32Array, after: Float32Array): number {
  let [largest, apart] = [0, 0];
  for (let i = 0; i < before.length; i++) {
    largest = Math.max(largest, Math.abs(before[i]!));
    apart = Math.max(apart, Math.abs(before[i]! - after[i]!));
  }
  return largest > 0 ? apart / largest : apart;
}
