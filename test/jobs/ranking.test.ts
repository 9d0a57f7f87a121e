/** What units are ranked by where nothing else is asked for. */

import { expect, it } from "vitest";
import { arrayDataset } from "../../src/data/arrays.ts";
import type { PruneJobOptions } from "../../src/jobs/prune-options.ts";
import { rankingOf } from "../../src/jobs/ranking.ts";

const data = arrayDataset({
  name: "one",
  inputs: { x: { dtype: "float32", shape: [1, 1], data: new Float32Array(1) } },
});
const perOf = (options: Omit<PruneJobOptions, "data">): string => rankingOf({ data, ...options }).per;

it("importance is counted per what the budget counts", () => {
  expect(perOf({ budget: { macs: 0.5 } })).toBe("macs");
  expect(perOf({ budget: { params: 0.5 } })).toBe("params");
  expect(perOf({ budget: { bytes: 1e6 } })).toBe("bytes");
  expect(perOf({ budget: { units: 0.5 } })).toBe("unit");
  expect(perOf({ budget: { params: 0.5, macs: 0.5 } })).toBe("macs");
  expect(perOf({ latency: 0.5 })).toBe("latency");
});

it("per multiply-accumulate where only a loss or a drop ends pruning", () => {
  expect([perOf({ maxDrop: 1 }), perOf({ maxLoss: 2 })]).toEqual(["macs", "macs"]);
});

it("what is asked for goes first, and a criterion that counts a cost by itself is divided by no other", () => {
  expect(perOf({ budget: { macs: 0.5 }, per: "params" })).toBe("params");
  expect(perOf({ latency: 0.5, per: "unit" })).toBe("unit");
  expect(perOf({ budget: { macs: 0.5 }, criterion: "fisher-cost" })).toBe("unit");
  expect(rankingOf({ data, criterion: "magnitude", normalise: "lamp" })).toEqual({
    criterion: "magnitude",
    normalise: "lamp",
    per: "macs",
  });
});
