/** The whole job: measure, prune while learning, fine-tune, and measure again. */

import { criterionOf } from "../criteria/table.ts";
import type { Criterion } from "../criteria/criterion.ts";
import type { Dataset } from "../data/batches.ts";
import { fail } from "../graph/error.ts";
import type { Graph, Model } from "../graph/graph.ts";
import type { NormaliseOptions } from "../passes/normalise.ts";
import { trace } from "../passes/trace.ts";
import { widen } from "../passes/widen.ts";
import { costsOf, type Costs } from "../prune/costs.ts";
import { findGroups } from "../prune/groups.ts";
import type { Target } from "../prune/select.ts";
import { defaultRuntime } from "../runtime/default.ts";
import type { Runtime } from "../runtime/port.ts";
import { decodeCheckpoint, encodeCheckpoint, type Checkpoint } from "../train/checkpoint.ts";
import { evaluate, type Evaluation } from "../train/evaluate.ts";
import type { LearnEvent } from "../train/events.ts";
import { feedsOf } from "../train/feeds.ts";
import { finetune, type LearnOptions } from "../train/finetune.ts";
import type { Targets } from "../train/losses.ts";
import { openLatency, type LatencyGoal, type LatencyRow } from "../train/latency.ts";
import { timeInTurns, timingOf, type Timing } from "../train/timing.ts";
import { prepare, withGraph } from "../train/prepare.ts";
import { pruneLoop, targetOf, type PruneOptions, type PruneResult } from "../train/prune.ts";
import { openStream, type StreamOptions } from "../train/stream.ts";
import { startJob, type Job } from "./job.ts";

export interface PruneJobOptions
  extends
    NormaliseOptions,
    Partial<LearnOptions>,
    Partial<
      Pick<
        PruneOptions,
        "gates" | "probes" | "maxLoss" | "per" | "scope" | "roundTo" | "limits" | "schedule" | "every" | "unitsPerStep"
      >
    > {
  /** What to learn from. */
  readonly data: Dataset;
  /** What to measure by at the start, now and then, and at the end; nothing is chosen by it. */
  readonly validation?: Dataset | undefined;
  /** What must be reached: shares of what there is at the start, or numbers where they are larger than 1. */
  readonly budget?: Target | undefined;
  /**
   * The latency to reach with one sample at a time: a share of what it is at the start, or milliseconds where it is larger than 1. It is measured
   * after every removal, so that a second run may end a removal earlier or later.
   */
  readonly latency?: number | undefined;
  /** Default "taylor-fo". */
  readonly criterion?: string | Criterion | undefined;
  /** What is learned from; default the labels. Without labels all comes from the original model. */
  readonly targets?: Targets | "teacher" | undefined;
  /** The share of the old importances in their average over removals; default 0.9. */
  readonly scoreMomentum?: number | undefined;
  /** The learning rate while pruning; default 0.01. */
  readonly pruneLearningRate?: number | undefined;
  /** Passes over the data after pruning; default 5. */
  readonly epochs?: number | undefined;
  /** The highest learning rate of fine-tuning; default 0.02. */
  readonly learningRate?: number | undefined;
  /** Steps over which the learning rate of fine-tuning rises at first; default 0. */
  readonly warmUp?: number | undefined;
  /** The share of the original model's outputs in the loss of fine-tuning; default 0. */
  readonly distil?: number | undefined;
  /** What logits are divided by to distil; default 4. */
  readonly temperature?: number | undefined;
  /** Removals between two measurements while pruning; default 5. */
  readonly evaluateEvery?: number | undefined;
  /** Minibatches of a measurement while pruning; the first and the last take all data. Default 16. */
  readonly evaluateBatches?: number | undefined;
  /** Where none is named, the one of {@link useRuntime}. */
  readonly runtime?: Runtime | undefined;
  readonly checkpoints?: Checkpoints | undefined;
  /** Is told at once what the job tells. */
  readonly onEvent?: ((event: PruneJobEvent) => void) | undefined;
}

/** Where checkpoints go, and come from. */
export interface Checkpoints {
  /** The bytes of an earlier run's last checkpoint, to go on from. */
  readonly from?: { readonly name: string; readonly bytes: Uint8Array } | undefined;
  /** Seconds between two checkpoints while fine-tuning; default 30. Pruning has one after every removal. */
  readonly every?: number | undefined;
  save(pieces: readonly Uint8Array[]): Promise<void>;
  /** Is given what was to be found again, before the work goes on. */
  resumed?(note: Readonly<Record<string, unknown>>): void;
  /** What is to be found in the checkpoint again. */
  note?(): Readonly<Record<string, unknown>>;
}

/** What there is before the work begins. */
export interface StartEvent {
  readonly kind: "start";
  readonly costs: Costs;
  readonly units: number;
  readonly groups: readonly GroupSize[];
  readonly target: Target;
}

export interface GroupSize {
  readonly name: string;
  readonly units: number;
}

/** What a group's units cost in time was measured. */
export interface LatencyEvent {
  readonly kind: "latency";
  /** Groups measured so far, and all of them. */
  readonly done: number;
  readonly all: number;
  /** Milliseconds at the start, and what each group saves; with the last group. */
  readonly start?: Timing | undefined;
  readonly table?: readonly LatencyRow[] | undefined;
}

/** How good the model is now. */
export interface EvaluationEvent {
  readonly kind: "evaluation";
  readonly at: "start" | "removal" | "pruned" | "end";
  /** Removals so far. */
  readonly step: number;
  readonly units: number;
  readonly evaluation: Evaluation;
}

/** Pruning has ended; fine-tuning begins. */
export interface PrunedEvent {
  readonly kind: "pruned";
  readonly end: PruneResult["end"];
  readonly removals: number;
  readonly units: number;
  readonly costs: Costs;
}

export type PruneJobEvent = LearnEvent | StartEvent | LatencyEvent | EvaluationEvent | PrunedEvent;

export interface PruneOutcome {
  readonly model: Model;
  readonly end: PruneResult["end"];
  readonly removals: number;
  readonly before: State;
  readonly after: State;
}

/** A model in numbers. */
export interface State {
  readonly costs: Costs;
  readonly units: number;
  readonly groups: readonly GroupSize[];
  readonly evaluation?: Evaluation | undefined;
  /** Milliseconds for one sample, where a latency was to be reached. */
  readonly latency?: Timing | undefined;
}

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
  const target = Object.keys(budget).length > 0 ? targetOf(graph, budget) : { units: 0 };
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
  if (from?.phase !== "finetune") {
    tell({ kind: "pruned", end, removals: removals.length, units: state.units, costs: state.costs });
    await measure("pruned", removals.length, state.units, pruned.graph);
  }
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
  tell: (event: LatencyEvent) => void,
): Promise<LatencyGoal | undefined> {
  const { latency, roundTo, threads, signal } = options;
  if (latency === undefined) return undefined;
  const onProgress = (done: number, all: number): void => tell({ kind: "latency", done, all });
  const goal = await openLatency(runtime, graph, { latency, roundTo, threads, signal, onProgress, known });
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

function createMeasure(runtime: Runtime, options: PruneJobOptions, tell: (event: EvaluationEvent) => void) {
  const { validation, loss = "cross-entropy", batchSize = 128, evaluateBatches = 16, threads, signal } = options;
  return async (
    at: EvaluationEvent["at"],
    step: number,
    units: number,
    graph: Graph,
  ): Promise<Evaluation | undefined> => {
    if (!validation) return undefined;
    const evaluation = await evaluate(runtime, graph, validation, {
      loss,
      batchSize,
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
