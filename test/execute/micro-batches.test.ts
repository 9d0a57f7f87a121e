/** Minibatches that are run in pieces: what is alive at once is counted, and importances are what they are of the whole. */

import { describe, expect, it } from "vitest";
import { criteria, findCriterion } from "../../src/criteria/table.ts";
import type { DataCriterion, Scores } from "../../src/criteria/criterion.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { createEmitter, valueIn } from "../../src/ops/emitter.ts";
import { footprintOf } from "../../src/passes/footprint.ts";
import { widen } from "../../src/passes/widen.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { held, type Runtime } from "../../src/runtime/port.ts";
import { curvatureGraph } from "../../src/score/curvature.ts";
import { piecesOf } from "../../src/score/oracle-memory.ts";
import { nameEvidence } from "../../src/objective/evidence.ts";
import { appendBackward, finishGraph } from "../../src/objective/backward.ts";
import { expectedMemory, memoryBeside } from "../../src/execute/memory.ts";
import { prepare } from "../../src/execute/prepare.ts";
import { score, type ScoreOptions } from "../../src/score/score.ts";
import { newModel } from "../../src/zoo/zoo.ts";
import { randomDataset } from "../support/datasets.ts";
import { emptyGraph as nothing, newBuilder } from "../support/graphs.ts";
import { readNetModel } from "../support/reference.ts";
import { laws } from "../support/laws.ts";

const floats = (...shape: number[]) => ({ dtype: "float32", shape }) as const;

describe("the footprint of a graph", () => {
  it("is what is there from the node that computes it to the last that reads it", () => {
    const builder = newBuilder();
    const g = createEmitter(builder);
    const x = valueIn(builder, builder.input("x", floats(100)));
    const [a, b] = [g.Exp(x), g.Neg(x)];
    const large = g.Concat(a, b, a, b, { axis: 0 });
    const small = g.ReduceSum(large, g.ints([0]));
    const y = g.Add(small, g.ReduceSum(g.Exp(a), g.ints([0])));
    // a and b, and four of them put together; the sum that y reads last is there already.
    const { activations, constants } = footprintOf(builder.finish([y.name]));
    expect(constants).toBe(8);
    expect(activations).toBe(4 * (2 * 100 + 400 + 1));
  });

  it("is larger where something waits for what comes late", () => {
    const of = (waits: boolean): number => {
      const builder = newBuilder();
      const g = createEmitter(builder);
      const x = valueIn(builder, builder.input("x", floats(1000)));
      const first = g.Exp(x);
      let last = first;
      for (let i = 0; i < 5; i++) last = g.Neg(last);
      return footprintOf(builder.finish([(waits ? g.Mul(last, first) : g.Neg(last)).name])).activations;
    };
    expect(of(false)).toBe(2 * 4000);
    expect(of(true)).toBe(3 * 4000);
  });
});

const nets: readonly (readonly [string, Graph])[] = [
  ["lenet5", prepare(newModel("lenet5", { classes: 10, seed: 1 }))],
  ["residual-conv", widen(prepare(loadModel(readNetModel("residual-conv"))))],
];
const options = { loss: "cross-entropy", batchSize: 8, batches: 2, seed: 3, threads: 1 } as const;
const measured = [...criteria.values()].filter((criterion): criterion is DataCriterion => criterion.kind === "data");
const needing = (...needs: readonly string[]) =>
  measured.filter((one) => one.needs.some((need) => needs.includes(need)));

/** A limit that a minibatch has to be taken to so many pieces for. */
function limitFor(graph: Graph, { needs }: DataCriterion, pieces: number): number {
  const build = (): Graph => {
    if (needs.some((need) => need === "row" || need === "diagonal")) return curvatureGraph(graph, options).graph;
    const asked = { ...options, batch: options.batchSize, parameters: false, train: false };
    const { builder, evidence } = appendBackward(graph, { ...asked, needs: needs as readonly "gates"[] });
    return finishGraph(builder, ["loss", ...nameEvidence(builder, evidence).map(({ output }) => output)]);
  };
  const { fixed, moving } = expectedMemory(build());
  return sourcesOf(needs) * Math.ceil(fixed + moving / pieces);
}

/** The gradients of gates are measured beside the curvature, and share the limit with it. */
const sourcesOf = (needs: readonly string[]): number =>
  needs.includes("gates") && (needs.includes("row") || needs.includes("diagonal")) ? 2 : 1;

const run = (
  graph: Graph,
  criterion: DataCriterion,
  more: Partial<ScoreOptions> = {},
  runtime: Runtime = directRuntime,
) => score(runtime, graph, randomDataset(graph, { samples: 16, labels: 2 }), criterion, { ...options, ...more });

/** Sums over samples are taken in another order. */
const rounding = 1e-5;
/** Bytes of what has the same size in every piece. */
const scalars = 1024;
/** Small differences of losses have fewer digits. */
const roundingOfLosses = 1e-4;

function expectSame(a: Scores, b: Scores, within = rounding): void {
  expect([...a.keys()]).toEqual([...b.keys()]);
  for (const [name, values] of a) {
    const scale = Math.max(...b.get(name)!.map(Math.abs));
    expect(scale).toBeGreaterThan(0);
    values.forEach((value, i) => expect(Math.abs(value - b.get(name)![i]!)).toBeLessThanOrEqual(within * scale));
  }
}

describe.each(nets)("pieces of a minibatch: %s", (net, graph) => {
  const bound = new Set(needing("weights", "losses", "subsets", "scales"));
  const second = new Set(needing("row", "diagonal"));
  for (const criterion of measured.filter((one) => !bound.has(one)))
    it(
      `${criterion.name} is what it is of the whole`,
      second.has(criterion) && (net === "lenet5" || criterion.name !== "obd") ? laws : {},
      async () => {
        const whole = await run(graph, criterion);
        for (const pieces of [2, 8]) {
          const told: number[][] = [];
          const memory = limitFor(graph, criterion, pieces);
          const split = await run(graph, criterion, { memory, onSplit: (...found) => told.push(found) });
          expect(told.at(-1)).toEqual([pieces, 8 / pieces]);
          expectSame(split, whole);
        }
      },
    );

  it("stays whole below the limit", async () => {
    const criterion = findCriterion("taylor-fo") as DataCriterion;
    const memory = limitFor(graph, criterion, 1);
    const told: number[] = [];
    const scores = await run(graph, criterion, { memory, onSplit: (pieces) => told.push(pieces) });
    expect(told).toEqual([]);
    expect(scores).toEqual(await run(graph, criterion));
  });
});

describe("what cannot be taken to pieces", () => {
  const [[, lenet]] = nets as [(typeof nets)[number]];
  const gates = findCriterion("taylor-fo") as DataCriterion;

  it("is a sample", async () => {
    await expect(run(lenet, gates, { memory: 1000 })).rejects.toThrow(
      /^one sample at a time takes about 0\.\d\d GB, more than `memory` allows: raise it$/,
    );
  });

  it("is the square of a gradient of all samples", async () => {
    const [criterion] = needing("weights");
    const memory = limitFor(lenet, criterion!, 2);
    await expect(run(lenet, criterion!, { memory })).rejects.toThrow(
      /takes the gradients of single weights over all of it: raise `memory`/,
    );
    expect((await run(lenet, criterion!, { memory: memory * 2 })).size).toBeGreaterThan(0);
  });
});

/** Tells the bytes that all graphs which were loaded at the same time are expected to take, at most. */
function weighing(runtime: Runtime): { readonly runtime: Runtime; readonly most: () => number; loads: () => number } {
  let [now, most, loads] = [0, 0, 0];
  return {
    most: () => most,
    loads: () => loads,
    runtime: {
      ...runtime,
      async load(model, options) {
        const session = await runtime.load(model, options);
        const { fixed, moving } = memoryBeside(loadModel(model instanceof Uint8Array ? model : model.bytes).graph);
        const bytes = fixed + moving;
        loads++;
        now += bytes;
        most = Math.max(most, now);
        const dispose = async (): Promise<void> => {
          now -= bytes;
          await session.dispose();
        };
        return { ...session, ...held(dispose) };
      },
    },
  };
}

/** The least limit that a minibatch has to be taken to so many pieces for, and no more. */
function leastFor(graph: Graph, pieces: number): number {
  const names = analyse(graph, { batch: options.batchSize }).groups.map(({ name }) => name);
  const fits = (memory: number): boolean => {
    try {
      return piecesOf(graph, { ...options, memory }, names) <= pieces;
    } catch {
      return false;
    }
  };
  let [low, high] = [0, 2 ** 40];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (fits(middle)) high = middle;
    else low = middle;
  }
  return high;
}

describe.each(nets)("the oracle in little memory: %s", (_, graph) => {
  const oracle = findCriterion("oracle") as DataCriterion;

  it("has the same figures, and stays below the limit", async () => {
    const free = weighing(directRuntime);
    const whole = await run(graph, oracle, {}, free.runtime);
    for (const pieces of [1, 2, 8]) {
      const told: number[][] = [];
      const { runtime, most, loads } = weighing(directRuntime);
      const memory = leastFor(graph, pieces);
      const onSplit = (...found: number[]): void => void told.push(found);
      const found = await run(graph, oracle, { memory, onSplit }, runtime);
      expect(told).toEqual(pieces === 1 ? [] : [[pieces, 8 / pieces]]);
      expectSame(found, whole, roundingOfLosses);
      expect(most()).toBeLessThanOrEqual(memory - expectedMemory(nothing).fixed + scalars);
      expect(most()).toBeLessThan(free.most());
      // What does not fit beside the rest is loaded again.
      expect(loads()).toBeGreaterThan(free.loads());
    }
  });

  it("keeps all that fits, and many masks at once", async () => {
    const [free, ample] = [weighing(directRuntime), weighing(directRuntime)];
    const whole = await run(graph, oracle, {}, free.runtime);
    expect(await run(graph, oracle, { memory: 2 ** 40 }, ample.runtime)).toEqual(whole);
    expect([ample.loads(), ample.most()]).toEqual([free.loads(), free.most()]);
  });
});

it("one sample is too much for the oracle", async () => {
  const [[, lenet]] = nets as [(typeof nets)[number]];
  await expect(run(lenet, findCriterion("oracle") as DataCriterion, { memory: 1000 })).rejects.toThrow(
    /^one sample at a time takes about 0\.\d\d GB, more than `memory` allows: raise it$/,
  );
});
