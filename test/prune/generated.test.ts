/** The law of the project on generated networks: what is cut computes what is masked. */

import { describe, expect, it } from "vitest";
import type { Graph } from "../../src/graph/graph.ts";
import { trace } from "../../src/passes/trace.ts";
import { cut } from "../../src/prune/cut.ts";
import { findGroups, type Groups, type Removal } from "../../src/prune/groups.ts";
import { assertProved, prove } from "../../src/prune/prove.ts";
import { nodeRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { modelOf, runGraph } from "../support/graphs.ts";
import { cutIsMasked, distance, patience, property, runs, type Tally } from "./laws.ts";
import { buildNet, countingNets, drawRemoval } from "./support.ts";

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
  it("compute the same cut and masked, with the same inputs and outputs", { timeout: patience }, async () => {
    const tally: Tally = { total: 0, removable: 0, removed: 0, changed: 0 };
    await property((net) => cutIsMasked(net, tally));
    expect(tally.removable / tally.total).toBeGreaterThan(0.8);
    expect(tally.removed / tally.total).toBeGreaterThan(0.5);
    expect(tally.changed / tally.removed).toBeGreaterThan(0.8);
  });

  it("are proved with what counts zeros in between", { timeout: patience }, async () => {
    let [between, total] = [0, 0];
    await property(
      async (net) => {
        const { graph } = buildNet(net);
        const groups = findGroups(trace(graph));
        const proof = await prove(nodeRuntime, modelOf(graph), groups, drawRemoval(groups, net.seed), { threads: 1 });
        assertProved(proof);
        expect(proof.notFinite).toBe(0);
        total++;
        if (proof.between.length > 0) between++;
      },
      { of: countingNets },
    );
    expect(between / total).toBeGreaterThan(0.2);
  });

  it("are the same cut twice and cut at once", { timeout: patience }, async () => {
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
