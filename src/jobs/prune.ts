/** The whole job: measure, prune while learning, fine-tune, and measure again. */

import { criterionOf } from "../criteria/table.ts";
import { split } from "../data/splits.ts";
import { withPreprocessing } from "../data/preprocessing.ts";
import { fail, option } from "../graph/error.ts";
import type { Model } from "../graph/graph.ts";
import { normalise } from "../passes/normalise.ts";
import { widen } from "../passes/widen.ts";
import { analyse } from "../prune/coupling/analysis.ts";
import { refuseWithout, type Removal } from "../prune/coupling/groups.ts";
import { composed, keptAfter } from "../prune/select/plan.ts";
import { meets } from "../prune/select/select.ts";
import type { Budget } from "../options/budget.ts";
import { defaultRuntime } from "../runtime/default.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../loop/checkpoint.ts";
import type { Evaluation } from "../evaluate/evaluate.ts";
import { refuseMemory } from "../score/oracle.ts";
import { timeInTurns, timingOf } from "../evaluate/timing.ts";
import { withDataSizes, withGraph } from "../execute/prepare.ts";
import { tryBatch } from "../train/stream.ts";
import { goalOf, openGoal, refuseTooFast, storedGoal, type StoredGoal } from "./goals.ts";
import { startJob, type Job } from "./job.ts";
import { checkLabelsFit } from "./labels.ts";
import { createDrop, createMeasure, stateOf, stateIn } from "./measure.ts";
import { pruneDown, searchSmallest, tuneOnce, type PruningRun, type Pruned } from "./pruning-run.ts";
import type { PruneJobEvent, PruneOutcome, State } from "./prune-events.ts";
import { settle, type CheckedOptions, type PruneJobOptions } from "./prune-options.ts";
import { batchOf, openModel } from "./opened.ts";
import { paceOf, unitsToGo, type ScheduleEvent } from "./pace.ts";
import { markedUnproved, proveAll, type Proved } from "./proving.ts";
import { refuseUnreachable } from "./reach.ts";
import { rankingOf } from "./ranking.ts";
import { roundingOf } from "./rounding.ts";
import { memoryStore, type StoredModel } from "./search.ts";
import { withTrial } from "./trial.ts";
import { workersBefore, workersOf } from "./workers.ts";

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
 * @throws SecateurError `bad-option` for options that do not go together, `bad-labels` for labels that the model is right on by chance alone, and what {@link pruneLoop}, {@link finetune} and {@link evaluate} throw
 */
export const prune = (model: Model, options: PruneJobOptions): Job<PruneJobEvent, PruneOutcome> =>
  startJob(async (emit) => run(model, settle(options, model), emit), options?.onEvent);

async function run(
  whole: Model,
  asked: CheckedOptions,
  emitted: (event: PruneJobEvent) => void,
): Promise<PruneOutcome> {
  let isRuined = false;
  const emit = (event: PruneJobEvent): void => {
    isRuined ||= event.kind === "diverged" && event.phase === "finetune";
    emitted(event);
  };
  refuseContradictions(asked);
  const sized = await withDataSizes(whole, asked, asked.data, asked.batchSize);
  const { runtime = defaultRuntime(), checkpoints, maxDrop } = sized;
  const model = await withTrial(whole, sized);
  const opened = await openModel(runtime, model, sized);
  const { graph } = opened;
  const halves = maxDrop === undefined ? undefined : split(sized.data, heldOutShare, sized.seed);
  const data = halves?.rest ?? sized.data;
  const given = { ...sized, batchSize: batchOf(opened, data, sized.onNote) };
  const resumed = checkpoints?.from && decodeCheckpoint(checkpoints.from.bytes, graph, checkpoints.from.name);
  const { roundTo: wanted = given.latency === undefined ? 1 : "auto", device } = given;
  // Another machine would round to what suits it.
  const roundTo =
    (resumed?.note["roundTo"] as number | undefined) ?? (await roundingOf({ roundTo: wanted, runtime, device }));
  const found = analyse(widen(graph));
  refuseWithout(found);
  const start = stateIn(found);
  const target = goalOf(start, given);
  // A search goes as far as it can.
  if (!resumed && maxDrop === undefined) {
    if (Object.keys(given.budget ?? {}).length > 0) refuseUnreachable(found, start, target, { ...given, roundTo });
    await refuseTooFast(runtime, graph, { ...given, roundTo });
  }
  const workers =
    workersBefore(given.workers, resumed?.note) ??
    workersOf(runtime, graph, { ...given, criterion: criterionOf(given.criterion) }, emit);
  const ranking = rankingOf(given);
  const per = ranking.per === "latency" ? undefined : ranking.per;
  const settled = { ...given, per, roundTo, workers };
  const { measure, lost } = createMeasure(runtime, graph, settled, emit);
  if (resumed) {
    checkpoints.resumed?.(resumed.note);
    emit({ kind: "resume", costs: start.costs, units: start.units });
  } else {
    await tryBatch(data, graph, settled);
    await checkLabelsFit({ ...opened, model, data, emit }, settled, "prune");
    emit({ kind: "start", ...start, target, ranking, ...(wanted === "auto" && { roundTo }) });
  }
  const first = resumed
    ? (resumed.note["start"] as Evaluation | undefined)
    : await measure("start", 0, start.units, graph);
  const drop = halves && (await createDrop(runtime, graph, halves, { ...settled, maxDrop: maxDrop! }, emit));
  const latency = await openGoal(runtime, graph, settled, resumed?.note["latency"] as StoredGoal | undefined, emit);
  emit({ kind: "phase", phase: "measuring" });
  const reach = { groups: found, target, share: latency?.share };
  const pace =
    (resumed?.note["pace"] as ScheduleEvent | undefined) ??
    paceOf(start.units, await unitsToGo(runtime, graph, data, reach, settled), data, settled);
  const options = { ...settled, every: pace.every };
  const store = checkpoints?.store ?? memoryStore();
  const pruningRun: PruningRun = {
    runtime,
    graph,
    data,
    target,
    options,
    latency,
    drop,
    resumed,
    store,
    measure,
    emit,
    async save(checkpoint, more = {}) {
      if (!checkpoints) return;
      const goal = latency && storedGoal(latency);
      const note = { ...checkpoints.note?.(), ...more, start: first, roundTo, workers, latency: goal, pace };
      await checkpoints.save(encodeCheckpoint({ ...checkpoint, note }));
    },
  };

  const proving = async (list: readonly Removal[]): Promise<Proved> => {
    if (!options.prove) return {};
    emit({ kind: "phase", phase: "proving" });
    const shown = await proveAll(runtime, model, graph, list, options);
    if (shown.unproved !== undefined) emit({ kind: "unproved", reason: shown.unproved });
    return shown;
  };
  emit(pace);
  const pruned = await pruneDown(pruningRun);
  const proved = await proving(pruned.removals);
  // What has just been ruined by learning, and restored, is not handed to learning again.
  const learnOn = pruned.end === "diverged" && !drop ? keepAsItIs : drop ? searchSmallest : tuneOnce;
  const { graph: tuned, removals } = await learnOn(pruningRun, pruned);
  // A search goes back to fewer removals than were proved before it.
  const { proof, unproved } = drop ? await proving(removals) : proved;
  options.signal?.throwIfAborted();
  const removal = composed(found, removals);
  const written = withPreprocessing(withGraph(model, tuned), data);
  const state = stateOf(normalise(written.graph, options));
  const evaluation = await measure("end", removals.length, state.units, tuned);
  const { drop: points, dropInterval } = (await lost()) ?? {};
  if (latency) emit({ kind: "phase", phase: "timing" });
  const times =
    latency && (await timeInTurns(runtime, [graph, tuned], { ...options, rounds: finalRounds })).map(timingOf);
  return {
    model: unproved === undefined ? written : markedUnproved(written, unproved),
    end: drop ? (removals.length > 0 ? "met" : "exhausted") : isRuined ? "diverged" : endOf(pruned.end, target, state),
    removals: removals.length,
    kept: keptAfter(found, removal),
    removal,
    proof,
    unproved,
    before: { ...start, evaluation: first, latency: times?.[0] },
    after: { ...state, evaluation, latency: times?.[1] },
    ...(points !== undefined && { drop: points }),
    ...(dropInterval && { dropInterval }),
  };
}

const keepAsItIs = async (_pruningRun: PruningRun, { graph, removals }: Pruned): Promise<StoredModel> => ({
  graph,
  removals,
});

/** A budget is met where what is written meets it, whatever was reckoned on the way. */
export const endOf = (end: PruneOutcome["end"], target: Budget, { costs, units }: State): PruneOutcome["end"] =>
  end === "met" && !meets(target, costs, units) ? "missed" : end;

/** The share of the data that a search chooses by. */
const heldOutShare = 0.1;
/** What is told at the end is measured longer than what decides on the way. */
const finalRounds = 100;

function refuseContradictions({
  budget = {},
  maxLoss,
  latency,
  maxDrop,
  targets,
  loss,
  distil,
  criterion,
  memory,
}: CheckedOptions): void {
  const measured = criterionOf(criterion);
  if (measured.kind === "data") refuseMemory(measured.needs, memory);
  if (Object.keys(budget).length === 0 && maxLoss === undefined && latency === undefined && maxDrop === undefined)
    fail(
      "bad-option",
      `say how far to prune: ${["maxDrop", "budget.macs", "budget.params", "budget.bytes", "budget.units", "latency"].map((name) => option(name)).join(", ")} or ${option("maxLoss")}`,
    );
  if (loss !== "cross-entropy" && targets !== "labels")
    fail("bad-option", `${option("targets", targets)} goes with ${option("loss", "cross-entropy")} only`);
  if (loss !== "cross-entropy" && distil > 0)
    fail("bad-option", `${option("distil")} goes with ${option("loss", "cross-entropy")} only`);
}
