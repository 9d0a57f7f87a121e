/** The batches and sizes that a graph is looked at with besides those of a trace. */

import { SecateurError } from "../../graph/error.ts";
import type { Setting } from "../../passes/choose-sizes.ts";
import type { Traced } from "../../passes/trace.ts";

/** The batch that a graph was traced at; `undefined` where it is fixed. */
function openBatchOf({ graph, types }: Traced): number | undefined {
  const open = graph.inputs.find(({ shape }) => typeof shape?.[0] === "string");
  return open && types.get(open.name)!.shape[0];
}

/** The setting that a graph was traced at. */
export function settingOf(traced: Traced): Setting {
  const { graph, symbols } = traced;
  const sizes = new Map([...(graph.sizes?.keys() ?? [])].map((symbol) => [symbol, symbols.get(symbol)!]));
  return { batch: openBatchOf(traced) ?? 1, sizes };
}

/** Another batch than that of a trace, and other sizes of all other open axes. */
export function otherSettings(traced: Traced): Setting[] {
  const { batch, sizes } = settingOf(traced);
  return [
    ...(openBatchOf(traced) === undefined ? [] : [{ batch: batch + 1, sizes }]),
    ...(traced.graph.otherSizes ?? []).map((others) => ({ batch, sizes: others })),
  ];
}

/** A setting, with the trace there when it is read. */
export interface Sized {
  readonly setting: Setting;
  readonly traced: Traced;
}

/** The trace at a setting; `undefined` where there is none: a graph that was not normalised may declare too much. */
export function traceAt(one: Pick<Sized, "traced">): Traced | undefined {
  try {
    return one.traced;
  } catch (error) {
    if (error instanceof SecateurError) return undefined;
    throw error;
  }
}

/** The traces of those that have one. */
export const tracesOf = (all: readonly Pick<Sized, "traced">[]): Traced[] => all.flatMap((one) => traceAt(one) ?? []);

/** Sizes further away than so many times as much, or so much more, cost more than they tell. */
const [farTimes, farMore] = [2, 64];

/**
 * Of others the fewest at which another batch is tried, and every size of a value is another one that is so at any of
 * them. A little more of an input may leave what strides make of it as it was.
 */
export function fewestOf<T extends Sized>(traced: Traced, others: readonly T[]): readonly T[] {
  const own = traced.graph.sizes;
  const isNear = ({ setting: { sizes } }: Sized): boolean =>
    [...sizes].every(([symbol, size]) => {
      const here = own?.get(symbol) ?? size;
      return size <= Math.max(here * farTimes, here + farMore);
    });
  const seen = others.filter(isNear).map((one) => ({ one, moved: movedIn(traced, one) }));
  const known = new Set<string>();
  const telling = seen.filter(({ moved }) => {
    if (moved === undefined) return true;
    const before = known.size;
    for (const key of moved) known.add(key);
    return known.size > before;
  });
  const needed = new Set(telling);
  for (const candidate of telling) {
    const { moved } = candidate;
    if (moved === undefined) continue;
    const rest = [...needed].filter((other) => other !== candidate);
    if ([...moved].every((key) => rest.some((other) => other.moved?.has(key)))) needed.delete(candidate);
  }
  return [...needed].map(({ one }) => one);
}

/** The sizes of values that are others at a setting than in a trace; `undefined` where it can't be traced there. */
function movedIn(traced: Traced, one: Sized): ReadonlySet<string> | undefined {
  const there = traceAt(one);
  if (there === undefined) return undefined;
  const moved = new Set<string>();
  for (const [name, { shape }] of traced.types)
    shape.forEach((size, axis) => {
      if (there.types.get(name)?.shape[axis] !== size) moved.add(`${axis} ${name}`);
    });
  return moved;
}

/**
 * Tells whether an axis of a value is as long at others. Where one can't be traced
 * it is not known, and taken to be not.
 */
export function settledBy(traced: Traced, others: readonly Sized[]): (name: string, axis: number) => boolean {
  const traces = others.map(traceAt);
  return (name, axis) => {
    const size = traced.types.get(name)?.shape[axis];
    return traces.every((other) => other !== undefined && other.types.get(name)?.shape[axis] === size);
  };
}
