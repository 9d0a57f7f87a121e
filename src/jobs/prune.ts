/** The whole job: measure, prune while learning, fine-tune, and measure again. */

import { criterionOf } from "../criteria/table.ts";
import type { Dataset } from "../data/batches.ts";
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
import { evaluate, type Evaluation } from "../train/evaluate.ts";
import { feedsOf } from "../train/feeds.ts";
import { finetune } from "../train/finetune.ts";
import { openLatency, type LatencyGoal } from "../train/latency.ts";
import { timeInTurns, timingOf } from "../train/timing.ts";
import { prepare, withGraph } from "../train/prepare.ts";
import { pruneLoop, targetOf } from "../train/prune.ts";
import { openStream, type StreamOptions } from "../train/stream.ts";
import { startJob, type Job } from "./job.ts";
import type { EvaluationEvent, LatencyEvent, PhaseEvent, PruneJobEvent, PruneOutcome, State } from "./prune-events.ts";
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
  const { runtime = defaultRuntime(), data, checkpoints, criterion = "taylor-fo", targets = "labels" } = options;
  const { temperature = 4, distil = 0, budget = {}, seed = 0, loss = "cross-entropy", batchSize = 128 } = options;
  refuseContradictions(options);
  const graph = prepare(model, options);
  const resumed = checkpoints?.from && decodeCheckpoint(checkpoints.from.bytes, graph, checkpoints.from.name);
  const target =
    Object.keys(budget).length > 0 ? targetOf(graph, budget) : options.latency === undefined ? { units: 0 } : {};
  const learn = { ...options, loss, batchSize, seed };
  // Without labels all that is learned comes from the original.
  const alone = targets === "labels" ? undefined : { graph, weight: 1, temperature };
  const tuning = distil > 0 ? { graph, weight: distil, temperature } : undefined;
  const measure = createMeasure(runtime, options, tell);
  const save = async (checkpoint: Omit<Checkpoint, "note">): Promise<void> =>
    checkpoints?.save(
      encodeCheckpoint({
        ...checkpoint,
        note: { ...checkpoints.note?.(), start: first, latency: latency && storedGoal(latency) },
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
  const latency = await openGoal(runtime, graph, options, resumed?.note["latency"] as StoredGoal | undefined, tell);
  const from = resumed?.point;
  if (from?.phase !== "finetune") tell({ kind: "phase", phase: "pruning" });
  const pruned =
    from?.phase === "finetune"
      ? { graph: from.graph, ...resumed!.pruned! }
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
          from,
          async onPoint(point) {
            const { length } = point.removals;
            if (length % (options.evaluateEvery ?? 5) === 0 && !point.met)
              await measure("removal", length, stateOf(point.graph).units, point.graph);
            await save({ point });
          },
        });
  const { end, removals } = pruned;
  const state = stateOf(pruned.graph);
  tell({ kind: "phase", phase: "proving" });
  const proof = await proveAll(runtime, model, graph, removals, options);
  if (from?.phase !== "finetune") {
    tell({ kind: "pruned", end, removals: removals.length, units: state.units, costs: state.costs });
    await measure("pruned", removals.length, state.units, pruned.graph);
  }
  tell({ kind: "phase", phase: "fine-tuning" });
  const due = createTimer(checkpoints?.every ?? 30);
  const tuned = await finetune(runtime, pruned.graph, data, {
    ...learn,
    epochs: options.epochs ?? 5,
    learningRate: options.learningRate ?? 0.02,
    warmUp: options.warmUp ?? 0,
    firstEpoch: finetuneEpoch,
    teacher: alone ?? tuning,
    onEvent: tell,
    from: from?.phase === "finetune" ? from : undefined,
    async onPoint(take) {
      if (checkpoints && due()) await save({ point: await take(), pruned: { end, removals } });
    },
  });
  options.signal?.throwIfAborted();
  const evaluation = await measure("end", removals.length, state.units, tuned);
  const times =
    latency && (await timeInTurns(runtime, [graph, tuned], { ...options, rounds: finalRounds })).map(timingOf);
  return {
    model: withGraph(model, tuned),
    end,
    removals: removals.length,
    proof,
    before: { ...start, evaluation: first, latency: times?.[0] },
    after: { ...state, evaluation, latency: times?.[1] },
  };
}

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
  const { latency, roundTo, device, threads, signal } = options;
  if (latency === undefined) return undefined;
  if (!known) tell({ kind: "phase", phase: "timing" });
  const onProgress = (done: number, all: number): void => tell({ kind: "latency", done, all });
  const goal = await openLatency(runtime, graph, { latency, roundTo, device, threads, signal, onProgress, known });
  if (!known)
    tell({ kind: "latency", done: goal.table.length, all: goal.table.length, start: goal.start, table: goal.table });
  return goal;
}

function refuseContradictions({
  budget = {},
  maxLoss,
  latency,
  targets = "labels",
  loss,
  distil = 0,
}: PruneJobOptions): void {
  if (Object.keys(budget).length === 0 && maxLoss === undefined && latency === undefined)
    fail("bad-option", "say how far to prune: --macs, --params, --bytes, --units, --latency or --max-loss");
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

function createMeasure(
  runtime: Runtime,
  options: PruneJobOptions,
  tell: (event: EvaluationEvent | PhaseEvent) => void,
) {
  const { validation, loss = "cross-entropy", batchSize = 128, evaluateBatches = 16 } = options;
  const { device, threads, signal } = options;
  return async (
    at: EvaluationEvent["at"],
    step: number,
    units: number,
    graph: Graph,
  ): Promise<Evaluation | undefined> => {
    if (!validation) return undefined;
    tell({ kind: "phase", phase: "measuring" });
    const evaluation = await evaluate(runtime, graph, validation, {
      loss,
      batchSize,
      device,
      threads,
      signal,
      ...(at === "start" || at === "end" ? {} : { limit: evaluateBatches }),
    });
    tell({ kind: "evaluation", at, step, units, evaluation });
    return evaluation;
  };
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
