/** The same removal at other sizes of the axes that a graph leaves open. */

import { fail, SecateurError } from "../../graph/error.ts";
import { once } from "../../graph/lazy.ts";
import type { Setting } from "../../passes/choose-sizes.ts";
import { trace, type Traced } from "../../passes/trace.ts";
import { findGroups, removedIndices, type Groups, type Removal } from "../coupling/groups.ts";

/** Groups at one setting, and what goes of every axis there. */
export interface RemovalAt {
  readonly groups: Groups;
  readonly removed: ReturnType<typeof removedIndices>;
}

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
function otherSettings(traced: Traced): Setting[] {
  const { batch, sizes } = settingOf(traced);
  return [
    ...(openBatchOf(traced) === undefined ? [] : [{ batch: batch + 1, sizes }]),
    ...(traced.graph.otherSizes ?? []).map((others) => ({ batch, sizes: others })),
  ];
}

/** Sizes further away than so many times as much, or so much more, cost more than they tell. */
const [farTimes, farMore] = [2, 64];

/**
 * Of other settings the fewest at which another batch is tried, and every size of a value is another one that is so at any of them: a little more
 * of an input may leave what strides make of it as it was.
 */
export function fewestSettings(traced: Traced): Setting[] {
  const { graph } = traced;
  const isNear = ({ sizes }: Setting): boolean =>
    [...sizes].every(([symbol, size]) => {
      const here = graph.sizes?.get(symbol) ?? size;
      return size <= Math.max(here * farTimes, here + farMore);
    });
  const seen = otherSettings(traced)
    .filter(isNear)
    .map((setting) => ({ setting, moved: movedAt(traced, setting) }));
  const known = new Set<string>();
  const telling = seen.filter(({ moved }) => {
    if (moved === undefined) return true;
    const before = known.size;
    for (const one of moved) known.add(one);
    return known.size > before;
  });
  const needed = new Set(telling);
  for (const one of telling) {
    const { moved } = one;
    if (moved === undefined) continue;
    const others = [...needed].filter((other) => other !== one);
    if ([...moved].every((key) => others.some((other) => other.moved?.has(key)))) needed.delete(one);
  }
  return [...needed].map(({ setting }) => setting);
}

/** The sizes of values that are others at a setting than in a trace; `undefined` where it can't be traced there. */
function movedAt(traced: Traced, setting: Setting): ReadonlySet<string> | undefined {
  const [there] = tracesAtOtherSizes(traced, [setting]);
  if (there === undefined) return undefined;
  const moved = new Set<string>();
  for (const [name, { shape }] of traced.types)
    shape.forEach((size, axis) => {
      if (there.types.get(name)?.shape[axis] !== size) moved.add(`${axis} ${name}`);
    });
  return moved;
}

/** The traces of a graph at other settings. One that it does not have is left out: a graph that was not normalised may declare too much. */
export function tracesAtOtherSizes(traced: Traced, settings: readonly Setting[] = otherSettings(traced)): Traced[] {
  return settings.flatMap((setting) => {
    try {
      return [trace(traced.graph, setting)];
    } catch (error) {
      if (error instanceof SecateurError) return [];
      throw error;
    }
  });
}

/** Whether an axis of a value is as long at all settings; where one could not be traced it is not known, and taken to be not. */
export function createSettled(traced: Traced): (name: string, axis: number) => boolean {
  const others = once(() => {
    const settings = fewestSettings(traced);
    const traces = tracesAtOtherSizes(traced, settings);
    return traces.length === settings.length ? traces : undefined;
  });
  const sizeAt = ({ types }: Traced, name: string, axis: number) => types.get(name)?.shape[axis];
  return (name, axis) => others()?.every((other) => sizeAt(other, name, axis) === sizeAt(traced, name, axis)) ?? false;
}

/**
 * What a removal takes at another size: the same of every weight.
 *
 * @throws SecateurError `unsupported` where units go together in another way there
 */
function removalAtOtherSizes(groups: Groups, removal: Removal, traced: Traced): RemovalAt {
  const found = findGroups(traced);
  const shapes = traced.graph.inputs.map(({ name }) => `${name} [${traced.types.get(name)!.shape.join(", ")}]`);
  const refuse = (name: string): never =>
    fail(
      "unsupported",
      `the units of group "${name}" go together in another way at ${shapes.join(", ")}; leave it out of the plan`,
    );
  const names = new Map(found.groups.map((group) => [group.name, group]));
  for (const [name, units] of removal)
    if (units.some((unit) => names.get(name)?.units[unit] === undefined)) refuse(name);
  const [before, removed] = [removedIndices(groups, removal), removedIndices(found, removal)];
  for (const [name] of removal) {
    const group = groups.groups.find((one) => one.name === name)!;
    for (const { value, axis } of group.axes) {
      if (!traced.graph.initializers.has(value)) continue;
      const listed = [before, removed].map((one) =>
        [...(one.get(value)?.get(axis) ?? [])].sort((a, b) => a - b).join(),
      );
      if (listed[0] !== listed[1]) refuse(name);
    }
  }
  return { groups: found, removed };
}

/** A removal at other sizes of all that is open, found when it is first asked for. */
export type OtherSizes = () => readonly RemovalAt[];

export const createOtherSizes = (groups: Groups, removal: Removal): OtherSizes =>
  once(() => {
    const { traced } = groups.coupling;
    return tracesAtOtherSizes(traced, fewestSettings(traced)).map((there) =>
      removalAtOtherSizes(groups, removal, there),
    );
  });
