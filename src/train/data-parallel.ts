/**
 * A step whose minibatch is split over workers: each runs a part of it forward and backward, and what they found is put
 * together for one update. BatchNormalization takes the statistics of a part, as it does in PyTorch's DataParallel;
 * everything else is what it is for the whole.
 */

import { GraphBuilder } from "../graph/builder.ts";
import { fail, option } from "../graph/error.ts";
import type { Graph, Type } from "../graph/graph.ts";
import { byteLength, type Tensor } from "../graph/tensor.ts";
import type { Value } from "../ops/core/define.ts";
import { alias, createEmitter, valueIn } from "../ops/emitter.ts";
import { workerOf, type Runtime, type Session, type Tensors } from "../runtime/port.ts";
import type { Engine, Opened } from "./engine.ts";
import { fitStep } from "./activation-checkpointing.ts";
import { finishTyped } from "../objective/backward.ts";
import { wholeBatchLoss } from "../objective/loss-file.ts";
import { joinEvidence, meanOf, wholeBatchNeeds } from "../execute/batch-slices.ts";
import { allEnded, allOrNone } from "../execute/all-ended.ts";
import { loadable } from "../execute/executable.ts";
import {
  packed,
  packedStart,
  packParameters,
  unpacked,
  unpackedAll,
  type PackedParameters,
} from "./packed-parameters.ts";
import { appendUpdates, nextOf, openClock, openStep, type StepGraph, type StepOptions } from "./step.ts";

const gradientOf = (name: string): string => `gradient/${name}`;
const ofWorker = (name: string, worker: number): string => `${name}/part ${worker}`;

interface WorkerGraph extends StepGraph {
  /** Weights that gradients come out for, and statistics, by name. */
  readonly parameters: readonly string[];
  readonly states: readonly string[];
}

/** A worker's forward and backward pass: weights and statistics come in, gradients and the next statistics leave. */
function workerGraph(graph: Graph, options: StepOptions): WorkerGraph {
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
    ...finishTyped(builder, outputs, options.capabilities),
    carried,
    evidence,
    parameters: [...parameters.keys()],
    states: kept.map(([name]) => name),
  };
}

/** What an update is of. */
interface Share {
  readonly parameters: readonly PackedParameters[];
  readonly states: readonly PackedParameters[];
}

/**
 * An update: gradients and statistics of all workers come in, and weights, statistics and
 * optimiser state are carried on, in rows.
 */
interface UpdateGraph extends Pick<StepGraph, "graph" | "types" | "carried"> {
  readonly share: Share;
}

function updateGraph(worker: WorkerGraph, share: Share, workers: number, options: StepOptions): UpdateGraph {
  const builder = GraphBuilder.empty("update");
  const g = createEmitter(builder);
  const input = (name: string, type: Type): Value => valueIn(builder, builder.input(name, type, true));
  const mean = (name: string, type: Type): Value => {
    const all = Array.from({ length: workers }, (_, i) => input(ofWorker(name, i), type));
    return g.Mul(g.Sum(...all), g.scalar(1 / workers));
  };
  const starts = new Map(
    [...share.parameters, ...share.states].map((row) => [row.name, packed(row, (name) => worker.carried.get(name)!)]),
  );
  const typeOf = (name: string): Type => {
    const { dtype, shape } = starts.get(name)!;
    return { dtype, shape };
  };
  const gradients = new Map(share.parameters.map(({ name }) => [name, mean(gradientOf(name), typeOf(name))]));
  const states = share.states.map(({ name }) => [name, mean(nextOf(name), typeOf(name))] as const);
  const takeIn = (name: string): Tensor => {
    input(name, typeOf(name));
    return starts.get(name)!;
  };
  const { carried, outputs } = appendUpdates({ builder, g, gradients, states, takeIn }, options, openClock(builder));
  return { ...finishTyped(builder, outputs), carried, share };
}

/**
 * Weights in as many shares as there are workers, of about the same size; one share where
 * the norm of all gradients is asked for.
 */
function sharesOf({ parameters, states, carried }: WorkerGraph, workers: number, options: StepOptions): Share[] {
  const { clip, optimiser } = options;
  const isApart = optimiser?.kind === "adamw" && optimiser.relative === true;
  const inRows = (share: Pick<WorkerGraph, "parameters" | "states">): Share => ({
    parameters: packParameters(share.parameters, carried, { isApart }),
    states: packParameters(share.states, carried),
  });
  if (clip !== undefined) return [inRows({ parameters, states })];
  const shares = Array.from({ length: workers }, () => ({
    parameters: [] as string[],
    states: [] as string[],
    bytes: 0,
  }));
  for (const name of parameters) {
    const least = shares.reduce((a, b) => (b.bytes < a.bytes ? b : a));
    least.parameters.push(name);
    least.bytes += byteLength(carried.get(name)!);
  }
  shares[0]!.states.push(...states);
  return shares.filter((share) => share.parameters.length + share.states.length > 0).map(inRows);
}

/** The graphs of a step that is split: of each worker, and of the updates, which run side by side too. */
export function dataParallelGraphs(graph: Graph, options: StepOptions) {
  const { batch, workers = 1 } = options;
  const worker = workerGraph(graph, { ...options, batch: batch / workers });
  const updates = sharesOf(worker, workers, options).map((share) => updateGraph(worker, share, workers, options));
  const carried = new Map(updates.flatMap((update) => [...update.carried]));
  return { worker, updates, sharing: { workers, carried, elsewhere: new Set<string>() } };
}

/** Threads within an operator that are left for each of some workers, which run side by side. */
export const threadsPerWorker = (runtime: Runtime, threads = runtime.threads, workers = 1): number =>
  Math.max(1, Math.floor(threads / workers));

/** Opens a step that is split over workers. */
export async function openDataParallel(
  runtime: Runtime,
  graph: Graph,
  options: StepOptions,
  optimiserState: ReadonlyMap<string, Tensor>,
): Promise<Opened> {
  const { batch, workers = 1, needs = [], device, threads, signal } = options;
  if (batch % workers !== 0)
    fail(
      "bad-option",
      `a minibatch of ${batch} does not divide over ${workers} workers: change ${option("batchSize")} or ` +
        `${option("workers")}`,
    );
  if (needs.some((need) => wholeBatchNeeds.has(need)))
    fail(
      "unsupported",
      "a criterion that takes gradients of single weights needs the whole minibatch at once: leave out " +
        `${option("workers")}`,
    );
  const whole = wholeBatchLoss(options.loss);
  if (whole !== undefined) fail("unsupported", `${whole}: leave out ${option("workers")}`);
  const load = { device, signal, threads: threadsPerWorker(runtime, threads, workers) };
  const { worker: kept, updates, sharing } = dataParallelGraphs(graph, options);
  const { step, repeated } = fitStep(kept, sharing, options);
  const { model, optimise: gains } = loadable(step, device);
  // The optimiser would make one of what is computed twice.
  const optimise = gains && !repeated;
  // They load in their threads while the updates are made ready in this one.
  const opening = Array.from({ length: workers }, (_, i) => workerOf(runtime, i).load(model, { ...load, optimise }));
  const updating = updates.map((update, i) => {
    const rows = rowsOf(update.share);
    const own = new Set(rows.map(({ name }) => name));
    const carried = [...update.carried].map(([input, fresh]) => ({
      input,
      output: nextOf(input),
      start: packedStart(rows, input, fresh, optimiserState),
      told: own.has(input),
    }));
    const side = { ...load, threads: threadsPerWorker(runtime, threads, updates.length) };
    const { model, optimise } = loadable(update, device);
    return workerOf(runtime, i).load(model, { ...side, carried, optimise });
  });
  const sessions = await allOrNone([...opening, ...updating]);
  const updaters = updates.map(({ share }, i) => ({ share, session: sessions[workers + i]! }));
  return {
    step,
    engine: createEngine(step, sessions.slice(0, workers), updaters),
  };
}

/** What keeps a share of the weights. */
interface Updater {
  readonly share: Share;
  readonly session: Session;
}

/** Runs an update on what the workers found; gives the next weights and statistics by their names. */
async function runUpdate({ share, session }: Updater, found: readonly Tensors[], clock: Tensors): Promise<Tensors> {
  const { parameters, states } = share;
  const handed = found.flatMap((results, i) => {
    const inRows = (rows: readonly PackedParameters[], of: (name: string) => string) =>
      rows.map((row) => [ofWorker(of(row.name), i), packed(row, (name) => results[of(name)]!)] as const);
    return [...inRows(parameters, gradientOf), ...inRows(states, nextOf)];
  });
  const told = Object.entries(clock).filter(([name]) => session.inputs.includes(name));
  const next = await session.run(Object.fromEntries(told), Object.fromEntries(handed));
  return Object.fromEntries([...parameters, ...states].flatMap((row) => unpacked(row, next[nextOf(row.name)]!)));
}

/** What an update carries by the names of its members: weights, statistics and optimiser state. */
const carriedBy = async ({ share, session }: Updater, last: boolean | undefined): Promise<Tensors> =>
  unpackedAll(rowsOf(share), await session.carried(last));

const rowsOf = ({ parameters, states }: Share): readonly PackedParameters[] => [...parameters, ...states];

function createEngine(worker: WorkerGraph, sessions: readonly Session[], updaters: readonly Updater[]): Engine {
  const { evidence } = worker;
  const names = [...worker.carried.keys()];
  let weights: Tensors = copies(Object.fromEntries(worker.carried));
  return {
    workers: sessions.length,
    async run(feeds, clock) {
      const last = sessions.length - 1;
      const found = await allEnded(
        sessions.map((session, i) => session.run(feeds[i]!, i < last ? copies(weights) : weights)),
      );
      const next = merged(await allEnded(updaters.map((updater) => runUpdate(updater, found, clock))));
      weights = Object.fromEntries(names.map((name) => [name, next[name]!]));
      const told = evidence.map((one) => [one.output, joinEvidence(one, found)] as const);
      return { loss: meanOf(found.map((results) => results["loss"]!)), ...Object.fromEntries(told) };
    },
    carried: async (last) => merged(await allEnded(updaters.map((updater) => carriedBy(updater, last)))),
    async dispose() {
      await allEnded([...sessions, ...updaters.map(({ session }) => session)].map((session) => session.dispose()));
    },
  };
}

const merged = (all: readonly Tensors[]): Tensors =>
  Object.fromEntries(all.flatMap((tensors) => Object.entries(tensors)));

const copies = (tensors: Tensors): Tensors =>
  Object.fromEntries(Object.entries(tensors).map(([name, value]) => [name, { ...value, data: value.data.slice() }]));
