/** Laws that generated networks are checked on, for any number of them. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Graph } from "../../src/graph/graph.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { analyse, type Analysis } from "../../src/prune/coupling/analysis.ts";
import { trace } from "../../src/passes/trace.ts";
import { cut } from "../../src/prune/cut/cut.ts";
import { mask } from "../../src/prune/cut/mask.ts";
import { difference, runGraph } from "../support/graphs.ts";
import { buildNet, drawRemoval, nets, type Net } from "./support.ts";

/** The number of networks for each property, and where their series starts; `npm run generated` sets both. */
const asked = process.env["SECATEUR_RUNS"];
export const runs = Number(asked ?? 250);
const seed = Number(process.env["SECATEUR_SEED"] ?? 20_240_607);
/** Enough for the slowest machine. */
export const patience = 1_000 * runs + 60_000;

export const tolerance = 1e-4;

/** Checks a property; where it fails, the smallest network found for which it does is in the error. */
export const property = (
  check: (net: Net) => Promise<void>,
  options: { of?: fc.Arbitrary<Net>; series?: number; count?: number } = {},
) =>
  fc.assert(fc.asyncProperty(options.of ?? nets, check), {
    numRuns: asked === undefined ? (options.count ?? runs) : runs,
    // Far from the seeds that a longer run counts up.
    seed: seed + 1_000_003 * (options.series ?? 0),
  });

/** The largest difference of all outputs, over the range of the output it is in. */
export function distance(graph: Graph, a: Record<string, Tensor>, b: Record<string, Tensor>): number {
  const parts = graph.outputs.map(({ name }) => {
    const { largest, range } = difference(a[name]!, b[name]!);
    return largest / Math.max(range, 1e-3);
  });
  return Math.max(...parts);
}

/** Without the groups whose removal is not what zeroing is, such as rows of pixels under a mean. */
export const exact = (groups: Analysis): Analysis => ({
  ...groups,
  groups: groups.groups.filter(({ inexact }) => inexact.length === 0),
});

interface Tally {
  total: number;
  /** Networks in which a group has more than one unit. */
  removable: number;
  removed: number;
  /** Networks whose output is another without the units. */
  changed: number;
}

/** What is cut computes what is masked, and inputs and outputs stay. */
async function cutIsMasked(net: Net, tally: Tally): Promise<void> {
  const { graph, feeds } = buildNet(net);
  const groups = exact(analyse(graph));
  const removal = drawRemoval(groups, net.seed);
  const small = cut(graph, groups, removal).graph;
  const masked = await runGraph(mask(graph, groups, removal), feeds);
  const pruned = await runGraph(small, feeds);
  const apart = distance(graph, masked, pruned);
  if (!(apart <= tolerance)) throw new Error(`cut and masked differ by ${apart} of the range`);
  for (const end of ["inputs", "outputs"] as const)
    if (JSON.stringify(small[end]) !== JSON.stringify(graph[end])) throw new Error(`the ${end} are others`);
  const again = trace(small);
  if (again.refusals.length > 0) throw new Error(`the cut graph is refused: ${again.refusals[0]!.reason}`);
  for (const [name, { shape }] of again.types)
    if (shape.some((dim) => dim < 1)) throw new Error(`"${name}" is [${shape.join(", ")}]`);

  tally.total++;
  if (groups.groups.some(({ units }) => units.length > 1)) tally.removable++;
  if (removal.size === 0) return;
  tally.removed++;
  if (distance(graph, await runGraph(graph, feeds), masked) > 100 * tolerance) tally.changed++;
}

/**
 * The test of this law on one series of networks. Several files with a series each run side by side.
 *
 * @param series each starts elsewhere
 * @param count networks, where SECATEUR_RUNS does not ask for another number
 */
export function checkCuts(series: number, count: number): void {
  describe("generated networks", () => {
    it("compute the same cut and masked, with the same inputs and outputs", { timeout: patience }, async () => {
      const tally: Tally = { total: 0, removable: 0, removed: 0, changed: 0 };
      await property((net) => cutIsMasked(net, tally), { series, count });
      expect(tally.removable / tally.total).toBeGreaterThan(0.8);
      expect(tally.removed / tally.total).toBeGreaterThan(0.5);
      expect(tally.changed / tally.removed).toBeGreaterThan(0.8);
    });
  });
}
