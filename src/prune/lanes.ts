/**
 * Lanes: where one axis is written as several (a width as heads × places), units can lie along any of the several, but along one at a
 * time. A lane is an axis between such points with all that it runs through; lanes that meet at a point exclude each other. The coupling
 * is solved once for every set of lanes in a small cover of all of them.
 */

import type { Node } from "../graph/graph.ts";
import type { Traced } from "../passes/trace.ts";
import { keyOf, listen, ruled, Union, type Place } from "./places.ts";

/** For a node, the pair that goes together at each of its points, in the order in which its rule names them; -1 for none. */
export type Choice = ReadonlyMap<Node, readonly number[]>;

interface Point {
  readonly node: Node;
  /** The lane of each pair; `undefined` where it is frozen. */
  readonly lanes: readonly (string | undefined)[];
}

/**
 * The choices that the coupling is to be solved for, at least one. Every lane that is not frozen is in one of them, and no more lanes
 * fit into any.
 *
 * @param frozen whether an axis is frozen from outside: by the model's inputs and outputs, or a node without a rule
 */
export function choicesOf(traced: Traced, frozen: Iterable<Place>): readonly Choice[] {
  const { points, sizes } = pointsOf(traced, frozen);
  const rivals = rivalsOf(points);
  // Longer axes first: at every point the finest units are in the first choice.
  const lanes = [...sizes.keys()].sort((a, b) => sizes.get(b)! - sizes.get(a)!);
  const left = new Set(lanes);
  const choices: Choice[] = [];
  do {
    const active = new Set<string>();
    for (const lane of [...lanes.filter((one) => left.has(one)), ...lanes])
      if (![...(rivals.get(lane) ?? [])].some((rival) => active.has(rival))) active.add(lane);
    for (const lane of active) left.delete(lane);
    const choice = new Map<Node, number[]>();
    for (const { node, lanes: own } of points) {
      const chosen = own.findIndex((lane) => lane !== undefined && active.has(lane));
      choice.set(node, [...(choice.get(node) ?? []), chosen]);
    }
    choices.push(choice);
  } while (left.size > 0);
  return choices;
}

/** Every point of the graph, and the length of every lane that is not frozen. */
function pointsOf(traced: Traced, frozen: Iterable<Place>): { points: Point[]; sizes: Map<string, number> } {
  const lanes = new Union();
  // Only axes that are equal index by index hand on that one of them is frozen as a whole.
  const equal = new Union();
  const stuck = [...frozen].map(keyOf);
  const found: { node: Node; pairs: { key: string; size: number }[] }[] = [];
  for (const applied of ruled(traced)) {
    const { node } = applied;
    const spoken = new Set<string>();
    listen(applied, {
      spoken: (key) => spoken.add(key),
      same(a, b) {
        lanes.join(a.key, b.key);
        if (!a.part && !b.part) equal.join(a.key, b.key);
      },
      either(pairs) {
        // A lane goes on along the side that is a whole axis; where neither is, it is as long as the point.
        const ends = pairs.map(([a, b], i) => ({
          key: !a.part ? a.key : !b.part ? b.key : `${found.length} ${i}`,
          size: a.length,
        }));
        found.push({ node, pairs: ends });
      },
      freeze: ({ key, part }) => void (part || stuck.push(key)),
    });
    for (const value of [...applied.inputs, ...applied.outputs])
      value?.shape.forEach((_, axis) => {
        const key = keyOf({ value: value.name, axis });
        if (!spoken.has(key)) stuck.push(key);
      });
  }
  const still = new Set(stuck.map((key) => equal.find(key)));
  const alive = new Set<string>();
  const sizes = new Map<string, number>();
  for (const { pairs } of found)
    for (const { key, size } of pairs) {
      if (still.has(equal.find(key))) continue;
      alive.add(lanes.find(key));
      sizes.set(lanes.find(key), size);
    }
  const points = found.map(({ node, pairs }) => ({
    node,
    lanes: pairs.map(({ key }) => (alive.has(lanes.find(key)) ? lanes.find(key) : undefined)),
  }));
  return { points, sizes };
}

/** For each lane the lanes that it meets. */
function rivalsOf(points: readonly Point[]): Map<string, Set<string>> {
  const rivals = new Map<string, Set<string>>();
  for (const { lanes } of points)
    for (const one of lanes)
      for (const other of lanes) {
        if (one === undefined || other === undefined || one === other) continue;
        const known = rivals.get(one);
        if (known) known.add(other);
        else rivals.set(one, new Set([other]));
      }
  return rivals;
}
