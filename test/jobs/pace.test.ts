/** How long a run of pruning is to be. */

import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createClock, describeSchedule } from "../../src/cli/commands/time-left.ts";
import { paceOf, unitsToGo, type PaceOptions } from "../../src/jobs/pace.ts";
import { settle } from "../../src/jobs/prune-options.ts";
import { analyse, prepare } from "../../src/graphs-node.ts";
import { load, newModel, prune } from "../../src/node.ts";
import type { RemovalSchedule, Budget } from "../../src/options/budget.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import type { RemovalEvent } from "../../src/train/events.ts";
import { randomDataset } from "../support/datasets.ts";

const start = { costs: { macs: 1000, params: 100, bytes: 400 }, units: 500 };
/** Units that go of 500, which are 15 removals. */
const gone = 147;
const data = (size?: number) => ({ name: "data", batches: () => [] as never, ...(size !== undefined && { size }) });
const pace = (units: number, size: number | undefined, options: Partial<PaceOptions> = {}) =>
  paceOf(500, units, data(size), { batchSize: 16, epochs: 5, ...options });

describe("the minibatches between two removals", () => {
  it("are ten where there is much data, or nobody knows how much", () => {
    expect(pace(gone, 60_000)).toMatchObject({ removals: 15, every: 10, steps: 150 });
    expect(pace(gone, undefined)).toMatchObject({
      every: 10,
      pruningEpochs: undefined,
      tuningSteps: undefined,
    });
  });

  it("are fewer with little data, so that pruning takes three epochs at most, but never none", () => {
    const few = pace(gone, 400);
    expect(few).toMatchObject({ removals: 15, every: 5, steps: 75, pruningEpochs: 3, tuningSteps: 125 });
    expect(pace(gone, 20)).toMatchObject({ every: 1, steps: 15 });
  });

  it("are one for each machine at least", () => expect(pace(gone, 20, { machines: 4 })).toMatchObject({ every: 4 }));

  it("are as many as were asked for", () => expect(pace(gone, 20, { every: 7 })).toMatchObject({ every: 7 }));
});

describe("the removals", () => {
  it("take a share of the units each", () => expect(pace(250, 400).removals).toBe(25));
  it("take at least a block where widths are rounded, and no part of one", () => {
    expect(pace(250, 400, { roundTo: 4 }).removals).toBe(32);
    expect(pace(250, 400, { roundTo: 16 }).removals).toBe(16);
  });
  it("are as many as a schedule plans", () => {
    expect(pace(499, 400, { schedule: { kind: "cubic", removals: 9 } }).removals).toBe(9);
    expect(pace(499, 400, { schedule: { kind: "one-shot", removals: 9 } }).removals).toBe(1);
  });
  it("are as many as there can be, where only the loss ends them", () => expect(pace(500, 400).removals).toBe(50));
});

describe("the units that go", () => {
  const nets = ["plain-cnn", "gates", "mixer"] as const;
  it.each(nets)("are reckoned for %s so that about as many removals are told as come", async (name) => {
    const model = await load(join(import.meta.dirname, `../fixtures/nets/${name}.onnx`));
    const samples = randomDataset(prepare(model), { samples: 64, labels: 4 });
    let told = Number.NaN;
    const { removals, end } = await prune(model, {
      data: samples,
      budget: { macs: 0.5 },
      batchSize: 16,
      every: 2,
      unitsPerStep: 1,
      epochs: 0,
      prove: false,
      threads: 1,
      pruneLearningRate: 0.005,
      onEvent: (event) => event.kind === "schedule" && (told = event.removals),
    });
    expect(end).toBe("met");
    expect(removals).toBeGreaterThan(4);
    expect(Math.abs(told / removals - 1)).toBeLessThanOrEqual(0.25);
  });

  const model = newModel("lenet5", { classes: 10, seed: 1 });
  const reckon = (reach: { target: Budget; share?: number }, schedule?: RemovalSchedule) => {
    const [graph, runtime] = [prepare(model), { ...directRuntime, load: () => Promise.reject(new Error("it ran")) }];
    const options = settle({ data: data(400), batchSize: 16, schedule }, model);
    return unitsToGo(
      runtime,
      graph,
      data(400),
      { groups: analyse(graph), ...reach },
      { ...options, loss: "cross-entropy", roundTo: 1, workers: 1 },
    );
  };
  it("are known without a look at the data, where units or a latency are the budget or a schedule counts", async () => {
    expect(await reckon({ target: { units: 200 } })).toBe(26);
    expect(await reckon({ target: {}, share: 0.25 })).toBe(113);
    expect(await reckon({ target: { macs: 9 } }, { kind: "cubic", removals: 9 })).toBe(0);
    await expect(reckon({ target: { macs: 9 } })).rejects.toThrow();
  });
});

describe("what is said", () => {
  it("at the start is what will be done", () => {
    expect(describeSchedule(pace(gone, 400))).toBe(
      "about 15 removals, one after every 5 minibatches: 75 steps, 3 epochs of the data; then 5 epochs of fine-tuning, 125 steps",
    );
    expect(describeSchedule(pace(5, 60_000, { every: 1, epochs: 0 }))).toBe(
      "about 1 removal, one after each minibatch: 1 steps, less than 0.1 epochs of the data; no fine-tuning",
    );
  });

  it("after removals is how long the rest will take, by how far the budget is", () => {
    let now = 0;
    const schedule = pace(gone, 400);
    const clock = createClock({ ...start, target: { macs: 500 } }, schedule, () => now);
    clock.begin();
    const after = (step: number, macs: number): string => {
      now = step * 10_000;
      return clock.after({ step, units: 0, costs: { ...start.costs, macs } } as unknown as RemovalEvent);
    };
    // 14 more removals, and 125 steps of fine-tuning, of which 5 take as long as a removal.
    expect(after(1, 990)).toBe("7 min left");
    expect(after(4, 600)).toBe("4 min left");
    expect(after(5, 500)).toBe("4 min left");
  });
});
