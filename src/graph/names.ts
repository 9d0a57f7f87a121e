/** Names in use, so that new ones can be made that collide with none. */

import { bodies, type Graph } from "./graph.ts";

export class Names extends Set<string> {
  /** The number that each base has come to: the same may be asked for thousands of times. */
  readonly #reached = new Map<string, number>();

  /** `base`, or `base_1`, `base_2`, ... until it is new; the name is taken at once. */
  fresh(base: string): string {
    let n = this.#reached.get(base) ?? 0;
    let name = n === 0 ? base : `${base}_${n}`;
    while (this.has(name)) name = `${base}_${++n}`;
    this.#reached.set(base, n);
    this.add(name);
    return name;
  }
}

/** All names in use in a graph, bodies included. */
export function namesOf(graph: Graph): Names {
  const names = new Names();
  const pending: Graph[] = [graph];
  for (let at = 0; at < pending.length; at++) {
    const one = pending[at]!;
    for (const { name } of one.inputs) names.add(name);
    for (const name of one.initializers.keys()) names.add(name);
    for (const node of one.nodes) {
      for (const name of node.outputs) names.add(name);
      pending.push(...bodies(node));
    }
  }
  return names;
}
