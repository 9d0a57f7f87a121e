/** What a smaller model has less of. */

import type { Costs } from "../passes/costs.ts";
import type { Summary } from "./summary.ts";

export interface Changes {
  readonly before: Costs;
  readonly after: Costs;
  /**
   * By name, in the order of the first model, then those that only the second has. Units
   * that can never be removed count too.
   */
  readonly groups: readonly GroupChange[];
}

export interface GroupChange {
  readonly name: string;
  /** Units; absent in a model that has no group of this name. */
  readonly before?: number;
  readonly after?: number;
}

/** Sets the summaries of two models side by side. */
export function changesOf(before: Summary, after: Summary): Changes {
  const [old, now] = [unitsOf(before), unitsOf(after)];
  const groups = [...new Set([...old.keys(), ...now.keys()])].map((name): GroupChange => {
    const [from, to] = [old.get(name), now.get(name)];
    if (from === undefined) return { name, after: to! };
    return to === undefined ? { name, before: from } : { name, before: from, after: to };
  });
  return { before: costsIn(before), after: costsIn(after), groups };
}

const unitsOf = ({ groups, frozen }: Summary): Map<string, number> =>
  new Map([...groups, ...frozen].map(({ name, units }) => [name, units]));

const costsIn = ({ params, macs, bytes }: Summary): Costs => ({ params, macs, bytes });
