/** Budgets below what has to stay: refused with what can be reached, before anything is learned. */

import { describe, expect, it } from "vitest";
import { prune } from "../../src/jobs/prune.ts";
import type { PruneJobOptions } from "../../src/jobs/prune-options.ts";
import { leastOf, refuseUnreachable } from "../../src/jobs/reach.ts";
import { stateIn } from "../../src/jobs/measure.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { trace } from "../../src/passes/trace.ts";
import { costsOf } from "../../src/passes/costs.ts";
import { cut } from "../../src/prune/cut/cut.ts";
import type { Limits } from "../../src/options/ranking.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import type { Runtime } from "../../src/runtime/port.ts";
import { prepare } from "../../src/execute/prepare.ts";
import { absoluteBudget } from "../../src/loop/prune.ts";
import { finishNet, flatten, linear, startNet } from "../../src/zoo/layers.ts";
import { newModel } from "../../src/zoo/zoo.ts";
import { randomDataset } from "../support/datasets.ts";
import { modelOf } from "../support/graphs.ts";
import { readNetModel } from "../support/reference.ts";

const lenet = prepare(newModel("lenet5", { classes: 10, seed: 1 }));
const groups = analyse(lenet);
const all = stateIn(groups);

const refusal = (budget: PruneJobOptions["budget"], limits?: Limits, roundTo?: number): string => {
  try {
    refuseUnreachable(groups, all, absoluteBudget(lenet, budget!), { limits, roundTo });
    return "none";
  } catch (error) {
    return (error as Error).message;
  }
};

describe("the smallest model", () => {
  it.each<[string, Limits, number | undefined]>([
    ["by default", {}, undefined],
    ["of whole blocks", {}, 8],
    ["with a group that stays", { keep: ["conv2.weight"], minUnits: 3 }, undefined],
    ["with shares of groups", { ratios: new Map([["fc*", 0.25]]) }, undefined],
  ])("%s is what is left of all cuts, and is met but not passed", (_, limits, roundTo) => {
    const least = leastOf(groups, { limits, roundTo });
    expect(least.isLeast).toBe(true);
    const left = cut(lenet, groups, least.removal).graph;
    expect(costsOf(trace(left))).toEqual({ macs: least.macs, params: least.params, bytes: least.bytes });
    for (const key of ["macs", "params", "bytes", "units"] as const) {
      expect(refusal({ [key]: least[key] }, limits, roundTo)).toBe("none");
      expect(refusal({ [key]: least[key] - 1 }, limits, roundTo)).toContain(`\`budget.${key}\` cannot be met`);
    }
  });

  it("is smaller where groups may go as a whole", () => {
    const residual = analyse(prepare(loadModel(readNetModel("residual-conv"))));
    const [kept, whole] = [1, 0].map((minUnits) => leastOf(residual, { limits: { minUnits } }));
    expect(whole!.macs).toBeLessThan(kept!.macs);
    expect(whole!.isLeast).toBe(true);
  });
});

describe("what is said", () => {
  it("is the least, in numbers and as a share to ask for", () => {
    expect(refusal({ macs: 0.02 })).toBe(
      "`budget.macs` cannot be met: of 416,520 multiply-accumulates at least 22,136 (5.31 %) stay, 8,331 are asked for. " +
        "Ask for `budget.macs: 0.054` or more",
    );
    expect(refusal({ macs: 0.054 })).toBe("none");
  });

  it("names what holds it up, the most first, and nothing that does not", () => {
    const limits = { keep: ["conv2*"], minUnits: 3, ratios: new Map([["fc2.weight", 0.99]]) };
    const text = refusal({ macs: 0.05 }, limits);
    expect(text).toMatch(
      /Ask for `budget\.macs: 0\.44` or more, or let more go: 60,\d+ \(14\.\d %\) without `limits\.minUnits: 3` or 81,\d+ \(19\.\d %\) without `limits\.keep: \[ "conv2\*" \]`$/,
    );
    expect(refusal({ macs: 0.05 }, {}, 16)).toContain("without `roundTo: 16`");
    expect(refusal({ params: 0.001 }, { ratios: new Map([["*", 0.5]]) })).toContain("without `limits.ratios` (*)");
  });

  it("hints at shares where a small number was given", () => {
    expect(refusal({ macs: 50 })).toContain("50 are asked for (a share is at most 1, as 0.5)");
    expect(refusal({ macs: 5000 })).not.toContain("a share is");
  });
});

describe("a run", () => {
  /** Counts sessions that learn: weights stay with them from run to run. */
  const watched = (): { readonly runtime: Runtime; learning: number; loads: number } => {
    const seen = {
      learning: 0,
      loads: 0,
      runtime: {
        ...directRuntime,
        load(model, options) {
          seen.loads++;
          if ((options?.carried?.length ?? 0) > 0) seen.learning++;
          return directRuntime.load(model, options);
        },
      } satisfies Runtime,
    };
    return seen;
  };
  const run = (runtime: Runtime, more: Partial<PruneJobOptions>) =>
    prune(newModel("lenet5", { classes: 10, seed: 1 }), {
      data: randomDataset(lenet, { samples: 32, labels: 10 }),
      runtime,
      batchSize: 8,
      every: 1,
      epochs: 0,
      threads: 1,
      prove: false,
      unitsPerStep: 200,
      ...more,
    }).result;

  it.each<[string, Partial<PruneJobOptions>, RegExp]>([
    ["a share", { budget: { macs: 0.05 } }, /`budget\.macs` cannot be met/],
    ["a number", { budget: { macs: 2 } }, /`budget\.macs` cannot be met/],
    ["units above a floor", { budget: { units: 0.1 }, limits: { minUnits: 20 } }, /without `limits\.minUnits: 20`/],
    [
      "a latency",
      { latency: 0.001, roundTo: 1 },
      /`latency` cannot be met: a sample takes [\d.]+ ms, and [\d.]+ ms \([\d.]+ %\)/,
    ],
    ["a latency in milliseconds", { latency: { milliseconds: 1e-5 }, roundTo: 1 }, /`latency` cannot be met/],
  ])("to %s below the floor opens no session that learns", async (_, more, message) => {
    const seen = watched();
    await expect(run(seen.runtime, more)).rejects.toThrow(message);
    expect(seen.learning).toBe(0);
  });

  it("to what can be met learns", async () => {
    const seen = watched();
    await run(seen.runtime, { budget: { macs: 0.5 } });
    expect(seen.learning).toBeGreaterThan(0);
  });

  it("for the smallest model that loses little goes as far as it can", async () => {
    const seen = watched();
    const data = randomDataset(lenet, { samples: 32, labels: 10 });
    const cutting = { ...data, subset: () => data };
    const { end } = await run(seen.runtime, { data: cutting, budget: { macs: 0.01 }, maxDrop: 100 });
    expect(end).toBe("met");
  });

  it("of a model of which nothing can go says why, and measures nothing", async () => {
    const { net, x } = startNet("one layer", { input: [1, 28, 28], classes: 10, seed: 1 }, "kaiming");
    linear(net, "fc", flatten(net, "flatten", x), 10);
    const graph = finishNet(net);
    const data = randomDataset(lenet, { samples: 8, labels: 10 });
    const told: string[] = [];
    const onEvent = ({ kind }: { readonly kind: string }): void => void told.push(kind);
    await expect(
      prune(modelOf(graph), { data, validation: data, budget: { macs: 0.5 }, runtime: directRuntime, onEvent }).result,
    ).rejects.toThrow("no unit of the model can be removed");
    expect(told).toEqual([]);
  });
});
