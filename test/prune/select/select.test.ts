/** Which units are chosen, given what they matter and what they cost. */

import { expect, it } from "vitest";
import { createCostModel } from "../../../src/prune/select/cost-model.ts";
import { selectStep } from "../../../src/prune/select/select.ts";
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
