/** Which units are chosen, given what they matter and what they cost. */

import { expect, it } from "vitest";
import { createCostModel } from "../../../src/prune/select/cost-model.ts";
import { removalPath, selectStep } from "../../../src/prune/select/select.ts";
import { twoSizes } from "../../support/two-sizes.ts";

const importances = new Map([
  ["large", [5, 6, 7, 8]],
  ["small", [1, 2, 3, 4]],
]);

it("importance per unit takes the least important, per cost what saves most for it", () => {
  const groups = twoSizes();
  const chosen = (per: "unit" | "macs" | "params") => [
    ...selectStep(groups, importances, 2, { macs: 0 }, { per }).removal,
  ];
  expect(chosen("unit")).toEqual([["small", [0, 1]]]);
  // One of `large` saves 64 x 2 + 4 x 4 MACs, one of `small` 4 x 4 + 4 x 3.
  const model = createCostModel(groups);
  const [large, small] = groups.groups.map(({ units }) => model.saving(units[0]!));
  expect([large!.macs, small!.macs]).toEqual([64 * 2 + 4 * 4, 4 * 4 + 4 * 3]);
  expect([large!.params, small!.params]).toEqual([2 + 4, 4 + 3]);
  // 5/144 and 6/144 against 1/28 and 2/28: one of each goes first by MACs.
  expect(chosen("macs")).toEqual([
    ["large", [0]],
    ["small", [0]],
  ]);
  expect(chosen("params")).toEqual([["small", [0, 1]]]);
});

it("what removal would save is told without removing", () => {
  const model = createCostModel(twoSizes());
  const before = model.costs();
  const unit = twoSizes().groups[0]!.units[0]!;
  const saved = model.saving(unit);
  expect(model.costs()).toEqual(before);
  expect(model.saving(unit)).toEqual(saved);
  model.remove(unit);
  expect(model.costs()).toEqual({
    macs: before.macs - saved.macs,
    params: before.params - saved.params,
    bytes: before.bytes - saved.bytes,
  });
});

it("a unit that saves nothing of what is counted goes last", () => {
  const groups = twoSizes();
  const free = createCostModel(groups).saving({ atoms: new Int32Array(0) });
  expect(free).toEqual({ macs: 0, params: 0, bytes: 0 });
  const [large, small] = groups.groups;
  const odd = {
    ...groups,
    groups: [{ ...large!, units: large!.units.map(() => ({ atoms: new Int32Array(0) })) }, small!],
  };
  const all = new Map([
    ["large", [0, 0, 0, 0]],
    ["small", [1, 2, 3, 4]],
  ]);
  expect([...selectStep(odd, all, 3, { macs: 0 }, { per: "macs" }).removal]).toEqual([["small", [0, 1, 2]]]);
});

it("what would be left without many units is what they cost one by one, and nothing is removed", () => {
  const groups = twoSizes();
  const [asked, removed] = [createCostModel(groups), createCostModel(groups)];
  const before = asked.costs();
  const removal = new Map([
    ["large", [0, 2]],
    ["small", [1]],
  ]);
  for (const [name, units] of removal)
    for (const unit of units) removed.remove(groups.groups.find((group) => group.name === name)!.units[unit]!);
  expect(asked.without(removal)).toEqual(removed.costs());
  expect(asked.without(removal).macs).toBeLessThan(before.macs);
  expect(asked.costs()).toEqual(before);
  expect(() => asked.without(new Map([["large", [9]]]))).toThrow('no unit 9 of a group "large"');
});

it("the path of removals is what every budget takes a beginning of", () => {
  const groups = twoSizes();
  const path = removalPath(groups, importances, { per: "macs" });
  expect(path.length).toBe(6);
  for (const macs of [0.9, 0.6, 0.4].map((share) => share * groups.costs.macs)) {
    const chosen = selectStep(groups, importances, Number.POSITIVE_INFINITY, { macs }, { per: "macs" });
    const end = path.findIndex(({ costs }) => costs.macs <= macs);
    const taken = new Map<string, number[]>();
    for (const { group, units } of path.slice(0, end + 1)) taken.set(group, [...(taken.get(group) ?? []), ...units]);
    expect(new Map([...taken].map(([name, units]) => [name, units.toSorted((a, b) => a - b)]))).toEqual(chosen.removal);
    expect(path[end]!.costs).toEqual(chosen.costs);
  }
});
