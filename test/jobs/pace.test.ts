/** How long a run of pruning is to be. */

import { describe, expect, it } from "vitest";
import { createClock, describeSchedule } from "../../src/cli/commands/time-left.ts";
import { paceOf, type PaceOptions } from "../../src/jobs/pace.ts";
import type { Target } from "../../src/prune/select.ts";
import type { RemovalEvent } from "../../src/train/events.ts";

const start = { costs: { macs: 1000, params: 100, bytes: 400 }, units: 500 };
const data = (size?: number) => ({ name: "data", batches: () => [] as never, ...(size !== undefined && { size }) });
const pace = (target: Target, size: number | undefined, options: Partial<PaceOptions> = {}) =>
  paceOf(start, target, data(size), { batchSize: 16, epochs: 5, ...options });

describe("the minibatches between two removals", () => {
  it("are ten where there is much data, or nobody knows how much", () => {
    expect(pace({ macs: 500 }, 60_000)).toMatchObject({ removals: 15, every: 10, steps: 150 });
    expect(pace({ macs: 500 }, undefined)).toMatchObject({
      every: 10,
      pruningEpochs: undefined,
      tuningSteps: undefined,
    });
  });

  it("are fewer with little data, so that pruning takes three epochs at most, but never none", () => {
    const few = pace({ macs: 500 }, 400);
    expect(few).toMatchObject({ removals: 15, every: 5, steps: 75, pruningEpochs: 3, tuningSteps: 125 });
    expect(pace({ macs: 500 }, 20)).toMatchObject({ every: 1, steps: 15 });
  });

  it("are as many as were asked for", () => expect(pace({ macs: 500 }, 20, { every: 7 })).toMatchObject({ every: 7 }));
});

describe("the removals", () => {
  it("go by units, where these are the budget", () => expect(pace({ units: 250 }, 400).removals).toBe(25));
  it("are as many as a schedule plans", () => {
    expect(pace({ macs: 1 }, 400, { schedule: { kind: "cubic", removals: 9 } }).removals).toBe(9);
    expect(pace({ macs: 1 }, 400, { schedule: { kind: "one-shot", removals: 9 } }).removals).toBe(1);
  });
  it("are as many as there can be, where only the loss ends them", () =>
    expect(pace({ units: 0 }, 400).removals).toBe(50));
});

describe("what is said", () => {
  it("at the start is what will be done", () => {
    expect(describeSchedule(pace({ macs: 500 }, 400))).toBe(
      "about 15 removals, one after every 5 minibatches: 75 steps, 3 epochs of the data; then 5 epochs of fine-tuning, 125 steps",
    );
    expect(describeSchedule(pace({ units: 495 }, 60_000, { every: 1, epochs: 0 }))).toBe(
      "about 1 removal, one after each minibatch: 1 steps, less than 0.1 epochs of the data; no fine-tuning",
    );
  });

  it("after removals is how long the rest will take, by how far the budget is", () => {
    let now = 0;
    const schedule = pace({ macs: 500 }, 400);
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
