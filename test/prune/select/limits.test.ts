/** What has to stay, whom units are compared with, and how much goes at a time. */

import { describe, expect, it } from "vitest";
import { analyse, type Analysis } from "../../../src/prune/coupling/analysis.ts";
import { trace } from "../../../src/passes/trace.ts";
import { costsOf } from "../../../src/passes/costs.ts";
import { cut } from "../../../src/prune/cut/cut.ts";
import type { Removal } from "../../../src/prune/coupling/removal.ts";
import { floorsOf, namesGroup } from "../../../src/prune/select/limits.ts";
import { composed } from "../../../src/prune/select/plan.ts";
import { withinScope } from "../../../src/prune/select/ranking.ts";
import { nextTarget } from "../../../src/prune/select/schedule.ts";
import { selectShare, selectStep, type StepChoice } from "../../../src/prune/select/select.ts";
import { prepare } from "../../../src/execute/prepare.ts";
import { newModel } from "../../../src/zoo/zoo.ts";
import { random } from "../../support/graphs.ts";

const graph = prepare(newModel("resnet20", { classes: 10, seed: 1 }));
const found = analyse(graph);
const drawn = (groups: Analysis, seed = 1): Map<string, number[]> => {
  const next = random(seed);
  return new Map(groups.groups.map(({ name, units }) => [name, units.map(() => next())]));
};
const widths = (removal: Removal): Map<string, number> =>
  new Map(found.groups.map(({ name, units }) => [name, units.length - (removal.get(name)?.length ?? 0)]));
const all = found.groups.reduce((n, { units }) => n + units.length, 0);
const step = (count: number, choice: StepChoice) =>
  selectStep(found, drawn(found), count, { units: 0 }, choice).removal;

describe("patterns", () => {
  it.each([
    ["*", "layer1.0.conv1.weight", true],
    ["layer1.*", "layer1.0.conv1.weight", true],
    ["layer1.*", "layer10.0.conv1.weight", false],
    ["*.conv1.weight", "layer1.0.conv1.weight", true],
    ["layer1.0.conv1.weight", "layer1.0.conv1.weight", true],
    ["layer1.0.conv1", "layer1.0.conv1.weight", false],
    ["a.b", "aXb", false],
    ["a(*)[b]", "a(1)[b]", true],
  ])("%s names %s: %s", (pattern, name, named) => {
    expect(namesGroup(pattern, name)).toBe(named);
  });
});

describe("floors", () => {
  const [first, second] = found.groups;
  it("are one unit, a number, a share, or the whole group", () => {
    const sizes = new Map(found.groups.map(({ name, units }) => [name, units.length]));
    expect(new Set(floorsOf(found, {}).values())).toEqual(new Set([1]));
    const given = floorsOf(found, {
      keep: [first!.name],
      minUnits: 5,
      ratios: new Map([
        ["*", 0.25],
        [second!.name, 0.9],
      ]),
    });
    expect(given.get(first!.name)).toBe(sizes.get(first!.name));
    expect(given.get(second!.name)).toBe(5);
    const third = found.groups[2]!.name;
    expect(given.get(third)).toBe(sizes.get(third)! * 0.75);
  });

  it("refuse patterns of nothing", () => {
    expect(() => floorsOf(found, { keep: ["nothing*"] })).toThrow('no group is named "nothing*"; the groups are ');
    expect(() => floorsOf(found, { ratios: new Map([["*", 2]]) })).toThrow("it must be from 0 to 1");
  });

  it("hold in steps and in shares, whatever is asked for", () => {
    const floors = floorsOf(found, { keep: [first!.name], minUnits: 7 });
    const removals = [
      step(all, { floors }),
      selectShare(found, drawn(found), { ratio: 0.99, scope: "global", floors }),
    ];
    for (const left of removals.map(widths))
      for (const [name, width] of left) expect(width).toBe(name === first!.name ? 16 : 7);
  });
});

describe("rounding", () => {
  it.each([1, 4, 6, 16, 64])("leaves multiples of %i, or groups as they are", (roundTo) => {
    for (const count of [1, 20, 150, all]) {
      const left = widths(step(count, { roundTo }));
      for (const { name, units } of found.groups) {
        const width = left.get(name)!;
        if (width !== units.length) expect([width % roundTo, width >= roundTo]).toEqual([0, true]);
      }
    }
  });

  it("takes blocks whose units matter least together", () => {
    const importances = drawn(found);
    const { removal } = selectStep(found, importances, 1, { units: 0 }, { roundTo: 8 });
    const [[name, units]] = [...removal] as [[string, number[]]];
    const mean = (group: string, chosen: readonly number[]): number =>
      chosen.reduce((sum, unit) => sum + importances.get(group)![unit]!, 0) / chosen.length;
    for (const group of found.groups) {
      const order = group.units.map((_, unit) => unit);
      order.sort((a, b) => importances.get(group.name)![a]! - importances.get(group.name)![b]!);
      expect(mean(name, units)).toBeLessThanOrEqual(mean(group.name, order.slice(0, 8)));
    }
  });
});

describe("scopes", () => {
  it("local takes the same share of every group while global does not", () => {
    const skewed = new Map(
      [...drawn(found)].map(([name, values], i) => [name, values.map((value) => value * 10 ** i)]),
    );
    const share = (scope: "local" | "global") => {
      const left = widths(selectStep(found, skewed, all / 2, { units: 0 }, { scope }).removal);
      return found.groups.map(({ name, units }) => left.get(name)! / units.length);
    };
    const [local, global] = [share("local"), share("global")];
    expect(Math.max(...local) - Math.min(...local)).toBeLessThanOrEqual(1 / 16);
    expect(Math.max(...global) - Math.min(...global)).toBeGreaterThan(0.9);
  });

  it("isomorphic ranks groups that are built alike together", () => {
    const skewed = new Map([...drawn(found)].map(([name, values], i) => [name, values.map((value) => value + 10 * i)]));
    const ranks = withinScope(found, skewed, "isomorphic");
    // The inner convolutions of blocks are alike; the streams that blocks add to are not like them.
    const inner = found.groups
      .filter(({ name }) => /^layer1\.\d\.conv1/.test(name))
      .map(({ name }) => ranks.get(name)!);
    const best = inner.map((values) => Math.max(...Array.from(values)));
    expect(inner.length).toBe(3);
    expect(best).toEqual(best.toSorted((a, b) => a - b));
    expect(new Set(best).size).toBe(3);
    // Among all it would be within the first 16 of some hundreds.
    expect(Math.max(...Array.from(ranks.get("conv1.weight")!))).toBeGreaterThan(0.4);
  });
});

describe("schedules", () => {
  const start = { macs: 100, params: 100, bytes: 100, units: 100 };
  const along = (kind: "linear" | "cubic" | "one-shot"): number[] => {
    const goals: number[] = [];
    for (let macs = 100; macs > 20; macs = goals.at(-1)!)
      goals.push(nextTarget({ kind, removals: 4 }, start, { macs: 20 }, { ...start, macs }).macs!);
    return goals;
  };
  it("go to the target in equal steps, in smaller ones, or at once", () => {
    expect(along("linear")).toEqual([80, 60, 40, 20]);
    expect(along("cubic").map((goal) => Math.round(goal))).toEqual([54, 30, 21, 20]);
    expect(along("one-shot")).toEqual([20]);
  });

  it("pass over what a removal has met already", () => {
    expect(nextTarget({ kind: "linear", removals: 4 }, start, { macs: 20 }, { ...start, macs: 45 })).toEqual({
      macs: 40,
    });
  });
});

describe("removals one after the other", () => {
  it("are one removal in the numbering of the start", () => {
    let smaller = graph;
    const removals: Removal[] = [];
    for (let i = 0; i < 4; i++) {
      const groups = analyse(smaller);
      const { removal } = selectStep(groups, drawn(groups, i + 1), 30, { units: 0 });
      removals.push(removal);
      smaller = cut(smaller, groups, removal).graph;
    }
    const once = cut(graph, found, composed(found, removals)).graph;
    expect(costsOf(trace(once))).toEqual(costsOf(trace(smaller)));
    expect(once.initializers).toEqual(smaller.initializers);
    expect(() => composed(found, [new Map([["nothing", [0]]])])).toThrow('group "nothing" of a removal is none');
  });
});
