/**
 * The search for a way to write each node of a graph whose batch is being opened: node by node, and where none fits,
 * back to the last step that is to blame (conflict-directed backjumping, Prosser 1993), so that no way is skipped.
 */

import { producersOf, type Graph } from "../graph/graph.ts";
import { candidatesOf, type Candidates } from "./open-candidates.ts";
import { settle, type Candidate, type Stage } from "./open-stage.ts";

/** How a node stands in the graph that is being opened, and what else may stand there. */
interface Step {
  readonly chosen: Candidate;
  readonly others: Candidates;
}

export interface Search {
  /** A step for each node so far. */
  readonly steps: readonly Step[];
  /** Why a node fits in no way: what was met first. */
  readonly why: string | undefined;
  /** Writes the next node in the likeliest way that fits; whether there is one. */
  advance(): boolean;
  /** The steps that the values with these names follow from. */
  before(names: readonly string[]): Set<number>;
  /** Takes the last step that is to blame another way, and forgets those behind it; whether there is one. */
  goBack(blame: ReadonlySet<number>): boolean;
}

export function createSearch(stage: Stage, { nodes, ...graph }: Graph): Search {
  const producers = producersOf({ nodes, ...graph });
  const numberOf = new Map(nodes.map((node, i) => [node, i]));
  const steps: Step[] = [];
  /** What made a step be taken again. */
  const blamed = new Map<number, Set<number>>();
  let why: string | undefined;

  const take = (i: number, others: Candidates, first: IteratorResult<Candidate, void>): boolean => {
    for (let next = first; !next.done; next = others.next(false)) {
      const refused = settle(stage, nodes[i]!, next.value);
      if (refused === undefined) {
        steps.length = i;
        steps.push({ chosen: next.value, others });
        return true;
      }
      why ??= refused;
    }
    return false;
  };

  const before = (names: readonly string[]): Set<number> => {
    const found = new Set<number>();
    const pending = [...names];
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      const producer = producers.get(name);
      const i = producer && numberOf.get(producer)!;
      if (i === undefined || found.has(i)) continue;
      found.add(i);
      pending.push(...producer!.inputs);
    }
    return found;
  };

  return {
    steps,
    get why() {
      return why;
    },
    advance() {
      const i = steps.length;
      const node = nodes[i]!;
      if (stage.original.refused.has(node)) {
        why ??= stage.original.refusals.find((refusal) => refusal.node === node)!.reason;
        return false;
      }
      const candidates = candidatesOf(stage, node);
      const isTaken = take(i, candidates, candidates.next());
      if (isTaken) blamed.delete(i);
      return isTaken;
    },
    before,
    goBack(blame) {
      const open = new Set(blame);
      while (open.size > 0) {
        const i = Math.max(...open);
        open.delete(i);
        const { others } = steps[i]!;
        const causes = new Set([...(blamed.get(i) ?? []), ...open]);
        if (take(i, others, others.next(true))) {
          blamed.set(i, causes);
          return true;
        }
        for (const one of causes) open.add(one);
        for (const one of before(nodes[i]!.inputs)) open.add(one);
      }
      return false;
    },
  };
}
