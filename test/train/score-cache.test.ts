/** That scoring a model again finds what was written for it. */

import { afterAll, beforeEach, expect, it, vi } from "vitest";

/** What was made and not found. */
const made = vi.hoisted((): string[] => []);

vi.mock("../../src/execute/graph-cache.ts", async (original) => {
  const { cachedFor } = await original<typeof import("../../src/execute/graph-cache.ts")>();
  return {
    cachedFor: ((graph, of, make) =>
      cachedFor(graph, of, () => {
        made.push((of as { what: string }).what);
        return make();
      })) satisfies typeof cachedFor,
  };
});

// Files share what they import: here it is imported anew, and so it is by those that come after.
vi.resetModules();
afterAll(() => void vi.resetModules());
const { findCriterion } = await import("../../src/criteria/table.ts");
const { directRuntime } = await import("../../src/runtime/onnxruntime-node.ts");
const { prepare } = await import("../../src/execute/prepare.ts");
const { score } = await import("../../src/score/score.ts");
const { newModel } = await import("../../src/zoo/zoo.ts");
const { randomDataset } = await import("../support/datasets.ts");

const model = newModel("lenet5", { classes: 10, seed: 2 });
const options = { loss: "cross-entropy", batchSize: 4, batches: 2, seed: 1, threads: 1 } as const;
const scored = (criterion: string, more = {}) => {
  // Prepared each time, as each job does it: another object of the same content.
  const graph = prepare(model);
  const data = randomDataset(graph, { samples: 8, labels: 10 });
  return score(directRuntime, graph, data, findCriterion(criterion), { ...options, ...more });
};

beforeEach(() => {
  made.length = 0;
});

it("a model that is scored again by the same is analysed and differentiated once", async () => {
  const first = await scored("taylor-so");
  expect(made.toSorted()).toEqual(["curvature", "groups", "pass"]);
  made.length = 0;
  expect(await scored("taylor-so")).toEqual(first);
  expect(made).toEqual([]);
});

it("by what needs another pass it is differentiated again, and not analysed", async () => {
  await scored("taylor-fo");
  made.length = 0;
  await scored("taylor-fo-weight");
  await scored("taylor-fo", { targets: "sampled" });
  expect(made).toEqual(["pass", "pass"]);
});

it("with another size of minibatch all is written again", async () => {
  await scored("taylor-fo");
  made.length = 0;
  await scored("taylor-fo", { batchSize: 2 });
  expect(made).toEqual(["groups", "pass"]);
});
