/** Learning that is spread over machines: what they average, what a lost one costs, and what follows from the seed alone. */

import { describe, expect, it } from "vitest";
import { findCriterion } from "../../src/criteria/table.ts";
import { imageDataset } from "../../src/data/images.ts";
import { prepare, withGraph } from "../../src/execute/prepare.ts";
import { fail } from "../../src/graph/error.ts";
import type { Graph } from "../../src/graph/graph.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../../src/loop/checkpoint.ts";
import type { PrunePoint } from "../../src/loop/options.ts";
import { absoluteBudget, pruneLoop } from "../../src/loop/prune.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { prove } from "../../src/prune/proof/prove.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { nodeRuntime } from "../../src/runtime/workers-node.ts";
import type { LearnEvent, LostEvent } from "../../src/train/events.ts";
import { finetune, type FinetuneOptions, type FinetunePoint } from "../../src/train/finetune.ts";
import { decodeAnswer, decodeTask, encodeAnswer, encodeTask } from "../../src/train/interval-bytes.ts";
import { runInterval } from "../../src/train/interval-task.ts";
import { openLocalSgd, slicesOf } from "../../src/train/local-sgd.ts";
import { machinesHere } from "../../src/train/machines.ts";
import type { IntervalAnswer, IntervalTask, Machines, Spread } from "../../src/train/spread.ts";
import { ownerOf } from "../../src/train/packed-parameters.ts";
import type { StepOptions } from "../../src/train/step.ts";
import { openStream } from "../../src/train/stream.ts";
import { openTrainer } from "../../src/train/trainer.ts";
import { random } from "../support/graphs.ts";
import { laws } from "../support/laws.ts";
import { readNetModel } from "../support/reference.ts";

const model = loadModel(readNetModel("residual-conv"));
const graph = prepare(model);
const noise = random(3);
const data = imageDataset({
  name: "noise",
  images: Uint8Array.from({ length: 66 * 243 }, () => noise() * 256),
  labels: Uint8Array.from({ length: 66 }, (_, i) => i % 2),
  shape: [3, 9, 9],
  classes: 2,
});
const learn = {
  loss: "cross-entropy",
  batchSize: 8,
  seed: 5,
  threads: 1,
  augment: { crop: 1, flip: true },
  optimiser: { kind: "sgd", momentum: 0.9, weightDecay: 1e-3 },
} as const;
/** What keeps the age of its averages, and draws. */
const drawing = { optimiser: { kind: "adamw" }, mixup: 0.4, labelSmoothing: 0.1 } as const;
const diloco = { outerRate: 0.7, outerMomentum: 0.9 };

const here = (count: number, more: Partial<Spread> = {}): Spread => ({
  machines: machinesHere(directRuntime, count, { threads: 1 }),
  averageEvery: 2,
  ...more,
});

const tune = (spread: Spread | undefined, more: Partial<FinetuneOptions> = {}, start: Graph = graph): Promise<Graph> =>
  finetune(directRuntime, start, data, { ...learn, epochs: 2, learningRate: 0.02, warmUp: 3, spread, ...more });

interface PruneMore {
  readonly from?: PrunePoint;
  readonly onPoint?: (point: PrunePoint) => Promise<void>;
  readonly onEvent?: (event: LearnEvent) => void;
}

const prune = (spread: Spread | undefined, more: PruneMore = {}) =>
  pruneLoop(directRuntime, graph, data, {
    ...learn,
    criterion: findCriterion("taylor-fo"),
    target: absoluteBudget(graph, { macs: 0.6 }),
    learningRate: 0.01,
    every: 4,
    unitsPerStep: 4,
    spread,
    ...more,
  });

const bytesOf = (result: Graph): string => Buffer.from(encodeModel(withGraph(model, result))).toString("base64");

/** Machines that note what they were asked for. */
function noted(machines: Machines, run: (task: IntervalTask, i: number) => Promise<void> = async () => undefined) {
  const tasks: IntervalTask[] = [];
  const all: Machines = {
    get count() {
      return machines.count;
    },
    async run(task) {
      tasks.push(task);
      await run(task, tasks.length - 1);
      return machines.run(task);
    },
  };
  return { machines: all, tasks };
}

describe("slices", () => {
  it("are next to each other, of about the same length, and none is empty", () => {
    expect(slicesOf(10, 4)).toEqual([
      { from: 0, to: 2 },
      { from: 2, to: 5 },
      { from: 5, to: 7 },
      { from: 7, to: 10 },
    ]);
    expect(slicesOf(2, 4)).toEqual([
      { from: 0, to: 1 },
      { from: 1, to: 2 },
    ]);
  });
});

describe("one machine", () => {
  const same = async (more: Partial<FinetuneOptions>): Promise<void> => {
    const whole = bytesOf(await tune(undefined, more));
    expect(bytesOf(await tune(here(1), more))).toBe(whole);
    expect(whole).not.toBe(bytesOf(graph));
  };
  it("learns the same bytes as without", () => same({}));

  it.each<[string, Partial<FinetuneOptions>]>([
    ["adamw, averages and mixtures", { ...drawing, ema: 0.9 }],
    ["a teacher", { teacher: { graph, weight: 0.5, temperature: 2 } }],
  ])("learns the same bytes as without: %s", laws, (_name, more) => same(more));

  it("prunes to the same bytes as without", laws, async () => {
    const [alone, spread] = [await prune(undefined), await prune(here(1))];
    expect(spread.removals).toEqual(alone.removals);
    expect(bytesOf(spread.graph)).toBe(bytesOf(alone.graph));
  });
});

describe("several machines", () => {
  it.each([2, 4])("%i of them come to the same bytes twice, and in threads of their own", laws, async (count) => {
    const spread = here(count, { ...diloco, averageEvery: 1 });
    const once = { epochs: 1 };
    const first = bytesOf(await tune(spread, once));
    expect(bytesOf(await tune(spread, once))).toBe(first);
    const threads = { ...spread, machines: machinesHere(nodeRuntime, count, { threads: 2 }) };
    expect(bytesOf(await tune(threads, once))).toBe(first);
    expect(bytesOf(await tune(undefined, once))).not.toBe(first);
  });

  it("are handed each minibatch once, in order, with rates and numbers of the whole run", async () => {
    const { machines, tasks } = noted(here(2).machines);
    const steps: [number, number][] = [];
    await tune(here(2, { machines }), {
      onEvent: ({ step, learningRate }) => steps.push([step, learningRate]),
    });
    // An epoch has 8 minibatches: no round goes past its end.
    expect(tasks.map(({ lessons }) => lessons.length)).toEqual(Array.from({ length: 8 }, () => 2));
    expect(tasks.flatMap(({ lessons }) => lessons.map(({ number }) => number))).toEqual(
      Array.from({ length: 16 }, (_, i) => i),
    );
    expect(tasks.map(({ updates }) => updates)).toEqual([0, 0, 2, 2, 4, 4, 6, 6]);
    const taken = tasks.flatMap(({ lessons }) => lessons.map(({ number, rate }) => [number + 1, rate]));
    expect(steps).toEqual(taken);
  });

  it("come to the same where tasks and answers travel as bytes", laws, async () => {
    const far: Machines = {
      count: 2,
      run: async (task) => {
        const own = { threads: 1 };
        return decodeAnswer(encodeAnswer(await runInterval(directRuntime, decodeTask(encodeTask(task)), own)));
      },
    };
    const more = { ...drawing, ema: 0.9, teacher: { graph, weight: 0.5, temperature: 2 } };
    expect(bytesOf(await tune(here(2, { machines: far }), more))).toBe(bytesOf(await tune(here(2), more)));
    const [near, away] = [await prune(here(2)), await prune(here(2, { machines: far }))];
    expect(away.removals).toEqual(near.removals);
    expect(bytesOf(away.graph)).toBe(bytesOf(near.graph));
  });

  it("tell all that criteria need of a minibatch, as bytes too", async () => {
    await using stream = openStream(data, learn, { epoch: 0, batch: 0 });
    const answers: IntervalAnswer[] = [];
    const machines: Machines = {
      count: 1,
      async run(task) {
        answers.push(await here(1).machines.run(task));
        return answers[0]!;
      },
    };
    const needs = ["gates", "scales", "activations"] as const;
    const spread = openLocalSgd(graph, { ...learn, batch: 8, needs }, here(1, { machines }), new Map());
    await spread.learn([{ batch: await stream.next(), rate: 0.05, number: 0 }]);
    const [answer] = answers as [IntervalAnswer];
    const evidence = [...answer.steps[0]!.findings.values()];
    expect(evidence.length).toBeGreaterThan(1);
    expect(evidence.map((one) => Object.keys(one))).toContainEqual([...needs]);
    expect(decodeAnswer(encodeAnswer(answer))).toEqual(answer);
  });

  it("are averaged by samples: weights, statistics and optimiser state", async () => {
    await using stream = openStream(data, learn, { epoch: 0, batch: 0 });
    const batches = [await stream.next(), await stream.next(), await stream.next()];
    const lessons = batches.map((batch, number) => ({ batch, rate: 0.05, number }));
    const options: StepOptions = { ...learn, batch: 8 };
    const alone = async (own: typeof lessons) => {
      await using trainer = await openTrainer(directRuntime, graph, options);
      for (const { batch, rate, number } of own) await trainer.step(batch, rate, number);
      return trainer.state();
    };
    const spread = openLocalSgd(graph, options, here(2), new Map());
    await spread.learn(lessons);
    const state = await spread.state();
    const [a, b] = [await alone(lessons.slice(0, 1)), await alone(lessons.slice(1))];
    const both = (first: Tensor, second: Tensor): Float32Array => {
      const y = second.data as Float32Array;
      return (first.data as Float32Array).map((x, i) => (8 * x + 16 * y[i]!) / 24);
    };
    expect([...state.optimiserState.keys()]).toEqual([...a.optimiserState.keys()]);
    expect(state.optimiserState.size).toBeGreaterThan(3);
    for (const [name, value] of state.optimiserState)
      expect(value.data, name).toEqual(both(a.optimiserState.get(name)!, b.optimiserState.get(name)!));
    const learned = [...state.graph.initializers].filter(([name, value]) => graph.initializers.get(name) !== value);
    expect(learned.map(([name]) => name)).toEqual(
      expect.arrayContaining([...state.optimiserState.keys()].map(ownerOf)),
    );
    expect(learned.length).toBeGreaterThan(state.optimiserState.size);
    for (const [name, value] of learned)
      expect(value.data, name).toEqual(both(a.graph.initializers.get(name)!, b.graph.initializers.get(name)!));
  });

  it("choose a removal once, and cut what outer steps keep with the weights", laws, async () => {
    const points: PrunePoint[] = [];
    const { machines, tasks } = noted(here(2).machines);
    const { removals } = await prune(here(2, { ...diloco, machines }), {
      onPoint: async (point) => void points.push(point),
    });
    expect(removals.length).toBeGreaterThan(2);
    for (const { optimiserState, graph: now } of points) {
      const velocities = [...optimiserState].filter(([name]) => name.startsWith("outer/"));
      expect(velocities.length).toBeGreaterThan(3);
      for (const [name, value] of optimiserState)
        expect(value.shape, name).toEqual(now.initializers.get(ownerOf(name))!.shape);
    }
    // Both of an interval go on from the same model.
    for (const [i, task] of tasks.entries()) if (i % 2 === 1) expect(task.graph).toBe(tasks[i - 1]!.graph);
    expect(new Set(tasks.map((task) => task.graph)).size).toBe(tasks.length / 2);
    // What was averaged and cut computes what it would masked.
    const [{ graph: averaged }] = points as [PrunePoint];
    const whole = { ...model, graph: averaged };
    const proof = await prove(directRuntime, whole, analyse(averaged), removals[1]!, { threads: 1 });
    expect(proof.elements).toBeGreaterThan(1000);
    expect(proof.mismatch).toBeUndefined();
  });
});

describe("a machine that is lost", () => {
  it("costs its share of an interval, and nothing else", async () => {
    const events: LostEvent[] = [];
    const failing = noted(here(2).machines, async (_task, i) => {
      if (i === 3) throw new Error("the cable was pulled");
    });
    const steps: number[] = [];
    await tune(here(2, { machines: failing.machines, onLost: (event) => events.push(event) }), {
      onEvent: ({ step }) => steps.push(step),
    });
    expect(events).toEqual([
      {
        kind: "lost",
        machine: 2,
        machines: 2,
        step: 7,
        minibatches: 2,
        samples: 16,
        reason: "the cable was pulled",
      },
    ]);
    expect(steps).toEqual(Array.from({ length: 16 }, (_, i) => i + 1).filter((step) => step !== 7 && step !== 8));
    // All go on from what the other one learned.
    const [before, after] = [failing.tasks[2]!, failing.tasks[4]!];
    const { weights } = await here(1).machines.run(before);
    for (const [name, value] of weights) expect(after.graph.initializers.get(name), name).toEqual(value);
    expect(after.updates).toBe(4);
  });

  it("is no reason to go on where the task is at fault, or where all are lost", async () => {
    const failing = (why: () => never) => noted(here(2).machines, async () => why()).machines;
    await expect(tune(here(2, { machines: failing(() => fail("bad-data", "a label is missing")) }))).rejects.toThrow(
      expect.objectContaining({ code: "bad-data", message: "a label is missing" }),
    );
    const pulled = failing(() => {
      throw new Error("the cable was pulled");
    });
    await expect(tune(here(2, { machines: pulled }))).rejects.toThrow(
      "all machines were lost in one interval, the last one by: the cable was pulled",
    );
  });

  it("is not one whose work was called off", async () => {
    const stop = new AbortController();
    const lost: LostEvent[] = [];
    const stopped = noted(here(2).machines, async (_task, i) => {
      if (i === 2) stop.abort(new Error("enough"));
      stop.signal.throwIfAborted();
    });
    const spread = here(2, { machines: stopped.machines, onLost: (event) => lost.push(event) });
    await expect(tune(spread, { signal: stop.signal })).rejects.toThrow("enough");
    expect(lost).toEqual([]);
  });

  it("does not end pruning", laws, async () => {
    const lost: LostEvent[] = [];
    const failing = noted(here(2).machines, async (_task, i) => {
      if (i === 2) throw new Error("gone");
    });
    const { end } = await prune(here(2, { machines: failing.machines, onLost: (event) => lost.push(event) }));
    expect(end).toBe("met");
    expect(lost.length).toBe(1);
  });
});

it("more machines than there are minibatches between two removals are refused", async () => {
  await expect(prune(here(5))).rejects.toThrow(
    "5 machines cannot share the 4 minibatches between two removals: raise `every`, or lower `machines`",
  );
});

it("a machine that joins takes part from the next interval", async () => {
  let count = 1;
  const { machines, tasks } = noted(
    {
      get count() {
        return count;
      },
      run: (task) => here(1).machines.run(task),
    },
    async (_task, i) => void (count = i < 2 ? 1 : 3),
  );
  await tune(here(1, { machines }));
  expect(tasks.map(({ lessons }) => lessons.map(({ number }) => number))).toEqual([
    [0, 1],
    [2, 3],
    [4, 5],
    // What is left of the epoch is dealt out to three.
    [6],
    [7],
    [8, 9],
    [10, 11],
    [12, 13],
    [14],
    [15],
  ]);
});

describe("a run that goes on", () => {
  it("from any point of fine-tuning ends in the same bytes", laws, async () => {
    const points: FinetunePoint[] = [];
    const more = { ...drawing, ema: 0.9 };
    const onPoint = async (take: () => Promise<FinetunePoint>) => void points.push(await take());
    const whole = bytesOf(await tune(here(2, diloco), { ...more, onPoint }));
    expect(points.map(({ step }) => step)).toEqual([4, 8, 12, 16]);
    for (const point of points.slice(0, -1)) {
      const bytes = Buffer.concat(encodeCheckpoint({ point, note: {} }));
      const from = decodeCheckpoint(bytes, graph, "checkpoint").point as FinetunePoint;
      expect(bytesOf(await tune(here(2, diloco), { ...more, from }))).toBe(whole);
    }
  });

  it("from any removal ends in the same bytes", laws, async () => {
    const points: PrunePoint[] = [];
    const whole = await prune(here(2, diloco), { onPoint: async (point) => void points.push(point) });
    for (const point of points.slice(0, 2)) {
      const bytes = Buffer.concat(encodeCheckpoint({ point, note: {} }));
      const from = decodeCheckpoint(bytes, graph, "checkpoint").point as PrunePoint;
      const again = await prune(here(2, diloco), { from });
      expect(bytesOf(again.graph)).toBe(bytesOf(whole.graph));
      expect(again.removals).toEqual(whole.removals);
    }
  });
});
