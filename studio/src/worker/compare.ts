/** Two models side by side: the one that is open, and another file or what was cut last. */

import {
  compare,
  encodeModel,
  preprocessingOf,
  type CompareOutcome,
  type Model,
  type Runtime,
  type Tensor,
} from "secateur";
import type { Calling, ClassApart, CompareView, OutputApart, SampleApart } from "./calls.ts";
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

/** So many samples are looked at one by one. */
const mostLooked = 64;

/** The samples by how far two models are apart on each, run alone; the worst first. */
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
  for await (const { inputs } of dataset.batches({ batchSize: 1, limit: mostLooked })) {
    const index = found.length;
    const feeds = inputs[""] ? { [first.inputs[0]!]: inputs[""] } : inputs;
    const [old, now] = [await first.run(feeds), await second.run(feeds)];
    // By their order: the names may be others.
    const pairs = first.outputs.flatMap((name, i) => {
      const [a, b] = [old[name]!, now[second.outputs[i] ?? ""]];
      return b && a.data.length === b.data.length ? [{ name, shape: a.shape, a: numbersOf(a), b: numbersOf(b) }] : [];
    });
    const outputs = pairs.map(apartIn).toSorted((a, b) => b.relative - a.relative);
    if (outputs.length === 0) continue;
    const [only] = pairs;
    const isClassifier = first.outputs.length === 1 && only!.shape.length === 2 && only!.a.length > 1;
    found.push({
      index,
      ...(paths?.[index] !== undefined && { path: paths[index]! }),
      outputs,
      ...(isClassifier && { classes: classesApart(only!, nameOf), areShares: areShares(only!.a) }),
    });
  }
  return found.toSorted((a, b) => b.outputs[0]!.relative - a.outputs[0]!.relative);
}

interface Pair {
  readonly name: string;
  readonly shape: readonly number[];
  readonly a: Float64Array;
  readonly b: Float64Array;
}

const numbersOf = ({ data }: Tensor): Float64Array =>
  Float64Array.from(data as ArrayLike<number | bigint>, (value) => Number(value));

/** How far an output is apart, and where most. */
function apartIn({ name, shape, a, b }: Pair): OutputApart {
  let [largest, sum, most, worst] = [0, 0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!);
    largest = Math.max(largest, Math.abs(a[i]!));
    sum += difference;
    if (difference > most) [most, worst] = [difference, i];
  }
  return {
    name,
    relative: largest > 0 ? most / largest : most,
    largest: most,
    mean: a.length > 0 ? sum / a.length : 0,
    at: placeOf(worst, shape),
    values: [a[worst] ?? 0, b[worst] ?? 0],
    shape,
  };
}

/** The indices of an element, in the order of the axes. */
function placeOf(element: number, shape: readonly number[]): number[] {
  let left = element;
  return shape
    .toReversed()
    .map((size) => {
      const index = left % size;
      left = Math.floor(left / size);
      return index;
    })
    .toReversed();
}

/** So many classes of each model are told. */
const mostClasses = 3;

/** The classes that either model puts first. */
function classesApart({ a, b }: Pair, nameOf: (id: number) => string): ClassApart[] {
  const [first, second] = [orderOf(a), orderOf(b)];
  const [places, others] = [placesIn(first), placesIn(second)];
  const told = new Set([...first.slice(0, mostClasses), ...second.slice(0, mostClasses)]);
  return [...told]
    .toSorted((x, y) => places[x]! - places[y]!)
    .map((id) => ({
      name: nameOf(id),
      values: [a[id]!, b[id]!],
      places: [places[id]! + 1, others[id]! + 1],
    }));
}

const orderOf = (values: Float64Array): number[] => [...values.keys()].sort((x, y) => values[y]! - values[x]! || x - y);

function placesIn(order: readonly number[]): number[] {
  const places: number[] = [];
  for (const [place, id] of order.entries()) places[id] = place;
  return places;
}

/** Whether values are shares of a whole, as probabilities are. */
const areShares = (values: Float64Array): boolean =>
  values.every((value) => value >= 0 && value <= 1) &&
  Math.abs(values.reduce((sum, value) => sum + value, 0) - 1) < 1e-3;
