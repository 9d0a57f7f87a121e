/**
 * A step whose minibatch is split over workers: each runs a part of it forward and backward, and what they found is put together for one update.
 * BatchNormalization takes the statistics of a part, as it does in PyTorch's DataParallel; everything else is what it is for the whole.
 */

import { GraphBuilder } from "../graph/builder.ts";
import { fail } from "../graph/error.ts";
import type { Graph, Type } from "../graph/graph.ts";
import { zeros, type NumericDType, type Tensor, type TypedArray } from "../graph/tensor.ts";
import type { Value } from "../ops/define.ts";
import { alias, createEmitter, valueIn } from "../ops/emitter.ts";
import { laneOf, type Runtime, type Session, type Tensors } from "../runtime/port.ts";
import type { Engine, Opened } from "./engine.ts";
import type { EvidenceOutput, PassNeed } from "./evidence.ts";
import { fitStep } from "./fit-step.ts";
import { finishTyped } from "./gradients.ts";
import { gainsByOptimiser, runnable } from "./runnable.ts";
import {
  appendUpdates,
  nextOf,
  openClock,
  openStep,
  rateName,
  stepName,
  type StepGraph,
  type StepOptions,
} from "./step.ts";

const gradientOf = (name: string): string => `gradient/${name}`;
const ofPart = (name: string, part: number): string => `${name}/part ${part}`;

/** What a part cannot tell: the square of a sum over all samples is no sum over parts. */
export const whole = new Set<PassNeed>(["weights"]);

interface PartGraph extends StepGraph {
  /** Weights that gradients come out for, and statistics, by name. */
  readonly parameters: readonly string[];
  readonly states: readonly string[];
}

/** The forward and backward pass of a part: weights and statistics come in, gradients and the next statistics leave. */
function partGraph(graph: Graph, options: StepOptions): PartGraph {
  const { backward, takeIn, evidence } = openStep(graph, options);
  const { builder, parameters, states } = backward;
  const outputs = ["loss"];
  const put = (value: string, name: string): void => {
    alias(builder, value, builder.claim(name));
    outputs.push(name);
  };
  const carried = new Map<string, Tensor>();
  for (const [name, gradient] of parameters) {
    carried.set(name, takeIn(name));
    put(gradient.name, gradientOf(name));
  }
  const kept = [...states].filter(([name]) => builder.initializers.has(name));
  for (const [name, next] of kept) {
    carried.set(name, takeIn(name));
    put(next, nextOf(name));
  }
  outputs.push(...evidence.map(({ output }) => output));
  return {
    ...backward,
    ...finishTyped(builder, outputs, options.block),
    carried,
    evidence,
    parameters: [...parameters.keys()],
    states: kept.map(([name]) => name),
  };
}

/** The update: gradients and statistics of all parts come in, and weights, statistics and slots are carried on. */
function updateGraph(
  part: PartGraph,
  parts: number,
  options: StepOptions,
): Pick<StepGraph, "graph" | "types" | "carried"> {
  const empty: Graph = {
    name: "update",
    nodes: [],
    inputs: [],
    outputs: [],
    initializers: new Map(),
    info: new Map(),
  };
  const builder = new GraphBuilder(empty, new Map());
  const g = createEmitter(builder);
  const input = (name: string, type: Type): Value => valueIn(builder, builder.input(name, type, true));
  const mean = (name: string, type: Type): Value => {
    const all = Array.from({ length: parts }, (_, i) => input(ofPart(name, i), type));
    return g.Mul(g.Sum(...all), g.scalar(1 / parts));
  };
  const typeOf = (name: string): Type => {
    const { dtype, shape } = part.carried.get(name)!;
    return { dtype, shape };
  };
  const gradients = new Map(part.parameters.map((name) => [name, mean(gradientOf(name), typeOf(name))]));
  const states = part.states.map((name) => [name, mean(nextOf(name), typeOf(name))] as const);
  const takeIn = (name: string): Tensor => {
    input(name, typeOf(name));
    return part.carried.get(name)!;
  };
  const { carried, outputs } = appendUpdates({ builder, g, gradients, states, takeIn }, options, openClock(builder));
  return { ...finishTyped(builder, outputs), carried };
}

/** The graphs of a step that is split: of each part, and of the update. */
export function partGraphs(graph: Graph, options: StepOptions) {
  const { batch, workers: parts = 1 } = options;
  const part = partGraph(graph, { ...options, batch: batch / parts });
  const update = updateGraph(part, parts, options);
  return { part, update, sharing: { parts, carried: update.carried, elsewhere: new Set<string>() } };
}

/** Threads within an operator that are left for each of some parts, which run side by side. */
export const threadsOfPart = (runtime: Runtime, threads = runtime.threads, parts = 1): number =>
  Math.max(1, Math.floor(threads / parts));

/** Opens a step that is split over workers. */
export async function openParts(
  runtime: Runtime,
  graph: Graph,
  options: StepOptions,
  slots: ReadonlyMap<string, Tensor>,
): Promise<Opened> {
  const { batch, workers: parts = 1, needs = [], device, threads, signal } = options;
  if (batch % parts !== 0)
    fail("bad-option", `a minibatch of ${batch} does not divide into ${parts} parts: change --batch-size or --workers`);
  if (needs.some((need) => whole.has(need)))
    fail(
      "unsupported",
      "a criterion that takes gradients of single weights needs the whole minibatch at once: leave out --workers",
    );
  const load = { device, signal, threads: threadsOfPart(runtime, threads, parts) };
  const { part: kept, update, sharing } = partGraphs(graph, options);
  const { step: part, repeated } = fitStep(kept, sharing, options);
  const optimise = !repeated && gainsByOptimiser(part.graph, device);
  const model = runnable(part.graph, device);
  // They load in their threads while the update is made ready in this one.
  const opening = Array.from({ length: parts }, (_, i) => laneOf(runtime, i).load(model, { ...load, optimise }));
  const carried = [...update.carried].map(([name, start]) => ({
    input: name,
    output: nextOf(name),
    start: slots.get(name) ?? start,
    told: part.carried.has(name),
  }));
  const ofUpdate = { ...load, threads, carried, optimise: gainsByOptimiser(update.graph, device) };
  const updating = laneOf(runtime, 0).load(runnable(update.graph, device), ofUpdate);
  const [updater, ...lanes] = await allOrNone([updating, ...opening]);
  return { step: { ...part, carried: update.carried }, engine: createEngine(part, lanes, updater) };
}

/** Sessions that are being opened, once all are; where one cannot be, the others are let go. */
async function allOrNone(
  opening: readonly [Promise<Session>, ...Promise<Session>[]],
): Promise<[Session, ...Session[]]> {
  const opened = await Promise.allSettled(opening);
  const failed = opened.find((one) => one.status === "rejected");
  const sessions = opened.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  if (failed === undefined) return sessions as [Session, ...Session[]];
  for (const session of sessions) await session.dispose();
  throw failed.reason as Error;
}

function createEngine(part: PartGraph, lanes: readonly Session[], updater: Session): Engine {
  let weights: Tensors = copies(Object.fromEntries(part.carried));
  const counted = updater.inputs.includes(stepName);
  return {
    parts: lanes.length,
    async run(feeds, { [stepName]: step, [rateName]: rate }) {
      const last = lanes.length - 1;
      const found = await Promise.all(
        lanes.map((lane, i) => lane.run(feeds[i]!, i < last ? copies(weights) : weights)),
      );
      const clock: Tensors = { [rateName]: rate!, ...(counted && { [stepName]: step! }) };
      const handed: Record<string, Tensor> = {};
      for (const [i, results] of found.entries()) {
        for (const name of part.parameters) handed[ofPart(gradientOf(name), i)] = results[gradientOf(name)]!;
        for (const name of part.states) handed[ofPart(nextOf(name), i)] = results[nextOf(name)]!;
      }
      const next = await updater.run(clock, handed);
      weights = Object.fromEntries([...part.carried.keys()].map((name) => [name, next[nextOf(name)]!]));
      const told = part.evidence.map((one) => [one.output, join(one, found)] as const);
      return { loss: meanOf(found.map((results) => results["loss"]!)), ...Object.fromEntries(told) };
    },
    carried: () => updater.carried(),
    async dispose() {
      for (const session of [...lanes, updater]) await session.dispose();
    },
  };
}

const copies = (tensors: Tensors): Tensors =>
  Object.fromEntries(Object.entries(tensors).map(([name, value]) => [name, { ...value, data: value.data.slice() }]));

/** Rows of samples stand one after the other; all else is a mean over samples, or linear in gradients that are. */
export function join({ need, output }: EvidenceOutput, found: readonly Tensors[]): Tensor {
  const values = found.map((results) => results[output]!);
  if (need !== "gates") return meanOf(values);
  const { dtype, shape } = values[0]!;
  const data = new Float32Array(values.reduce((n, value) => n + value.data.length, 0));
  let at = 0;
  for (const value of values) {
    data.set(value.data as Float32Array, at);
    at += value.data.length;
  }
  return { dtype, shape: [shape[0]! * values.length, ...shape.slice(1)], data };
}

export function meanOf(values: readonly Tensor[]): Tensor {
  const { dtype, shape } = values[0]!;
  const mean = zeros(dtype as NumericDType, shape);
  const data = mean.data as Float32Array;
  for (const value of values) (value.data as Float32Array).forEach((x, i) => (data[i]! += x / values.length));
  return mean;
}

/** The samples of one part of a batch. */
export function partOf(value: Tensor, part: number, parts: number): Tensor {
  if (parts === 1) return value;
  const rows = value.shape[0]! / parts;
  const each = value.data.length / parts;
  const data = (value.data as TypedArray).subarray(part * each, (part + 1) * each);
  return { dtype: value.dtype, shape: [rows, ...value.shape.slice(1)], data };
}
