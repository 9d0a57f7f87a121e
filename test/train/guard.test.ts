/** Learning that does harm is seen, and nothing else is taken for it. */

import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { WeightCriterion } from "../../src/criteria/criterion.ts";
import { findCriterion } from "../../src/criteria/table.ts";
import { arrayDataset } from "../../src/data/arrays.ts";
import type { Batch, Dataset } from "../../src/data/batches.ts";
import type { Graph } from "../../src/graph/graph.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import type { DivergedEvent, LearnEvent } from "../../src/train/events.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../../src/loop/checkpoint.ts";
import { finetune, type FinetuneOptions, type FinetunePoint } from "../../src/train/finetune.ts";
import { createGuard, createHaven, describeDivergence, limitOf } from "../../src/train/guard.ts";
import { prepare } from "../../src/execute/prepare.ts";
import type { PruneOptions, PrunePoint } from "../../src/loop/options.ts";
import { pruneLoop, absoluteBudget } from "../../src/loop/prune.ts";
import { evaluate } from "../../src/evaluate/evaluate.ts";
import { newModel } from "../../src/zoo/zoo.ts";
import { quarters } from "../support/quarters.ts";

const scale = { chance: Math.log(10), slight: 0.02 * Math.log(10) };

/** After how many losses a guard stops, if it does. */
function stopsAfter(losses: readonly number[]): number | undefined {
  const guard = createGuard(scale);
  const at = losses.findIndex((loss) => guard.add(loss));
  return at < 0 ? undefined : at + 1;
}

const times = (count: number, loss: number): number[] => Array.from({ length: count }, () => loss);

describe("a guard", () => {
  it("stops where the loss rises to chance, within a few steps", () =>
    expect(stopsAfter([...times(10, 0.1), ...times(8, 2.3)])).toBe(15));

  it("stops within the first steps", () => expect(stopsAfter([0.1, 3, 8, 2.4])).toBe(4));

  it("lets single minibatches be hard", () =>
    expect(stopsAfter([...times(8, 0.1), 9, 0.1, 0.2, 30, 0.1, 0.1, 7, 0.1])).toBeUndefined());

  it("lets the loss of a good model rise a little, and fall again", () =>
    expect(stopsAfter([...times(8, 0.02), ...times(20, 0.6), ...times(8, 0.1)])).toBeUndefined());

  it("lets a model that knows nothing begin at chance or above, but not explode", () => {
    expect(stopsAfter([...times(20, 2.3), ...times(20, 3.1)])).toBeUndefined();
    expect(stopsAfter(times(20, 9))).toBeUndefined();
    expect(stopsAfter([...times(8, 2.3), ...times(8, 80)])).toBe(12);
  });

  it("measures errors by what they were", () => {
    expect(limitOf({ chance: 1, slight: 0.001, isError: true }, 0.01)).toBeCloseTo(0.12);
    expect(limitOf({ chance: 1, slight: 0.001, isError: true }, 0)).toBeCloseTo(0.02);
  });

  it("takes for granted what something else than learning raised", () => {
    const guard = createGuard(scale);
    for (const loss of times(8, 0.1)) guard.add(loss);
    expect(times(5, 2.2).some((loss) => guard.add(loss))).toBe(true);
    guard.accept();
    expect(times(20, 2.3).some((loss) => guard.add(loss))).toBe(false);
  });
});

it("a model is gone back to only when the losses after it were good", () => {
  const haven = createHaven<string>({ good: "start", since: 0 });
  haven.offer("first");
  for (let i = 0; i < 7; i++) haven.seen(true);
  expect([haven.good, haven.isFree]).toEqual(["start", false]);
  haven.seen(true);
  expect([haven.good, haven.isFree]).toEqual(["first", true]);
  haven.offer("second");
  for (let i = 0; i < 8; i++) haven.seen(false);
  expect(haven.good).toBe("first");
});

const data = quarters(160);
const learn = { loss: "cross-entropy", batchSize: 16, seed: 1, threads: 1 } as const;
const quick = (options: Partial<FinetuneOptions> = {}): FinetuneOptions => ({
  ...learn,
  epochs: 4,
  learningRate: 0.05,
  ...options,
});
const accuracy = async (graph: Parameters<typeof evaluate>[1]): Promise<number> =>
  (await evaluate(directRuntime, graph, data, { ...learn, batchSize: 40 })).top1!;

const begun = finetune(
  directRuntime,
  prepare(newModel("lenet3", { input: [1, 16, 16], classes: 4, seed: 2 })),
  data,
  quick({ epochs: 12 }),
);

/** Of all weights, by name. */
function digest({ initializers }: Graph): string {
  const hash = createHash("sha256");
  for (const [name, { data: weights }] of initializers) hash.update(name).update(weights as Float32Array);
  return hash.digest("hex");
}

/** Through the form in which a checkpoint lies on the disk. */
const stored = async <P extends PrunePoint | FinetunePoint>(point: P): Promise<P> =>
  decodeCheckpoint(Buffer.concat(encodeCheckpoint({ point, note: {} })), await begun, "checkpoint").point as P;

/** The same samples, changed from an epoch on. */
const from = (
  first: number,
  change: (inputs: Batch["inputs"], target: Tensor) => Pick<Batch, "inputs" | "target">,
): Dataset => ({
  ...data,
  async *batches(options) {
    for await (const batch of data.batches(options))
      yield options.epoch! < first ? batch : { ...batch, ...change(batch.inputs, batch.target!) };
  },
});

const wrong = ({ dtype, shape, data: ids }: Tensor): Tensor =>
  ({ dtype, shape, data: (ids as BigInt64Array).map((id) => (id + 1n) % 4n) }) as Tensor;

describe("learning at a rate that ruins a model", () => {
  it("ends in the model as it was, and says which rate to try", async () => {
    const graph = await begun;
    expect(await accuracy(graph)).toBeGreaterThan(0.95);
    const told: DivergedEvent[] = [];
    const options = quick({ learningRate: 30, onDiverged: (event) => void told.push(event) });
    const kept = await finetune(directRuntime, graph, data, options);
    expect(await accuracy(kept)).toBeGreaterThan(0.95);
    expect(told).toMatchObject([{ phase: "finetune", learningRate: 30, lower: 0.1 }]);
    expect(describeDivergence(told[0]!)).toMatch(/at learning rate 30 .*try `learningRate: 0\.1`$/);
  });

  it("ends in the same bytes where it goes on from a checkpoint", async () => {
    const graph = await begun;
    // Steps are a million times too long from the fifth epoch on.
    const glaring = from(4, ({ "": image }, target) => ({
      inputs: { "": { ...image!, data: (image!.data as Float32Array).map((pixel) => pixel * 1e6) } },
      target: wrong(target),
    }));
    const learnOn = async (more: Partial<FinetuneOptions>) => {
      const told: DivergedEvent[] = [];
      const onDiverged = (event: DivergedEvent) => void told.push(event);
      const learned = await finetune(directRuntime, graph, glaring, quick({ epochs: 6, onDiverged, ...more }));
      return { told, weights: digest(learned) };
    };
    const points: FinetunePoint[] = [];
    const whole = await learnOn({ onPoint: async (take) => void points.push(await take()) });
    const { step, restored } = whole.told[0]!;

    expect(restored).toBeGreaterThan(0);
    for (const at of [1, restored, restored + 1, step - 1])
      expect(await learnOn({ from: await stored(points[at - 1]!) })).toEqual(whole);
  });

  it("goes on where the data raises the loss, and learning does not", async () => {
    const told: DivergedEvent[] = [];
    const mislabelled = from(1, (inputs, target) => ({ inputs, target: wrong(target) }));
    const options = quick({ epochs: 3, learningRate: 1e-6, onDiverged: (event) => void told.push(event) });
    await finetune(directRuntime, await begun, mislabelled, options);
    expect(told).toEqual([]);
  });

  it("fails where nobody is told", async () =>
    expect(finetune(directRuntime, await begun, data, quick({ learningRate: 30 }))).rejects.toMatchObject({
      code: "diverged",
    }));

  it("is nothing of data that hold no numbers", async () => {
    const bad = arrayDataset({
      name: "bad",
      inputs: { "": { dtype: "float32", shape: [16, 1, 16, 16], data: new Float32Array(4096).fill(Number.NaN) } },
      target: { dtype: "int64", shape: [16], data: BigInt64Array.from({ length: 16 }, () => 0n) },
    });
    const graph = await begun;
    await expect(finetune(directRuntime, graph, bad, quick())).rejects.toMatchObject({ code: "not-finite" });
  });
});

describe("pruning", () => {
  const prune = async (learningRate: number, unitsPerStep: number, macs: number, more: Partial<PruneOptions> = {}) => {
    const graph = await begun;
    const events: LearnEvent[] = [];
    const result = await pruneLoop(directRuntime, graph, data, {
      ...learn,
      criterion: findCriterion("magnitude"),
      target: absoluteBudget(graph, { macs }),
      learningRate,
      every: 2,
      unitsPerStep,
      onEvent: (event) => void events.push(event),
      ...more,
    });
    return { result, told: events.filter(({ kind }) => kind === "diverged") };
  };

  it("ends with the last good model where learning ruins it", async () => {
    const { result, told } = await prune(30, 1, 0.3);
    expect(result.end).toBe("diverged");
    expect(told).toMatchObject([{ phase: "prune", restored: result.removals.length }]);
    expect(await accuracy(result.graph)).toBeGreaterThan(0.9);
  });

  it("says where removing alone did harm, and what helps", async () => {
    const magnitude = findCriterion("magnitude") as WeightCriterion;
    const largestFirst: WeightCriterion = {
      ...magnitude,
      score: (...all) =>
        new Map(Array.from(magnitude.score(...all), ([name, values]) => [name, values.map((v) => -v)])),
    };
    const { told } = await prune(30, 12, 0.3, { criterion: largestFirst });
    const event = told[0] as DivergedEvent;
    const { removals, loss } = event.removed!;
    expect(removals).toBeGreaterThan(0);
    expect(loss).toBeGreaterThan(event.least + 0.1 * (event.chance - event.least));
    const text = describeDivergence(event);
    expect(text).toMatch(/^removing did harm: \d+ removals? alone, without a step of learning, took the loss from /u);
    expect(text).toContain(` to ${loss.toPrecision(3)}, and at learning rate 30 it came to `);
    expect(text).toContain("choose by another `criterion`, remove less at a time by `unitsPerStep`");
  });

  it("says where it is not known what knowing nothing costs", () => {
    const rates = { learningRate: 1, lower: 0.1 };
    const event = { kind: "diverged", phase: "prune", step: 9, loss: 3, least: 0.1, restored: 4, ...rates } as const;
    const text = describeDivergence({ ...event, chance: Number.NaN });
    expect(text).toContain("from 0.100 to 3.00 (what knowing nothing costs is not known of this loss). The model");
    expect(describeDivergence({ ...event, chance: 2 })).toContain("to 3.00, where knowing nothing costs 2.00. The");
  });

  it("blames learning where removing alone left next to no loss", async () => {
    const { told } = await prune(30, 1, 0.3);
    expect((told[0] as DivergedEvent).removed).toBeUndefined();
    expect(describeDivergence(told[0] as DivergedEvent)).toMatch(/^learning did harm/u);
  });

  it("goes on from a checkpoint to the same end", async () => {
    const points: PrunePoint[] = [];
    const whole = await prune(30, 1, 0.3, { onPoint: async (point) => void points.push(point) });
    expect(points.length).toBeGreaterThan(1);
    for (const point of points) {
      const again = await prune(30, 1, 0.3, { from: await stored(point) });
      expect([again.result.end, again.told]).toEqual(["diverged", whole.told]);
      expect(again.result.removals).toEqual(whole.result.removals);
      expect(digest(again.result.graph)).toBe(digest(whole.result.graph));
    }
  });

  it("goes on where what is removed raises the loss to chance, and learning does not", async () => {
    const { result, told } = await prune(1e-9, 2, 0.06);
    expect([result.end, told]).toEqual(["met", []]);
    expect(await accuracy(result.graph)).toBeLessThan(0.6);
  });
});
