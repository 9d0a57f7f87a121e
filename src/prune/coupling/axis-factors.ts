/**
 * factors: where one axis is written as several (a width as heads × places), units can lie along any of the several,
 * but along one at a time. A factor is an axis between such points, or one digit of it, with all that it runs through.
 * Factors that meet at a point exclude each other, and a digit of an axis needs that axis where another point has it as
 * a whole. The coupling is solved once for every set of factors in a small cover of all of them.
 */

import { describe, type Node } from "../../graph/graph.ts";
import type { Traced } from "../../passes/trace.ts";
import { keyOf, listen, ruled, Union, type AxisReference, type Token } from "./axis-references.ts";

/**
 * For a node, which list of axes goes together at each of its points, in the order in
 * which its rule names them; -1 for none.
 */
export type Choice = ReadonlyMap<Node, readonly number[]>;

/**
 * For a node, why a list of axes can never go together, for each of its points and lists; `undefined`
 * where it can, or where nothing says why.
 */
export type Stuck = ReadonlyMap<Node, readonly (readonly (string | undefined)[])[]>;

interface Point {
  readonly node: Node;
  readonly why: readonly (string | undefined)[];
  /** The factor of each list; `undefined` where it is frozen. */
  readonly factors: readonly (string | undefined)[];
}

/**
 * The choices that the coupling is to be solved for, at least one. Every factor that is not frozen is in one of
 * them, and no more factors fit into any.
 *
 * @param frozen the axes that are frozen from outside, by the model's inputs and
 * outputs or a node without a rule, and why
 */
export function choicesOf(
  traced: Traced,
  frozen: Iterable<AxisReference & { readonly reason: string }>,
): { readonly choices: readonly Choice[]; readonly stuck: Stuck } {
  const { points, sizes, needs } = pointsOf(traced, frozen);
  const rivals = rivalsOf(points);
  // Longer axes first: at every point the finest units are in the first choice.
  const factors = [...sizes.keys()].sort((a, b) => sizes.get(b)! - sizes.get(a)!);
  const left = new Set(factors);
  const choices: Choice[] = [];
  do {
    const active = new Set<string>();
    const fits = (wanted: readonly string[]): boolean =>
      !wanted.some((factor) =>
        [...(rivals.get(factor) ?? [])].some((rival) => active.has(rival) || wanted.includes(rival)),
      );
    for (const factor of [...factors.filter((one) => left.has(one)), ...factors]) {
      const wanted = [...closure(factor, needs)];
      // A factor that gets what it needs nowhere has its turn alone, where its reasons are found.
      if (fits(wanted)) for (const one of wanted) active.add(one);
      else if (active.size === 0) active.add(factor);
    }
    for (const factor of active) left.delete(factor);
    const choice = new Map<Node, number[]>();
    for (const { node, factors: own } of points) {
      const chosen = own.findIndex((factor) => factor !== undefined && active.has(factor));
      choice.set(node, [...(choice.get(node) ?? []), chosen]);
    }
    choices.push(choice);
  } while (left.size > 0);
  const stuck = new Map<Node, (readonly (string | undefined)[])[]>();
  for (const { node, why } of points) stuck.set(node, [...(stuck.get(node) ?? []), why]);
  return { choices, stuck };
}

/** A factor with all that it needs. */
function closure(factor: string, needs: ReadonlyMap<string, ReadonlySet<string>>): Set<string> {
  const found = new Set([factor]);
  for (const one of found) for (const need of needs.get(one) ?? []) found.add(need);
  return found;
}

interface Points {
  readonly points: readonly Point[];
  /** The length of every factor that is not frozen. */
  readonly sizes: ReadonlyMap<string, number>;
  /** For each factor those without which it is frozen. */
  readonly needs: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Every point of the graph. */
function pointsOf(traced: Traced, frozen: Iterable<AxisReference & { readonly reason: string }>): Points {
  const factors = new Union();
  // Only axes that are equal index by index hand on that one of them is frozen as a whole.
  const equal = new Union();
  const stuck = [...frozen].map((place): { key: string; reason?: string } => ({
    key: keyOf(place),
    reason: place.reason,
  }));
  const found: { node: Node; lists: readonly (readonly Token[])[] }[] = [];
  for (const applied of ruled(traced)) {
    const { node } = applied;
    const spoken = new Set<string>();
    listen(applied, {
      spoken: (key) => spoken.add(key),
      same(a, b) {
        factors.join(a.key, b.key);
        if (!a.part && !b.part) equal.join(a.key, b.key);
      },
      either: (lists) => found.push({ node, lists }),
      freeze: ({ key, part }) => void (part || stuck.push({ key })),
    });
    for (const value of [...applied.inputs, ...applied.outputs])
      value?.shape.forEach((_, axis) => {
        const key = keyOf({ value: value.name, axis });
        if (!spoken.has(key)) stuck.push({ key, reason: needsWhole(node, value.name, axis) });
      });
  }
  const still = new Map<string, string | undefined>();
  for (const { key, reason } of stuck) still.set(equal.find(key), still.get(equal.find(key)) ?? reason);
  /** What a token runs along: its axis, or the same digit of all axes that are equal to it. */
  const trackOf = ({ key, part, digitOf }: Token, other: string): string =>
    !part ? key : digitOf === undefined ? other : `${equal.find(key)} ${digitOf}`;
  const tracks = found.map(({ lists }, point) =>
    lists.map((list, i) => {
      const [one, ...others] = list.map((token) => trackOf(token, `${point} ${i}`)) as [string, ...string[]];
      for (const other of others) factors.join(one, other);
      return one;
    }),
  );
  const sizes = new Map<string, number>();
  const wholes = new Map<string, string>();
  found.forEach(({ lists }, point) =>
    lists.forEach((list, i) => {
      if (list.some(({ key }) => still.has(equal.find(key)))) return;
      const factor = factors.find(tracks[point]![i]!);
      sizes.set(factor, list[0]!.length);
      for (const { key, part } of list) if (!part) wholes.set(equal.find(key), factor);
    }),
  );
  const needs = new Map<string, Set<string>>();
  found.forEach(({ lists }, point) =>
    lists.forEach((list, i) => {
      const factor = factors.find(tracks[point]![i]!);
      for (const { key, part } of list) {
        const whole = part ? wholes.get(equal.find(key)) : undefined;
        if (whole === undefined || whole === factor || !sizes.has(factor)) continue;
        const known = needs.get(factor) ?? new Set();
        needs.set(factor, known.add(whole));
      }
    }),
  );
  const points = found.map(({ node, lists }, point) => ({
    node,
    why: lists.map((list) => list.map(({ key }) => still.get(equal.find(key))).find((reason) => reason !== undefined)),
    factors: tracks[point]!.map((track) => (sizes.has(factors.find(track)) ? factors.find(track) : undefined)),
  }));
  return { points, sizes, needs };
}

/** How a message says that a rule does not speak of an axis. */
export const needsWhole = (node: Node, value: string, axis: number): string =>
  `${describe(node)} needs axis ${axis} of "${value}" whole`;

/** For each factor the factors that it meets. */
function rivalsOf(points: readonly Point[]): Map<string, Set<string>> {
  const rivals = new Map<string, Set<string>>();
  for (const { factors } of points)
    for (const one of factors)
      for (const other of factors) {
        if (one === undefined || other === undefined || one === other) continue;
        const known = rivals.get(one);
        if (known) known.add(other);
        else rivals.set(one, new Set([other]));
      }
  return rivals;
}
