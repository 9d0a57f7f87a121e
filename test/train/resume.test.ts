/**
 * A run that goes on from any of its checkpoints ends in the bytes of the run that was never stopped.
 *
 * @module-tag laws
 */

import { describe, expect, it } from "vitest";
import { findCriterion } from "../../src/criteria/table.ts";
import { imageDataset } from "../../src/data/images.ts";
import type { Dataset } from "../../src/data/batches.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { decodeSafetensors, encodeSafetensors } from "../../src/onnx/safetensors.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { decodeCheckpoint, encodeCheckpoint, type Checkpoint } from "../../src/loop/checkpoint.ts";
import type { StepEvent } from "../../src/train/events.ts";
import { finetune, type FinetuneOptions, type FinetunePoint } from "../../src/train/finetune.ts";
import { prepare, withGraph } from "../../src/execute/prepare.ts";
import { ownerOf } from "../../src/train/packed-parameters.ts";
import { averagedGraph } from "../../src/train/step.ts";
import type { PrunePoint } from "../../src/loop/options.ts";
import { pruneLoop, absoluteBudget } from "../../src/loop/prune.ts";
import { readNetModel } from "../support/reference.ts";
import { random } from "../support/graphs.ts";

const model = loadModel(readNetModel("residual-conv"));
const graph = prepare(model);
const next = random(3);
const data = imageDataset({
  name: "noise",
  images: Uint8Array.from({ length: 50 * 243 }, () => next() * 256),
  labels: Uint8Array.from({ length: 50 }, (_, i) => i % 2),
  shape: [3, 9, 9],
  classes: 2,
});
/** The same batches from a source that does not tell how many there are. */
const { size: _, subset: __, ...unsized } = data;
/** The same batches from a source that promises more, as one does of whose images some cannot be read. */
const promising: Dataset = { ...unsized, size: 66 };

const learn = {
  loss: "cross-entropy",
  batchSize: 8,
  seed: 5,
  threads: 1,
  augment: { crop: 1, flip: true },
  optimiser: { kind: "sgd", momentum: 0.9, weightDecay: 1e-3 },
} as const;

/** All that keeps something from step to step, or draws. */
const everything = {
  optimiser: { kind: "adamw", weightDecay: 0.1 },
  clip: 1,
  labelSmoothing: 0.1,
  mixup: 0.4,
} as const;

type More = Partial<Pick<FinetuneOptions, "optimiser" | "clip" | "labelSmoothing" | "mixup" | "ema" | "rateSchedule">>;

const prune = (from?: PrunePoint, onPoint?: (point: PrunePoint) => Promise<void>, more: More = {}) =>
  pruneLoop(directRuntime, graph, data, {
    ...learn,
    ...more,
    criterion: findCriterion("taylor-fo"),
    target: absoluteBudget(graph, { macs: 0.5 }),
    learningRate: 0.01,
    every: 4,
    unitsPerStep: 3,
    from,
    onPoint,
  });

const tune = (
  start: Graph,
  dataset: Dataset,
  from?: FinetunePoint,
  onPoint?: (take: () => Promise<FinetunePoint>) => Promise<void>,
  more: More = {},
) =>
  finetune(directRuntime, start, dataset, {
    ...learn,
    ...more,
    epochs: 3,
    learningRate: 0.02,
    warmUp: 5,
    from,
    onPoint,
  });

const bytesOf = (result: Graph): string => Buffer.from(encodeModel(withGraph(model, result))).toString("base64");

/** Through the form in which a checkpoint lies on the disk. */
const stored = (checkpoint: Checkpoint): Checkpoint =>
  decodeCheckpoint(Buffer.concat(encodeCheckpoint(checkpoint)), graph, "checkpoint");

describe("pruning", () => {
  it("goes on after each removal as if it had never stopped", async () => {
    const points: PrunePoint[] = [];
    const whole = await prune(undefined, async (point) => void points.push(point));
    expect(whole.end).toBe("met");
    expect(points.length).toBeGreaterThan(3);
    expect(points.map(({ met }) => met)).toEqual(points.map((_point, i) => i === points.length - 1));
    for (const point of points) {
      const again = stored({ point, note: { at: 1 } });
      expect(again.note).toEqual({ at: 1 });
      expect(again.pruned).toBeUndefined();
      const result = await prune(again.point as PrunePoint);
      expect(bytesOf(result.graph)).toBe(bytesOf(whole.graph));
      expect(result).toMatchObject({ costs: whole.costs, units: whole.units, end: whole.end });
      expect(result.removals).toEqual(whole.removals);
    }
  });
});

it("a checkpoint of 0.11 is read, which tells when the graph of a step was written", async () => {
  const points: PrunePoint[] = [];
  await prune(undefined, async (point) => void points.push(point));
  const point = points[1]!;
  const { tensors, metadata } = decodeSafetensors(Buffer.concat(encodeCheckpoint({ point, note: {} })), "checkpoint");
  const state = JSON.parse(metadata["secateur"]!) as { readonly place: object };
  const place = { ...state.place, written: { removals: 1, idle: 0.25, lasts: true } };
  const older = encodeSafetensors({ tensors, metadata: { secateur: JSON.stringify({ ...state, place }) } });
  expect(decodeCheckpoint(Buffer.concat(older), graph, "checkpoint").point).toEqual(stored({ point, note: {} }).point);
});

describe.each([
  ["a data set of known size", data],
  ["a data set of unknown size", unsized],
  ["a data set that gives less than its size", promising],
])("fine-tuning on %s", (_name, dataset) => {
  it("goes on after each step as if it had never stopped", async () => {
    const pruned = await prune();
    const points: FinetunePoint[] = [];
    const whole = await tune(pruned.graph, dataset, undefined, async (take) => void points.push(await take()));
    expect(points.map(({ step }) => step)).toEqual(Array.from({ length: 18 }, (_one, i) => i + 1));
    for (const point of [0, 4, 5, 6, 11, 12, 16, 17].map((i) => points[i]!)) {
      const { removals, end } = pruned;
      const again = stored({ point, pruned: { removals, end }, note: {} });
      expect(again.pruned).toEqual({ removals, end });
      const result = await tune(pruned.graph, dataset, again.point as FinetunePoint);
      expect(bytesOf(result)).toBe(bytesOf(whole));
    }
  });
});

it("the learning rate ends where it should, however many samples were promised", async () => {
  const ratesOn = async (dataset: Dataset) => {
    const told: StepEvent[] = [];
    const onEvent = (event: StepEvent) => void told.push(event);
    await finetune(directRuntime, graph, dataset, { ...learn, epochs: 3, learningRate: 0.02, onEvent });
    return told;
  };
  const [exact, more] = [await ratesOn(data), await ratesOn(promising)];
  expect(more.map(({ steps }) => steps)).toEqual([24, 24, 24, 24, 24, ...Array.from({ length: 13 }, () => 18)]);
  expect(more.slice(5).map(({ learningRate }) => learningRate)).toEqual(
    exact.slice(5).map(({ learningRate }) => learningRate),
  );
});

describe("with AdamW, mixup and all that is kept beside weights", () => {
  it("pruning cuts what is kept along with the weights, and goes on from any removal", async () => {
    const points: PrunePoint[] = [];
    const whole = await prune(undefined, async (point) => void points.push(point), everything);
    for (const point of points) {
      expect([...point.optimiserState.keys()].map((name) => name.split("/")[0]).toSorted()).toContain("variance");
      for (const [name, { shape }] of point.optimiserState)
        expect(shape, name).toEqual(point.graph.initializers.get(ownerOf(name))!.shape);
    }
    for (const point of [points[0]!, points.at(-2)!]) {
      const result = await prune(stored({ point, note: {} }).point as PrunePoint, undefined, everything);
      expect(bytesOf(result.graph)).toBe(bytesOf(whole.graph));
      expect(result.removals).toEqual(whole.removals);
    }
  });

  it("fine-tuning goes on from any step, and ends in the averages", async () => {
    const more = { ...everything, ema: 0.9, rateSchedule: "step" } as const;
    const points: FinetunePoint[] = [];
    const whole = await tune(graph, data, undefined, async (take) => void points.push(await take()), more);
    for (const point of [0, 5, 6, 16, 17].map((i) => points[i]!)) {
      const again = stored({ point, note: {} }).point as FinetunePoint;
      expect(again.optimiserState).toEqual(point.optimiserState);
      expect(bytesOf(await tune(graph, data, again, undefined, more))).toBe(bytesOf(whole));
    }
    const last = points.at(-1)!;
    expect(bytesOf(averagedGraph(last))).toBe(bytesOf(whole));
    expect(bytesOf(last.graph)).not.toBe(bytesOf(whole));
    const averaged = [...last.optimiserState.keys()].filter((name) => name.startsWith("average/"));
    expect(averaged.some((name) => name.endsWith("running_var"))).toBe(true);
  });
});
