/** What units are ranked by where nothing else is asked for. */

import { expect, it } from "vitest";
import { rankingOf } from "../../src/jobs/ranking.ts";

type Asked = Parameters<typeof rankingOf>[0];
const ranked = (options: Partial<Asked>) =>
  rankingOf({
    criterion: "taylor-fo",
    normalise: "none",
    budget: undefined,
    per: undefined,
    latency: undefined,
    ...options,
  });
const perOf = (options: Partial<Asked>): string => ranked(options).per;

it("importance is counted per what the budget counts", () => {
  expect(perOf({ budget: { macs: 0.5 } })).toBe("macs");
  expect(perOf({ budget: { params: 0.5 } })).toBe("params");
  expect(perOf({ budget: { bytes: 1e6 } })).toBe("bytes");
  expect(perOf({ budget: { units: 0.5 } })).toBe("unit");
  expect(perOf({ budget: { params: 0.5, macs: 0.5 } })).toBe("macs");
  expect(perOf({ latency: 0.5 })).toBe("latency");
});

it("per multiply-accumulate where only a loss or a drop ends pruning", () => {
  expect([perOf({}), perOf({ budget: {} })]).toEqual(["macs", "macs"]);
});

it("what is asked for goes first, and a criterion that counts a cost by itself is divided by no other", () => {
  expect(perOf({ budget: { macs: 0.5 }, per: "params" })).toBe("params");
  expect(perOf({ latency: 0.5, per: "unit" })).toBe("unit");
  expect(perOf({ budget: { macs: 0.5 }, criterion: "fisher-cost" })).toBe("unit");
  expect(ranked({ criterion: "magnitude", normalise: "lamp" })).toEqual({
    criterion: "magnitude",
    normalise: "lamp",
    per: "macs",
  });
});
