/** The law of the project on generated networks: what is cut computes what is masked. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Graph } from "../../src/graph/graph.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { trace } from "../../src/passes/trace.ts";
import { cut, mask } from "../../src/prune/cut.ts";
import { findGroups, type Groups, type Removal } from "../../src/prune/groups.ts";
import { difference, runGraph } from "../support/graphs.ts";
import { buildNet, drawRemoval, nets, type Net } from "./support.ts";

const runs = Number(process.env["SECATEUR_RUNS"] ?? 150);
const seed = Number(process.env["SECATEUR_SEED"] ?? 20_240_607);
const tolerance = 1e-4;

/** The largest difference of all outputs, over the range of the output it is in. */
function distance(graph: Graph, a: Record<string, Tensor>, b: Record<string, Tensor>): number {
  const parts = graph.outputs.map(({ name }) => {
    const { largest, range } = difference(a[name]!, b[name]!);
    return largest / Math.max(range, 1e-3);
  });
  return Math.max(...parts);
}

const property = (check: (net: Net) => Promise<void>) =>
  fc.assert(fc.asyncProperty(nets, check), { numRuns: runs, seed, endOnFailure: process.env["CI"] === undefined });

const sizes = ({ groups }: Groups) => new Map(groups.map(({ name, units }) => [name, units.length]));

/** What is removed of a graph that has lost `first` already, in the numbers of the graph before; only groups that are the same groups. */
function renumber(before: Groups, after: Groups, first: Removal, second: Removal): Map<string, number[]> {
  const renumbered = new Map<string, number[]>();
  for (const [name, units] of second) {
    const old = before.groups.find((group) => group.name === name);
    const now = after.groups.find((group) => group.name === name)!;
    const gone = new Set(first.get(name));
    const left = old?.units.flatMap((_, i) => (gone.has(i) ? [] : [i])) ?? [];
    // Cut to one channel a group, a grouped convolution is depthwise, and its units are others.
    if (left.length !== now.units.length || old!.places.length !== now.places.length) continue;
    renumbered.set(
      name,
      units.map((unit) => left[unit]!),
    );
  }
  return renumbered;
}

describe("generated networks", () => {
  it(
    "compute the same cut and masked, with the same inputs and outputs",
    { timeout: 1_000 * runs + 60_000 },
    async () => {
      let [total, removable, removed, changed] = [0, 0, 0, 0];
      await property(async (net) => {
        const { graph, feeds } = buildNet(net);
        const groups = findGroups(trace(graph));
        const removal = drawRemoval(groups, net.seed);
        const small = cut(graph, groups, removal).graph;
        const masked = await runGraph(mask(graph, groups, removal), feeds);
        const pruned = await runGraph(small, feeds);
        expect(distance(graph, masked, pruned)).toBeLessThanOrEqual(tolerance);

        expect(small.inputs).toEqual(graph.inputs);
        expect(small.outputs).toEqual(graph.outputs);
        const again = trace(small);
        expect(again.refusals).toEqual([]);
        for (const { shape } of again.types.values()) for (const dim of shape) expect(dim).toBeGreaterThan(0);

        total++;
        if (groups.groups.some(({ units }) => units.length > 1)) removable++;
        if (removal.size === 0) return;
        removed++;
        if (distance(graph, await runGraph(graph, feeds), masked) > 100 * tolerance) changed++;
      });
      expect(removable / total).toBeGreaterThan(0.8);
      expect(removed / total).toBeGreaterThan(0.5);
      expect(changed / removed).toBeGreaterThan(0.8);
    },
  );

  it("are the same cut twice and cut at once", { timeout: 1_000 * runs + 60_000 }, async () => {
    let [twice, total] = [0, 0];
    await property(async (net) => {
      const { graph, feeds } = buildNet(net);
      const groups = findGroups(trace(graph));
      const first = drawRemoval(groups, net.seed);
      const once = cut(graph, groups, first).graph;
      const left = findGroups(trace(once));
      const drawn = drawRemoval(left, net.seed + 7);
      const second = renumber(groups, left, first, drawn);
      const both = new Map(first);
      for (const [name, units] of second) both.set(name, [...(first.get(name) ?? []), ...units]);
      const stepwise = cut(once, left, new Map([...drawn].filter(([name]) => second.has(name)))).graph;
      const direct = cut(graph, groups, both).graph;

      expect(stepwise.nodes.map(({ op }) => op)).toEqual(direct.nodes.map(({ op }) => op));
      const floats = (one: Graph) => new Map([...one.initializers].filter(([, { dtype }]) => dtype === "float32"));
      expect(floats(stepwise)).toEqual(floats(direct));
      expect(sizes(findGroups(trace(stepwise)))).toEqual(sizes(findGroups(trace(direct))));
      expect(distance(graph, await runGraph(stepwise, feeds), await runGraph(direct, feeds))).toBeLessThanOrEqual(1e-6);
      total++;
      if (first.size > 0 && second.size > 0) twice++;
    });
    expect(twice / total).toBeGreaterThan(0.3);
  });

  it("keep a unit in every group, and refuse a removal that would not", async () => {
    let refused = 0;
    await property(async (net) => {
      const { graph } = buildNet(net);
      const groups = findGroups(trace(graph));
      for (const { name, units } of groups.groups) {
        const whole = new Map([[name, units.map((_, i) => i)]]);
        expect(() => cut(graph, groups, whole)).toThrow(/at least one must stay/);
        refused++;
      }
    });
    expect(refused).toBeGreaterThan(runs);
  });
});
