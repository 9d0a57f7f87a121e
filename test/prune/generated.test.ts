/** The law of the project on generated networks: what is cut computes what is masked. */

import { describe, expect, it } from "vitest";
import type { Graph } from "../../src/graph/graph.ts";
import { verify } from "../../src/graph/verify.ts";
import { analyse, type Analysis } from "../../src/prune/coupling/analysis.ts";
import { trace } from "../../src/passes/trace.ts";
import { cut } from "../../src/prune/cut/cut.ts";
import { mask } from "../../src/prune/cut/mask.ts";
import { whyNotWhole } from "../../src/prune/cut/whole.ts";
import { findGates } from "../../src/prune/gates/gates.ts";
import type { Unit } from "../../src/prune/coupling/groups.ts";
import { removedIndices, type Removal } from "../../src/prune/coupling/removal.ts";
import { assertProved, prove } from "../../src/prune/proof/prove.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { modelOf, runGraph } from "../support/graphs.ts";
import { onlyAtGates } from "../support/masks.ts";
import { checkCuts, distance, exact, patience, property, runs, tolerance } from "./laws.ts";
import { addWholes, buildNet, countingNets, drawRemoval } from "./support.ts";
import { laws } from "../support/laws.ts";

const sizes = ({ groups }: Analysis) => new Map(groups.map(({ name, units }) => [name, units.length]));

/**
 * What is removed of a graph that has lost `first` already, in the groups and numbers of the graph before, and what of it that is: a unit
 * is left out where no single unit of the graph before is that one, as where a shuffle is left with one digit.
 */
function renumber(before: Analysis, after: Analysis, first: Removal, second: Removal) {
  const removed = removedIndices(before, first);
  const indices = new Map<string, readonly number[]>();
  for (const { value, axis, size } of before.coupling.places) {
    const gone = removed.get(value)?.get(axis);
    indices.set(
      `${value} ${axis}`,
      Array.from({ length: size }, (_, i) => i).filter((i) => !gone?.has(i)),
    );
  }
  const still = after.traced.types;
  const keyOf = (groups: Analysis, { atoms }: Unit, number: (place: string, index: number) => number): string =>
    Array.from(atoms, (atom) => groups.coupling.locate(atom))
      .filter(({ value }) => still.has(value))
      .map(({ value, axis, index }) => `${value} ${axis} ${number(`${value} ${axis}`, index)}`)
      .toSorted()
      .join();
  const known = new Map<string, { name: string; unit: number }>();
  for (const { name, units } of before.groups)
    units.forEach((one, unit) =>
      known.set(
        keyOf(before, one, (_, i) => i),
        { name, unit },
      ),
    );
  const old = new Map<string, number[]>();
  const kept = new Map<string, number[]>();
  for (const [name, units] of second) {
    const now = after.groups.find((group) => group.name === name)!;
    for (const unit of units) {
      const same = known.get(keyOf(after, now.units[unit]!, (place, i) => indices.get(place)![i]!));
      if (same === undefined) continue;
      old.set(same.name, [...(old.get(same.name) ?? []), same.unit]);
      kept.set(name, [...(kept.get(name) ?? []), unit]);
    }
  }
  return { old, kept };
}

checkCuts(0, 60);

describe("generated networks", laws, () => {
  it("are proved with what counts zeros in between", { timeout: patience }, async () => {
    let [between, total] = [0, 0];
    await property(
      async (net) => {
        const { graph } = buildNet(net);
        const groups = analyse(graph);
        const proof = await prove(directRuntime, modelOf(graph), groups, drawRemoval(groups, net.seed), { threads: 1 });
        assertProved(proof);
        expect(proof.notFinite).toBe(0);
        total++;
        if (proof.between.length > 0) between++;
      },
      { of: countingNets },
    );
    expect(between / total).toBeGreaterThan(0.2);
  });

  it("are the same without a unit at its gates and without it everywhere", { timeout: patience }, async () => {
    let [gated, implied] = [0, 0];
    await property(
      async (net) => {
        const { graph, feeds } = buildNet(net);
        const groups = analyse(graph);
        const group = groups.groups[net.seed % groups.groups.length];
        if (group === undefined || group.units.length < 2) return;
        const removal = new Map([[group.name, group.units.flatMap((_, i) => (i % 2 === 0 ? [i] : []))]]);
        const places = findGates(groups).get(group.name)!;
        const masked = mask(graph, groups, removal);
        const atGates = onlyAtGates(masked, new Set(places.map(({ value }) => value)));
        const [a, b] = [await runGraph(masked, feeds), await runGraph(atGates, feeds)];
        expect(distance(graph, a, b)).toBeLessThan(tolerance);
        gated += places.length;
        implied += group.axes.length - places.length;
      },
      { of: countingNets },
    );
    expect(gated).toBeGreaterThan(runs / 2);
    expect(implied).toBeGreaterThan(gated);
  });

  it("are the same cut twice and cut at once", { timeout: patience }, async () => {
    let [twice, total] = [0, 0];
    await property(async (net) => {
      const { graph, feeds } = buildNet(net);
      const groups = exact(analyse(graph));
      const first = drawRemoval(groups, net.seed);
      const once = cut(graph, groups, first).graph;
      const left = exact(analyse(once));
      const { old, kept: second } = renumber(groups, left, first, drawRemoval(left, net.seed + 7));
      const both = new Map(first);
      for (const [name, units] of old) both.set(name, [...(first.get(name) ?? []), ...units]);
      const stepwise = cut(once, left, second).graph;
      const direct = cut(graph, groups, both).graph;

      expect(stepwise.nodes.map(({ op }) => op)).toEqual(direct.nodes.map(({ op }) => op));
      const floats = (one: Graph) => new Map([...one.initializers].filter(([, { dtype }]) => dtype === "float32"));
      expect(floats(stepwise)).toEqual(floats(direct));
      const [a, b] = [sizes(analyse(stepwise)), sizes(analyse(direct))];
      expect([...a.values()].toSorted()).toEqual([...b.values()].toSorted());
      // A last unit stays: which of the names along its axis it bears, where several came down to it, says nothing.
      const several = (all: Map<string, number>) => new Map([...all].filter(([, units]) => units > 1));
      expect(several(a)).toEqual(several(b));
      expect(distance(graph, await runGraph(stepwise, feeds), await runGraph(direct, feeds))).toBeLessThanOrEqual(1e-6);
      total++;
      if (first.size > 0 && second.size > 0) twice++;
    });
    expect(twice / total).toBeGreaterThan(0.3);
  });

  it(
    "compute the same without groups that go as a whole, and refuse those that cannot",
    { timeout: patience },
    async () => {
      let [whole, refused] = [0, 0];
      await property(async (net) => {
        const { graph, feeds } = buildNet(net);
        const groups = exact(analyse(graph));
        const removal = drawRemoval(groups, net.seed);
        const wholes = addWholes(groups, removal, net.seed);
        whole += wholes.length;
        for (const { name, units } of groups.groups) {
          if (wholes.includes(name)) continue;
          const why = whyNotWhole(groups, [...wholes, name]);
          // What could not go before others went may vanish with them now.
          if (why === undefined || why.includes("would not go together")) continue;
          const more = new Map([...wholes, name].map((one) => [one, removal.get(one) ?? []]));
          more.set(
            name,
            units.map((_, i) => i),
          );
          expect(() => cut(graph, groups, more)).toThrow(`at least one must stay: ${why}`);
          refused++;
        }
        const small = cut(graph, groups, removal).graph;
        verify(small);
        expect([small.inputs, small.outputs]).toEqual([graph.inputs, graph.outputs]);
        expect([...trace(small).types.values()].filter(({ shape }) => shape.includes(0))).toEqual([]);
        const [masked, pruned] = [await runGraph(mask(graph, groups, removal), feeds), await runGraph(small, feeds)];
        expect(distance(graph, masked, pruned)).toBeLessThanOrEqual(tolerance);
      });
      expect(whole).toBeGreaterThan(runs / 2);
      expect(refused).toBeGreaterThan(runs / 2);
    },
  );
});
