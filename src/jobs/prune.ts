/** The whole job: measure, prune while learning, fine-tune, and measure again. */

import { criterionOf } from "../criteria/table.ts";
import type { Dataset } from "../data/batches.ts";
import { split } from "../data/parts.ts";
import { fail } from "../graph/error.ts";
import type { Graph, Model } from "../graph/graph.ts";
import { trace } from "../passes/trace.ts";
import { widen } from "../passes/widen.ts";
import { costsOf } from "../prune/costs.ts";
import { findGroups, type Removal } from "../prune/groups.ts";
import { composed } from "../prune/plan.ts";
import { assertProved, prove } from "../prune/prove.ts";
import { defaultRuntime } from "../runtime/default.ts";
import type { Runtime } from "../runtime/port.ts";
import { decodeCheckpoint, encodeCheckpoint, type Checkpoint } from "../train/checkpoint.ts";
import type { Evaluation } from "../train/evaluate.ts";
import { feedsOf } from "../train/feeds.ts";
import { finetune, type FinetunePoint } from "../train/finetune.ts";
import { openLatency, type LatencyGoal } from "../train/latency.ts";
import { timeInTurns, timingOf } from "../train/timing.ts";
import { prepare, withGraph } from "../train/prepare.ts";
import { pruneLoop, targetOf } from "../train/prune.ts";
import { openStream, type StreamOptions } from "../train/stream.ts";
import { startJob, type Job } from "./job.ts";
import { keepBest, keepRemoval, memoryStore, mostThatFit, readKept, type Kept } from "./search.ts";
import { createDrop, createMeasure } from "./measure.ts";
import type { LatencyEvent, PhaseEvent, PruneJobEvent, PruneOutcome, State } from "./prune-events.ts";
import type { PruneJobOptions } from "./prune-options.ts";

/** Fine-tuning sees the data in other orders than pruning did. */
const finetuneEpoch = 1_000_000;

/**
 * Prunes a model to a budget and fine-tunes it.
 *
 * @example
 * import { load, openDataset, prune, save } from "secateur";
 *
 * const model = await load("model.onnx");
 * const data = await openDataset("mnist:data/mnist", { split: "train" });
 * const job = prune(model, { data, budget: { macs: 0.7 }, batchSize: 64, epochs: 2 });
 * for await (const event of job) if (event.kind === "removal") console.log(event.step, event.units);
 * const { model: small, before, after } = await job;
 * console.log(`${before.costs.macs} -> ${after.costs.macs} multiply-accumulates`);
 * await save("small.onnx", small);
 *
 * @throws SecateurError `bad-option` for options that do not go together, and what {@link pruneLoop}, {@link finetune} and {@link evaluate} throw
 */
export const prune = (model: Model, options: PruneJobOptions): Job<PruneJobEvent, PruneOutcome> =>
  startJob((tell) => run(model, options, tell), options.onEvent);

async function run(
  model: Model,
  options: PruneJobOptions,
  tell: (event: PruneJobEvent) => void,
): Promise<PruneOutcome> {
  const { runtime = defaultRuntime(), checkpoints, criterion = "taylor-fo", targets = "labels", maxDrop } = options;
  const { temperature = 4, distil = 0, budget = {}, seed = 0, loss = "cross-entropy", batchSize = 128 } = options;
  refuseContradictions(options);
  const graph = prepare(model, options);
  const parts = maxDrop === undefined ? undefined : split(options.data, heldOutShare, seed);
  const data = parts?.rest ?? options.data;
  const resumed = checkpoints?.from && decodeCheckpoint(checkpoints.from.bytes, graph, checkpoints.from.name);
  const target =
    Object.keys(budget).length > 0 ? targetOf(graph, budget) : options.latency === undefined ? { units: 0 } : {};
  const learn = { ...options, loss, batchSize, seed };
  // Without labels all that is learned comes from the original.
  const alone = targets === "labels" ? undefined : { graph, weight: 1, temperature };
  const tuning = distil > 0 ? { graph, weight: distil, temperature } : undefined;
  const measure = createMeasure(runtime, graph, options, tell);
  const store = checkpoints?.store ?? memoryStore();
  const save = async (checkpoint: Omit<Checkpoint, "note">, more: Readonly<Record<string, unknown>> = {}) =>
    checkpoints?.save(
      encodeCheckpoint({
        ...checkpoint,
        note: { ...checkpoints.note?.(), ...more, start: first, latency: latency && storedGoal(latency) },
      }),
    );

  if (resumed) checkpoints.resumed?.(resumed.note);
  const start = stateOf(graph);
  if (!resumed) {
    await tryBatch(data, graph, learn);
    tell({ kind: "start", ...start, target });
  }
  const first = resumed
    ? (resumed.note["start"] as Evaluation | undefined)
    : await measure("start", 0, start.units, graph);
  const dropOf = parts && (await createDrop(runtime, graph, parts.heldOut, options));
  const latency = await openGoal(runtime, graph, options, resumed?.note["latency"] as StoredGoal | undefined, tell);
  const from = resumed?.point;
  const goesOn = from?.phase === "finetune" ? from : undefined;
  const tune = (begin: Graph, going: FinetunePoint | undefined, onTune: (point: FinetunePoint) => Promise<unknown>) => {
    tell({ kind: "phase", phase: "fine-tuning" });
    const due = createTimer(checkpoints?.every ?? 30);
    return finetune(runtime, begin, data, {
      ...learn,
      epochs: options.epochs ?? 5,
      learningRate: options.learningRate ?? 0.02,
      warmUp: options.warmUp ?? 0,
      firstEpoch: finetuneEpoch,
      teacher: alone ?? tuning,
      onEvent: tell,
      from: going,
      async onPoint(take) {
        if (checkpoints && due()) await onTune(await take());
      },
    });
  };

  if (!goesOn) tell({ kind: "phase", phase: "pruning" });
  const pruned = goesOn
    ? { graph: goesOn.graph, ...resumed!.pruned! }
    : await pruneLoop(runtime, graph, data, {
        ...learn,
        criterion: criterionOf(criterion),
        target,
        latency,
        targets: targets === "teacher" ? undefined : targets,
        teacher: alone,
        momentum: options.scoreMomentum ?? 0.9,
        learningRate: options.pruneLearningRate ?? 0.01,
        onEvent: tell,
        from: from?.phase === "prune" ? from : undefined,
        enough: dropOf && (async (point) => (await dropOf(point.graph, true)) > hopeless(maxDrop!)),
        async onPoint(point) {
          const { length } = point.removals;
          if (length % (options.evaluateEvery ?? 5) === 0 && !point.met)
            await measure("removal", length, stateOf(point.graph).units, point.graph);
          if (dropOf) await keepRemoval(store, point);
          await save({ point });
        },
      });
  const pruneEnd = pruned.end;
  if (!goesOn) {
    const { costs, units } = stateOf(pruned.graph);
    tell({ kind: "pruned", end: pruneEnd, removals: pruned.removals.length, units, costs });
    await measure("pruned", pruned.removals.length, units, pruned.graph);
  }
  const search = async (): Promise<Kept> => {
    const known = resumed?.note["search"] as StoredSearch | undefined;
    const count = known?.count ?? pruned.removals.length;
    const tried = new Map(known?.tried);
    const most = await mostThatFit(count, tried, async (removals) => {
      const begin =
        (await readKept(store, removals, graph)) ?? fail("io", `the model after ${removals} removals is gone`);
      const going = known?.current === removals ? goesOn : undefined;
      const tuned = await tune(begin.graph, going, (point) =>
        save(
          { point, pruned: { removals: begin.removals, end: pruneEnd } },
          { search: { count, tried: [...tried], current: removals } satisfies StoredSearch },
        ),
      );
      const drop = await dropOf!(tuned, false);
      const fits = drop <= maxDrop!;
      const { costs, units } = stateOf(tuned);
      tell({ kind: "search", removals, units, costs, drop, fits });
      if (fits) await keepBest(store, { graph: tuned, removals: begin.removals });
      return fits;
    });
    return most === 0 ? { graph, removals: [] } : (await readKept(store, "best", graph))!;
  };
  const once = async (): Promise<Kept> => {
    const { removals } = pruned;
    const end = { removals, end: pruneEnd };
    return { removals, graph: await tune(pruned.graph, goesOn, (point) => save({ point, pruned: end })) };
  };
  tell({ kind: "phase", phase: "proving" });
  const proved = await proveAll(runtime, model, graph, pruned.removals, options);
  const { graph: tuned, removals } = await (dropOf ? search() : once());
  // A search goes back to fewer removals than were proved before it.
  const proof = dropOf ? await proveAll(runtime, model, graph, removals, options) : proved;
  options.signal?.throwIfAborted();
  const state = stateOf(tuned);
  const evaluation = await measure("end", removals.length, state.units, tuned);
  if (latency) tell({ kind: "phase", phase: "timing" });
  const times =
    latency && (await timeInTurns(runtime, [graph, tuned], { ...options, rounds: finalRounds })).map(timingOf);
  return {
    model: withGraph(model, tuned),
    end: dropOf ? (removals.length > 0 ? "met" : "exhausted") : pruneEnd,
    removals: removals.length,
    proof,
    before: { ...start, evaluation: first, latency: times?.[0] },
    after: { ...state, evaluation, latency: times?.[1] },
  };
}

/** Where a search stands. */
interface StoredSearch {
  /** Removals of the whole way. */
  readonly count: number;
  readonly tried: readonly (readonly [number, boolean])[];
  /** The removals that the model in hand has behind it. */
  readonly current: number;
}

/** The share of the data that a search chooses by. */
const heldOutShare = 0.1;
/** What fine-tuning is not hoped to win back, in percentage points: pruning goes no further. */
const hopeless = (maxDrop: number): number => Math.max(10, 5 * maxDrop);

/** What is told at the end is measured longer than what decides on the way. */
const finalRounds = 100;

/** What of a goal cannot be found again: times. */
type StoredGoal = Pick<LatencyGoal, "share" | "start" | "table">;
const storedGoal = ({ share, start, table }: LatencyGoal): StoredGoal => ({ share, start, table });

async function openGoal(
  runtime: Runtime,
  graph: Graph,
  options: PruneJobOptions,
  known: StoredGoal | undefined,
  tell: (event: LatencyEvent | PhaseEvent) => void,
): Promise<LatencyGoal | undefined> {
  const { latency, roundTo, limits, device, threads, signal } = options;
  if (latency === undefined) return undefined;
  if (!known) tell({ kind: "phase", phase: "timing" });
  const onProgress = (done: number, all: number): void => tell({ kind: "latency", done, all });
  const goal = await openLatency(runtime, graph, {
    latency,
    roundTo,
    limits,
    device,
    threads,
    signal,
    onProgress,
    known,
  });
  if (!known)
    tell({ kind: "latency", done: goal.table.length, all: goal.table.length, start: goal.start, table: goal.table });
  return goal;
}

function refuseContradictions({
  budget = {},
  maxLoss,
  latency,
  maxDrop,
  targets = "labels",
  loss,
  distil = 0,
}: PruneJobOptions): void {
  if (Object.keys(budget).length === 0 && maxLoss === undefined && latency === undefined && maxDrop === undefined)
    fail("bad-option", "say how far to prune: --macs, --params, --bytes, --units, --latency, --max-drop or --max-loss");
  if (loss !== undefined && loss !== "cross-entropy" && targets !== "labels")
    fail("bad-option", `--targets ${targets} goes with --loss cross-entropy only`);
  if (loss !== undefined && loss !== "cross-entropy" && distil > 0)
    fail("bad-option", "--distil goes with --loss cross-entropy only");
}

/** Runs the model at the start without all that was removed, cut and masked: before hours of fine-tuning, not after. */
async function proveAll(
  runtime: Runtime,
  model: Model,
  graph: Graph,
  removals: readonly Removal[],
  { device, threads, signal }: PruneJobOptions,
): Promise<PruneOutcome["proof"]> {
  const groups = findGroups(trace(graph));
  const removal = composed(groups, removals);
  const proof = await prove(runtime, { ...model, graph }, groups, removal, { device, threads, signal });
  assertProved(proof);
  const { difference, elements, between } = proof;
  return { difference, elements, between };
}

/** Fails where the training data does not fit, before anything long begins. */
async function tryBatch(data: Dataset, graph: Graph, learn: StreamOptions): Promise<void> {
  await using stream = openStream(data, learn, { epoch: 0, batch: 0 });
  feedsOf(widen(graph), await stream.next());
}

/** What a graph costs, and how many units each of its groups has. */
export function stateOf(graph: Graph): Omit<State, "evaluation"> {
  const traced = trace(widen(graph));
  const groups = findGroups(traced).groups.map(({ name, units }) => ({ name, units: units.length }));
  return { costs: costsOf(traced), units: groups.reduce((n, { units }) => n + units, 0), groups };
}

/** Tells whether so many seconds have passed since it last said so. */
function createTimer(seconds: number): () => boolean {
  let last = performance.now();
  return () => {
    const now = performance.now();
    if (now - last < seconds * 1000) return false;
    last = now;
    return true;
  };
}
