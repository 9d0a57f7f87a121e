/** A latency as a budget: groups are measured, and pruning ends where what is measured says so. */

import { describe, expect, it } from "vitest";
import { findCriterion } from "../../src/criteria/table.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { trace, type Traced } from "../../src/passes/trace.ts";
import { costsOf } from "../../src/passes/costs.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import type { Runtime } from "../../src/runtime/port.ts";
import { openLatency, type GoalOptions } from "../../src/evaluate/latency.ts";
import { prepare } from "../../src/execute/prepare.ts";
import { pruneLoop } from "../../src/loop/prune.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { newModel } from "../../src/zoo/zoo.ts";
import { randomDataset } from "../support/datasets.ts";
import { readNetModel } from "../support/reference.ts";
import { laws } from "../support/laws.ts";

const graph = prepare(newModel("lenet5", { classes: 10, seed: 1 }));

/** A runtime on which a run takes as long as a model at a batch of 1 is said to take, and is never late. */
const timed = (millisecondsOf: (traced: Traced) => number): Runtime => ({
  ...directRuntime,
  async load(model, options) {
    const session = await directRuntime.load(model, options);
    const bytes = model instanceof Uint8Array ? model : model.bytes;
    return {
      ...session,
      async time(_feeds, runs) {
        const each = millisecondsOf(trace(loadModel(bytes).graph, { batch: 1 }));
        return Array.from({ length: runs }, () => each);
      },
    };
  },
});

/** A millisecond for each thousand multiply-accumulates. */
const steady = timed((traced) => costsOf(traced).macs / 1000);
const open = (more: Partial<GoalOptions> = {}) =>
  openLatency(steady, analyse(graph), { latency: 0.5, threads: 1, rounds: 6, ...more });
const settings = {
  loss: "cross-entropy",
  batchSize: 8,
  seed: 0,
  threads: 1,
  criterion: findCriterion("magnitude"),
  target: {},
  learningRate: 0.01,
  every: 1,
} as const;
const prune = async (given: Graph, latency: number, more = {}) =>
  pruneLoop(steady, given, randomDataset(given, { samples: 16, labels: 10 }), {
    ...settings,
    latency: await open({ latency }),
    unitsPerStep: 4,
    ...more,
  });

describe("a goal", () => {
  it("knows what the units of each group save", async () => {
    const done: number[] = [];
    const goal = await open({ onProgress: (count) => done.push(count) });
    const { macs } = costsOf(trace(graph));
    expect(goal.start.median).toBeCloseTo(macs / 1000, 3);
    expect(done).toEqual(goal.table.map((_, i) => i + 1));
    // Half of the six filters of the first convolution: 3 of 28x28 places with kernels of 25, and what reads them.
    const first = goal.table.find(({ group }) => group === "conv1.weight")!;
    expect(first).toMatchObject({ units: 6, without: 3 });
    expect(first.saved.median).toBeCloseTo((3 * 784 * 25 + 3 * 16 * 100 * 25) / 1000, 3);
    expect(goal.savings.get("conv1.weight")).toBeCloseTo(first.saved.median / 3);
  });

  it("is a share, or milliseconds above 1", async () => {
    expect((await open({ latency: 0.3 })).share).toBe(0.3);
    const { macs } = costsOf(trace(graph));
    expect((await open({ latency: 100 })).share).toBeCloseTo(100 / (macs / 1000), 5);
  });

  it("takes whole blocks, and says where there are none", async () => {
    const goal = await open({ roundTo: 4 });
    expect(goal.table.find(({ group }) => group === "conv1.weight")).toMatchObject({ units: 6, without: 2 });
    await expect(open({ roundTo: 1000 })).rejects.toThrow("give a smaller `roundTo`");
  });

  it("does not measure again what is known", async () => {
    const goal = await open();
    const unable: Runtime = { ...steady, load: () => Promise.reject(new Error("measured")) };
    const again = await openLatency(unable, analyse(graph), { latency: 0.9, known: goal });
    expect([again.share, again.table]).toEqual([goal.share, goal.table]);
  });
});

/** Only convolutions take time, each as long as it would with channels in whole blocks of 16. */
const inBlocks = timed(({ graph: { nodes }, types }) => {
  const blocks = (n: number) => Math.ceil(n / 16);
  return nodes
    .filter(({ op }) => op === "Conv")
    .map(({ inputs, outputs }) => [types.get(inputs[1]!)!.shape, types.get(outputs[0]!)!.shape] as const)
    .reduce((sum, [[out, into], y]) => sum + blocks(out!) * blocks(into!) * y[2]! * y[3]!, 0);
});

describe("groups that go as a whole", () => {
  // Of width 16 and less, one block each: no narrower one is faster.
  const narrow = prepare(loadModel(readNetModel("residual-conv")));
  const goalOf = (limits: GoalOptions["limits"]) =>
    openLatency(inBlocks, analyse(narrow), { latency: 0.5, threads: 1, rounds: 6, limits });

  it("are measured so where they may, and their units count what the whole saves", async () => {
    const [kept, whole] = [await goalOf({}), await goalOf({ minUnits: 0 })];
    expect(kept.table.every((row) => row.whole === undefined)).toBe(true);
    expect([...kept.savings.values()].every((saved) => saved === 0)).toBe(true);
    for (const { group, units, whole: saved } of whole.table) {
      const possible = group.includes("body.0");
      expect([group, saved !== undefined]).toEqual([group, possible]);
      expect(whole.savings.get(group)).toBe(possible ? saved!.median / units : 0);
      if (possible) expect(saved!.median).toBeGreaterThan(0);
    }
  });

  it("reach a latency that is out of reach with a unit of each", laws, async () => {
    const end = async (minUnits: number) => {
      const result = await pruneLoop(inBlocks, narrow, randomDataset(narrow, { samples: 16, labels: 5 }), {
        ...settings,
        latency: await goalOf({ minUnits }),
        limits: { minUnits },
        unitsPerStep: 8,
      });
      return result.end;
    };
    expect([await end(1), await end(0)]).toEqual(["exhausted", "met"]);
  });
});

describe("pruning to a latency", () => {
  it("ends with the first removal that reaches it", async () => {
    const { macs } = costsOf(trace(graph));
    const result = await prune(graph, 0.5);
    expect(result.end).toBe("met");
    expect(result.costs.macs / macs).toBeLessThanOrEqual(0.5);
    expect(result.costs.macs / macs).toBeGreaterThan(0.4);
  });

  it("takes no more units at the last removal than that needs", laws, async () => {
    const { macs } = costsOf(trace(graph));
    const { end, costs, removals } = await prune(graph, 0.5, { unitsPerStep: 150 });
    expect([end, removals.length]).toEqual(["met", 1]);
    expect(costs.macs / macs).toBeLessThanOrEqual(0.5);
    expect(costs.macs / macs).toBeGreaterThan(0.4);
  });

  it("measures what goes in blocks once, however many counts of units choose it", async () => {
    const goal = await open({ latency: 0.8, roundTo: 8 });
    const measured: number[] = [];
    const latency = {
      ...goal,
      measure: async (smaller: Graph) => {
        const took = await goal.measure(smaller);
        measured.push(took.median);
        return took;
      },
    };
    const { end } = await prune(graph, 0.8, { latency, unitsPerStep: 150, roundTo: 8 });
    expect(end).toBe("met");
    expect(measured.length).toBeGreaterThan(1);
    expect(new Set(measured).size).toBe(measured.length);
  });

  it("reaches another target besides", async () => {
    const { macs } = costsOf(trace(graph));
    const result = await prune(graph, 0.9, { target: { macs: macs * 0.4 } });
    expect([result.end, result.costs.macs <= macs * 0.4]).toEqual(["met", true]);
  });

  it("says where it cannot be reached", async () => {
    expect((await prune(graph, 1e-6, { unitsPerStep: 100 })).end).toBe("exhausted");
  });
});
