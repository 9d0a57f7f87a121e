/** Importances of an interval and those of earlier ones. */

import { expect, it } from "vitest";
import { blend } from "../../src/loop/interval.ts";

const of = (scores: Readonly<Record<string, readonly number[]>>): Map<string, Float64Array> =>
  new Map(Object.entries(scores).map(([name, values]) => [name, Float64Array.from(values)]));

it("importances are blended with those before, unless a group is new or its units are others", () => {
  const past = of({ same: [4, 8], other: [1, 2] });
  const now = of({ same: [0, 4], other: [5, 6, 7], fresh: [3] });
  expect(blend(past, now, 0.75)).toEqual(of({ same: [3, 7], other: [5, 6, 7], fresh: [3] }));
});
