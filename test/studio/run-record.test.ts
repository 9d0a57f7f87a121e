/** What the page makes of the lines of a record. */

import { describe, expect, it } from "vitest";
import { smooth, thin } from "../../studio/src/parts/curves.ts";
import { add, emptyRecord, timeLeft, type Point, type RunRecord } from "../../studio/src/parts/run-record.ts";
import { smallRecords } from "../report/small-run.ts";

const recordOf = (lines: readonly unknown[]): RunRecord => {
  const record = emptyRecord();
  for (const line of lines) add(record, line);
  return record;
};
const at = (second: number): string => new Date(Date.UTC(2026, 0, 1) + second * 1000).toISOString();
const step = (second: number, of: object): object => ({ time: at(second), kind: "step", loss: 1, epoch: 1, ...of });

describe("a record", () => {
  it("has the curves of pruning and fine-tuning, one behind the other", () => {
    const { losses, measured, widths, costs, units, removals } = recordOf(smallRecords());
    expect(losses).toEqual([
      [1, 0.5],
      [2, 0.375],
      [3, 0.25],
      [4, 0.125],
      [5, 0.1875],
    ]);
    expect(measured.map(({ at, macs, measure, tuned }) => [at, macs, measure.value, tuned])).toEqual([
      [0, 400_000, 0.94, false],
      [2, 200_000, 0.875, false],
      [5, 200_000, 0.965, true],
    ]);
    expect([...widths.values()].map(({ before, left }) => [before, left])).toEqual([
      [10, 7],
      [20, 11],
    ]);
    expect([costs, units, removals]).toEqual([{ start: 400_000, now: 200_000 }, { start: 30, now: 18 }, 2]);
  });

  it("of a search shows the model that is tried, and at the end the one that was taken", () => {
    const [start, ...rest] = smallRecords();
    const pruned = rest.filter(({ kind }) => kind !== "evaluation" && kind !== "pruned");
    const trying = { time: at(30), kind: "try", number: 1, most: 4, removals: 1, units: 24 };
    const record = recordOf([start, ...pruned, trying]);
    expect([...record.widths.values()].map(({ left }) => left)).toEqual([9, 15]);
    expect([record.costs!.now, record.units!.now, record.tries]).toEqual([300_000, 24, { done: 1, most: 4 }]);
    // Each fine-tuning begins with step 1, and is drawn behind the last.
    const last = record.losses.at(-1)![0];
    add(record, step(31, { phase: "finetune", step: 1 }));
    add(record, step(32, { phase: "finetune", step: 2 }));
    add(record, { ...trying, number: 2, removals: 2 });
    add(record, step(33, { phase: "finetune", step: 1 }));
    expect(record.losses.slice(-3).map(([x]) => x - last)).toEqual([1, 2, 3]);
    expect([...record.widths.values()].map(({ left }) => left)).toEqual([7, 11]);
    add(record, { time: at(40), kind: "evaluation", at: "end", step: 1, evaluation: { top1: 0.9 } });
    expect([...record.widths.values()].map(({ left }) => left)).toEqual([9, 15]);
    expect(record.measured.at(-1)).toMatchObject({ macs: 300_000, tuned: true });
  });

  it("is not broken by lines that are no events, or whose numbers are none", () => {
    const before = recordOf(smallRecords());
    const after = recordOf(smallRecords());
    const lines = [
      null,
      [],
      7,
      "step",
      {},
      { kind: "constructor" },
      { kind: "__proto__" },
      { kind: ["step"] },
      { kind: "step", phase: {}, step: 1 },
      { kind: "step", phase: "prune", step: null },
      { kind: "removal", step: 3, groups: [null, { name: 1 }, { name: "conv1.weight", units: "9" }] },
      { kind: "evaluation", evaluation: null },
      { kind: "epoch", epoch: "1", evaluation: { loss: null } },
      { kind: "schedule", removals: null },
      { kind: "start", groups: {}, costs: "x" },
    ];
    for (const line of lines) add(after, line);
    expect(after.losses).toEqual(before.losses);
    expect(after.measured).toEqual(before.measured);
    expect(after.widths).toEqual(before.widths);
    expect(after.costs).toEqual(before.costs);
  });
});

describe("the time that is left", () => {
  const start = { time: at(0), kind: "start", costs: { macs: 1000 }, units: 100, groups: [], target: { macs: 500 } };
  const schedule = { time: at(0), kind: "schedule", removals: 20, every: 2, epochs: 1, tuningSteps: 10 };
  const removal = (second: number, count: number, macs: number): object => ({
    time: at(second),
    kind: "removal",
    step: count,
    loss: 1,
    units: 50,
    costs: { macs },
    groups: [],
  });

  it("while pruning is that of the removals to come, and of fine-tuning", () => {
    const first = recordOf([start, schedule, step(0, { phase: "prune", step: 1 }), removal(10, 1, 990)]);
    // 10 s for each of 19 removals, and 5 s for each of 10 steps.
    expect(timeLeft(first)).toBe((190 + 50) * 1000);
    // Four removals took 200 of 500: ten are needed.
    for (const [count, macs] of [
      [2, 900],
      [3, 850],
      [4, 800],
    ] as const)
      add(first, removal(count * 10, count, macs));
    expect(timeLeft(first)).toBeCloseTo((60 + 50) * 1000);
  });

  it("while learning is that of the steps to come", () => {
    const record = recordOf([step(0, { phase: "finetune", step: 1, steps: 11 })]);
    expect(timeLeft(record)).toBeUndefined();
    add(record, step(4, { phase: "finetune", step: 3, steps: 11 }));
    expect(timeLeft(record)).toBe(16_000);
    expect(
      timeLeft(
        recordOf([
          { time: at(0), kind: "try", number: 1, most: 3, removals: 1 },
          step(0, { phase: "finetune", step: 1, steps: 11 }),
          step(4, { phase: "finetune", step: 3, steps: 11 }),
        ]),
      ),
    ).toBe((8 + 22) * 2000);
  });

  it("is not known between pruning and fine-tuning", () => {
    const record = recordOf([start, schedule, step(0, { phase: "prune", step: 1 }), removal(10, 1, 500)]);
    add(record, { time: at(11), kind: "pruned", end: "met", removals: 1 });
    expect(timeLeft(record)).toBeUndefined();
    for (const second of [20, 22]) add(record, step(second, { phase: "finetune", step: (second - 18) / 2, steps: 10 }));
    expect(timeLeft(record)).toBe(16_000);
    expect(record.losses.map(([x]) => x)).toEqual([1, 2, 3]);
  });

  it("is not known before anything is", () => {
    for (const lines of [[], [start], [start, schedule], smallRecords().slice(0, 3)])
      expect(timeLeft(recordOf(lines))).toBeUndefined();
  });
});

describe("curves", () => {
  const points = Array.from({ length: 10_000 }, (_, i): Point => [i, i === 5000 ? 9 : Math.sin(i)]);

  it("keep their peaks when they are thinned, and their order", () => {
    const few = thin(points, 200);
    expect(few.length).toBeLessThanOrEqual(200);
    expect(few).toContainEqual([5000, 9]);
    expect(few.every(([x], i) => i === 0 || x > few[i - 1]![0])).toBe(true);
    expect(thin(points.slice(0, 200), 200)).toEqual(points.slice(0, 200));
  });

  it("are smoothed without a memory of where they began", () => {
    expect(smooth(Array.from({ length: 50 }, (_, i): Point => [i, 3])).every(([, y]) => Math.abs(y - 3) < 1e-12)).toBe(
      true,
    );
    const [, last] = smooth(Array.from({ length: 500 }, (_, i): Point => [i, i < 250 ? 0 : 1])).at(-1)!;
    expect(last).toBeGreaterThan(0.99);
  });
});
