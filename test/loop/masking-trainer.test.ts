/** Units that are gone and stay in a trainer's graph for a while, with weights that are zero: what is learned is what the smaller graph learns. */

import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { findCriterion } from "../../src/criteria/table.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { isFloat, type Tensor } from "../../src/graph/tensor.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { createEmitter, valueIn } from "../../src/ops/emitter.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { statesOf } from "../../src/passes/training.ts";
import { cut } from "../../src/prune/cut/cut.ts";
import type { Groups, Removal } from "../../src/prune/coupling/groups.ts";
import { differ } from "../../src/prune/proof/differ.ts";
import { drawInputs } from "../../src/prune/proof/draw.ts";
import { canMaskByWeights } from "../../src/prune/cut/mask-by-weights.ts";
import { axesAfter, grown, noAxes } from "../../src/prune/cut/axis-compaction.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import type { Runtime } from "../../src/runtime/port.ts";
import { nodeRuntime } from "../../src/runtime/workers-node.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../../src/loop/checkpoint.ts";
import { parameterNames } from "../../src/objective/backward.ts";
import { prepare } from "../../src/execute/prepare.ts";
import { pruneLoop, type PruneOptions, type PrunePoint } from "../../src/loop/prune.ts";
import { randomDataset } from "../support/datasets.ts";
import { modelOf, newBuilder, noise } from "../support/graphs.ts";
import { listNets, readNetModel, relativeError } from "../support/reference.ts";
import { laws, lawsBut } from "../support/laws.ts";

const prepared = (name: string): Graph => prepare(loadModel(readNetModel(name)));

/** A runtime that counts the graphs of steps that it loads. */
function counting(runtime: Runtime) {
  const counts = { loads: 0 };
  const counted: Runtime = {
    ...runtime,
    worker: undefined!,
    load(model, options) {
      if (options?.carried?.length) counts.loads++;
      return runtime.load(model, options);
    },
  };
  return { counts, runtime: counted };
}

const removals = 4;

async function prune(graph: Graph, idle: number, more: Partial<PruneOptions> = {}, on: Runtime = directRuntime) {
  const { counts, runtime } = counting(on);
  const points: PrunePoint[] = [];
  const result = await pruneLoop(runtime, graph, randomDataset(graph, { samples: 24, labels: 2 }), {
    loss: "cross-entropy",
    batchSize: 8,
    seed: 5,
    threads: 1,
    criterion: findCriterion("taylor-fo"),
    target: { units: 0 },
    learningRate: 0.01,
    every: 2,
    unitsPerStep: 2,
    idle,
    enough: async ({ removals: { length } }) => length === removals,
    ...more,
    async onPoint(point) {
      points.push(point);
      await more.onPoint?.(point);
    },
  });
  return { ...result, points, loads: counts.loads };
}

const hashOf = (graph: Graph): string =>
  createHash("sha256")
    .update(encodeModel(modelOf(graph)))
    .digest("hex");

function expectSame(actual: PrunePoint, expected: PrunePoint): void {
  expect(actual.removals).toEqual(expected.removals);
  expect([...actual.graph.initializers.keys()]).toEqual([...expected.graph.initializers.keys()]);
  for (const [name, { shape, data }] of actual.graph.initializers) {
    const other = expected.graph.initializers.get(name)!;
    expect(shape, name).toEqual(other.shape);
    if (data instanceof Float32Array) expect(relativeError(data, other.data as Float32Array), name).toBeLessThan(1e-4);
  }
  expect([...actual.optimiserState.keys()]).toEqual([...expected.optimiserState.keys()]);
  for (const [name, { data }] of actual.optimiserState) {
    const [now, other] = [data, expected.optimiserState.get(name)!.data] as [Float32Array, Float32Array];
    // Some gradients, as of a shift before another normalisation, are nothing but rounding.
    const apart = now.reduce((most, value, i) => Math.max(most, Math.abs(value - other[i]!)), 0);
    if (apart > 1e-6) expect(relativeError(now, other), name).toBeLessThan(1e-3);
  }
  expect([...actual.importances.keys()]).toEqual([...expected.importances.keys()]);
  for (const [name, values] of actual.importances)
    expect(relativeError(values, expected.importances.get(name)!), name).toBeLessThan(1e-2);
}

const nets = ["residual-conv", "depthwise", "plain-cnn", "inception", "dense", "mlp", "vgg", "mobilenet-v3", "lstm"];

describe.each(nets)("%s", (name) => {
  it(
    "learns with zeros what it learns without what is gone, from one graph",
    lawsBut(["plain-cnn", "lstm"], name),
    async () => {
      const graph = prepared(name);
      const [whole, masking] = [await prune(graph, 0), await prune(graph, 100)];
      expect([whole.loads, masking.loads]).toEqual([removals, 1]);
      expect(whole.points.map(({ written }) => written)).toEqual(
        [1, 2, 3, 4].map((n) => ({ removals: n, idle: 0, lasts: true })),
      );
      expect(masking.points.every(({ written }) => written.removals === 0 && written.idle > 0)).toBe(true);
      masking.points.forEach((point, i) => expectSame(point, whole.points[i]!));
    },
  );
});

describe("a graph that outlasts removals", () => {
  const graph = prepared("residual-conv");
  /** What makes some graphs outlast removals here, and others not. */
  const some = async (more: Partial<PruneOptions> = {}, runtime?: Runtime): Promise<number> => {
    const { points } = await prune(graph, 100, more, runtime);
    return points[1]!.written.idle * 1.01;
  };
  const stored = (point: PrunePoint): PrunePoint =>
    decodeCheckpoint(Buffer.concat(encodeCheckpoint({ point, note: {} })), graph, "checkpoint").point as PrunePoint;

  it("is written anew when it has computed too much for what is gone", async () => {
    const most = await some();
    const { points, loads } = await prune(graph, most, { enough: async ({ removals: { length } }) => length === 6 });
    const written = points.map((point) => point.written);
    const since = written.map(({ removals: n }) => n);
    expect(since.some((n, i) => n <= i)).toBe(true);
    expect(since).toEqual(since.toSorted((a, b) => a - b));
    expect(new Set([0, ...since.slice(0, -1)]).size).toBe(loads);
    expect(loads).toBeGreaterThan(1);
    expect(loads).toBeLessThan(6);
    for (const { idle } of written) expect(idle).toBeLessThanOrEqual(most);
    written.forEach(({ removals: n, idle }, i) => expect(idle === 0).toBe(n === i + 1));
  });

  it.each<[string, Partial<PruneOptions>, Runtime]>([
    ["as one graph", {}, directRuntime],
    ["in parts", { workers: 2 }, directRuntime],
    ["in threads", { workers: 2, optimiser: { kind: "adamw", weightDecay: 0.1 } }, nodeRuntime],
    ["by what groups lose by themselves", { normalise: "loss" }, directRuntime],
    ["from a teacher", { teacher: { graph, weight: 0.5, temperature: 2 } }, directRuntime],
  ])("goes on from any removal to the same bytes: %s", laws, async (_name, more, runtime) => {
    const most = await some(more, runtime);
    const whole = await prune(graph, most, more, runtime);
    expect(whole.points.some(({ written }, i) => written.removals <= i)).toBe(true);
    for (const point of whole.points.slice(0, -1)) {
      const again = await prune(graph, most, { ...more, from: stored(point) }, runtime);
      expect(again.points.at(-1)!.written).toEqual(whole.points.at(-1)!.written);
      expect(hashOf(again.graph)).toBe(hashOf(whole.graph));
    }
  });

  it("is taken for written with the last removal where a checkpoint does not tell", async () => {
    const { points } = await prune(graph, 100);
    const { written: _, ...old } = points[1]!;
    expect(stored(old as PrunePoint).written).toEqual({ removals: 2, idle: 0, lasts: true });
  });

  it("is written anew where a group goes as a whole", async () => {
    const { points } = await prune(graph, 100, { limits: { minUnits: 0 }, unitsPerStep: 40, enough: async () => true });
    expect(points[0]!.removals[0]!.size).toBeGreaterThan(0);
    expect(points[0]!.graph.nodes.length).toBeLessThan(graph.nodes.length);
    expect(points[0]!.written).toEqual({ removals: 1, idle: 0, lasts: true });
  });
});

describe("where what is gone would learn", () => {
  /** Units behind a sigmoid, which is not zero at zero. */
  const graph = (() => {
    const builder = newBuilder();
    const g = createEmitter(builder);
    const x = valueIn(builder, builder.input("x", { dtype: "float32", shape: [8, 6] }));
    const hidden = g.Sigmoid(g.Add(g.MatMul(x, g.constant(noise([6, 16], 1))), g.constant(noise([16], 2))));
    return builder.finish([g.MatMul(hidden, g.constant(noise([16, 2], 3))).name]);
  })();

  it("the round is taken again, without it, and no graph outlasts a removal any more", async () => {
    const losses: number[] = [];
    const [whole, masking] = [
      await prune(graph, 0),
      await prune(graph, 100, { onEvent: (event) => void (event.kind === "step" && losses.push(event.loss)) }),
    ];
    expect(hashOf(masking.graph)).toBe(hashOf(whole.graph));
    expect(masking.loads).toBe(removals);
    expect(losses.length).toBe(2 * removals + 2);
    expect(relativeError(losses.slice(2, 3), losses.slice(4, 5))).toBeLessThan(1e-5);
    expect(masking.points.map(({ written }) => written.removals)).toEqual([0, 2, 3, 4]);
    expect(masking.points.map(({ written }) => written.lasts)).toEqual([true, false, false, false]);
    for (const point of masking.points.slice(0, -1)) {
      const checkpoint = Buffer.concat(encodeCheckpoint({ point, note: {} }));
      const from = decodeCheckpoint(checkpoint, graph, "checkpoint").point as PrunePoint;
      const again = await prune(graph, 100, { from });
      expect(hashOf(again.graph)).toBe(hashOf(whole.graph));
      expect(again.points.at(-1)!.written).toEqual(masking.points.at(-1)!.written);
    }
  });
});

describe("zeros in all weights of a unit", () => {
  const learnedOf = (graph: Graph): Set<string> => new Set([...parameterNames(graph), ...statesOf(graph)]);
  /** Two units of every group that has more and that zeros can stand for. */
  const silent = (graph: Graph, groups: Groups): Removal =>
    new Map(
      groups.groups.flatMap(({ name, units }): [string, number[]][] => {
        const some = [name, [0, units.length - 1]] as [string, number[]];
        return units.length > 2 && canMaskByWeights(groups, new Map([some]), learnedOf(graph)) ? [some] : [];
      }),
    );

  it.each(listNets())("are as good as its removal: %s", async (name) => {
    const graph = prepared(name);
    const groups = analyse(graph, { batch: 3 });
    const removal = silent(graph, groups);
    const smaller = cut(graph, groups, removal);
    const axesOf = axesAfter(noAxes, smaller, graph.initializers.keys());
    const zeroed = [...graph.initializers].map(([key, old]): [string, Tensor] => {
      const left = smaller.graph.initializers.get(key);
      return [key, left && isFloat(left.dtype) ? grown(axesOf(key), left) : old];
    });
    const feeds = drawInputs(groups.coupling.traced, 7);
    const run = async (one: Graph) => {
      const session = await directRuntime.load(encodeModel(modelOf(one)), { threads: 1 });
      try {
        return await session.run(feeds);
      } finally {
        await session.dispose();
      }
    };
    const [left, all] = [await run(smaller.graph), await run({ ...graph, initializers: new Map(zeroed) })];
    for (const [key, value] of Object.entries(left))
      expect(differ(value, all[key]!).difference, key).toBeLessThan(1e-4);
    for (const [key, value] of zeroed)
      if (isFloat(value.dtype) && smaller.graph.initializers.has(key))
        expect(smaller.shrink(key, value), key).toEqual(smaller.graph.initializers.get(key));
  });

  it("are so for most groups of the nets, and not where a node counts them, a sum reads them or a constant carries them", () => {
    const found = listNets().map((name) => {
      const graph = prepared(name);
      const groups = analyse(graph, { batch: 3 });
      return groups.groups.map((group) => ({
        name,
        counting: group.counting.length > 0,
        silent: canMaskByWeights(groups, new Map([[group.name, [0]]]), learnedOf(graph)),
        frozen: canMaskByWeights(groups, new Map([[group.name, [0]]]), new Set()),
      }));
    });
    const all = found.flat();
    expect(all.filter(({ counting, silent: can }) => counting && can)).toEqual([]);
    expect(all.filter(({ frozen }) => frozen)).toEqual([]);
    const [can, cannot] = [all.filter((one) => one.silent), all.filter((one) => !one.silent && !one.counting)];
    expect(can.length).toBeGreaterThan(6 * cannot.length);
  });

  it.each(["Transpose", "Neg", "Exp"] as const)(
    "meet a unit through what is computed of them if it keeps zeros: %s",
    (op) => {
      const builder = newBuilder();
      const g = createEmitter(builder);
      const x = valueIn(builder, builder.input("x", { dtype: "float32", shape: [2, 3] }));
      const [first, second] = [g.constant(noise([3, 20], 1)), g.constant(noise([20, 20], 2))];
      const y = g.MatMul(g.Relu(g.MatMul(x, first)), g[op](second));
      const graph = builder.finish([y.name]);
      const groups = analyse(graph);
      const group = groups.groups.find(({ name }) => name === first.name)!;
      const can = canMaskByWeights(groups, new Map([[group.name, [0]]]), new Set([first.name, second.name]));
      expect(can).toBe(op !== "Exp");
    },
  );

  it("are not where a sum over units reads them", () => {
    const builder = newBuilder();
    const g = createEmitter(builder);
    const x = valueIn(builder, builder.input("x", { dtype: "float32", shape: [2, 3] }));
    const weight = g.constant(noise([3, 4], 1));
    const y = g.ReduceSum(g.Relu(g.MatMul(x, weight)), g.ints([1]), { keepdims: 0 });
    const graph = builder.finish([y.name]);
    const groups = analyse(graph);
    const [group] = groups.groups;
    expect(group!.units.length).toBe(4);
    expect(group!.counting).toEqual([]);
    expect(canMaskByWeights(groups, new Map([[group!.name, [0]]]), new Set([weight.name]))).toBe(false);
  });
});
