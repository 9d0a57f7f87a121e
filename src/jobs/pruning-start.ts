/** What comes before pruning: the model is opened, what can't be reached is refused, and what there is is measured. */

import { criterionOf } from "../criteria/table.ts";
import { split } from "../data/splits.ts";
import { fail, option } from "../graph/error.ts";
import type { Model } from "../graph/graph.ts";
import { analyse, type Analysis } from "../prune/coupling/analysis.ts";
import { refuseWithout } from "../prune/coupling/removal.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../loop/checkpoint.ts";
import type { Evaluation } from "../evaluate/evaluate.ts";
import { tryBatch } from "../train/stream.ts";
import { refuseUntaught } from "./features.ts";
import { goalOf, openGoal, refuseTooFast, storedGoal, type StoredGoal } from "./goals.ts";
import { checkLabelsFit } from "./labels.ts";
import { refuseSmoothing } from "./opened.ts";
import { createDrop, createMeasure, stateIn, type Measuring } from "./measure.ts";
import type { PruningRun } from "./pruning-run.ts";
import type { PruneJobEvent, ScheduleEvent, State } from "./prune-events.ts";
import type { AskedOptions } from "./prune-options.ts";
import { batchOf, openModel, type OpenedModel } from "./opened.ts";
import { optimiserFor } from "./optimiser-for.ts";
import { paceOf, unitsToGo } from "./pace.ts";
import { refuseUnreachable } from "./reach.ts";
import { rankingOf } from "./ranking.ts";
import { roundingOf } from "./rounding.ts";
import { memoryStore } from "./search.ts";
import { spreadOf, tellRates } from "./spread.ts";
import { withTrial } from "./trial.ts";
import { workersBefore, workersOf } from "./workers.ts";

/** A run that is ready to prune. */
export interface Begun extends PruningRun {
  /** As it was opened. */
  readonly model: Model;
  readonly analysis: Analysis;
  readonly before: State;
  lost(): ReturnType<Measuring["lost"]>;
}

/** What a run writes beside a checkpoint, and finds there when it goes on. */
interface Noted {
  readonly start?: Evaluation;
  readonly roundTo?: number;
  readonly latency?: StoredGoal;
  readonly pace?: ScheduleEvent;
}

/** The share of the data that a search chooses by. */
const heldOutShare = 0.1;

/** Finds what is to be reached, and refuses what can't be. */
async function aimOf(opened: OpenedModel<AskedOptions>, emit: (event: PruneJobEvent) => void) {
  const { runtime, sized, graph } = opened;
  const { checkpoints, maxDrop, device } = sized;
  const halves = maxDrop === undefined ? undefined : split(sized.data, heldOutShare, sized.seed);
  const data = halves?.rest ?? sized.data;
  const batchSize = batchOf(opened, data, sized.onNote);
  const given = { ...sized, batchSize, optimiser: await optimiserFor({ ...sized, data }) };
  const resumed = checkpoints?.from && decodeCheckpoint(checkpoints.from.bytes, graph, checkpoints.from.name);
  const noted = resumed?.note as Noted | undefined;
  const { roundTo: wanted = given.latency === undefined ? 1 : "auto" } = given;
  // Another machine would round to what suits it.
  const roundTo = noted?.roundTo ?? (await roundingOf({ roundTo: wanted, runtime, device }));
  const analysis = analyse(graph);
  refuseWithout(analysis.wide);
  const start = stateIn(analysis.wide);
  const target = goalOf(start, given);
  // A search goes as far as it can.
  if (!resumed && maxDrop === undefined) {
    const holds = { ...given, roundTo };
    if (Object.keys(given.budget ?? {}).length > 0) refuseUnreachable(analysis.wide, start, target, holds);
    await refuseTooFast(runtime, analysis, holds);
  }
  const criterion = criterionOf(given.criterion);
  const workers =
    workersBefore(given.workers, resumed?.note) ?? workersOf(runtime, analysis, { ...given, criterion }, emit);
  const ranking = rankingOf(given);
  const per = ranking.per === "latency" ? undefined : ranking.per;
  const settled = { ...given, per, roundTo, workers };
  const isRounded = wanted === "auto";
  return { data, halves, resumed, noted, analysis, start, target, ranking, isRounded, settled };
}

/** Opens the model, and measures what there is at the start. */
export async function begin(whole: Model, asked: AskedOptions, emit: (event: PruneJobEvent) => void): Promise<Begun> {
  refuseContradictions(asked);
  const opened = await openModel(whole, asked, withTrial);
  refuseSmoothing(opened.sized);
  const { runtime, model, graph, features } = opened;
  const { data, halves, resumed, noted, analysis, start, target, ranking, isRounded, settled } = await aimOf(
    opened,
    emit,
  );
  const { checkpoints, maxDrop, roundTo, workers } = settled;
  const { measure, lost } = createMeasure(runtime, graph, settled, emit);
  const spread = spreadOf(runtime, settled, emit);
  if (resumed) {
    checkpoints?.resumed?.(resumed.note);
    emit({ kind: "resume", costs: start.costs, units: start.units });
  } else {
    await tryBatch(data, graph, settled);
    await checkLabelsFit({ ...opened, data, emit }, settled, "prune");
    emit({ kind: "start", ...start, target, ranking, ...(isRounded && { roundTo }) });
    const { pruneLearningRate, learningRate, epochs, onNote } = settled;
    tellRates(spread, pruneLearningRate === "auto" || (epochs > 0 && learningRate === "auto"), onNote);
  }
  const evaluation = resumed ? noted?.start : await measure("start", 0, start.units, graph);
  const drop = halves && (await createDrop(runtime, graph, halves, { ...settled, maxDrop: maxDrop! }, emit));
  const latency = await openGoal(runtime, analysis, settled, noted?.latency, emit);
  emit({ kind: "phase", phase: "measuring" });
  const reach = { groups: analysis.wide, target, share: latency?.share };
  const pace = noted?.pace ?? paceOf(start.units, await unitsToGo(runtime, graph, data, reach, settled), data, settled);
  emit(pace);
  return {
    runtime,
    model,
    graph,
    features,
    analysis,
    data,
    target,
    options: { ...settled, every: pace.every },
    latency,
    spread,
    drop,
    resumed,
    store: checkpoints?.store ?? memoryStore(),
    before: { ...start, evaluation },
    measure,
    lost,
    emit,
    async save(checkpoint, more = {}) {
      if (!checkpoints) return;
      const goal = latency && storedGoal(latency);
      const note = { ...checkpoints.note?.(), ...more, start: evaluation, roundTo, workers, latency: goal, pace };
      await checkpoints.save(encodeCheckpoint({ ...checkpoint, note }));
    },
  };
}

const goals = ["maxDrop", "budget.macs", "budget.params", "budget.bytes", "budget.units", "latency"];

function refuseContradictions(asked: AskedOptions): void {
  const { budget = {}, maxLoss, latency, maxDrop, targets, distil } = asked;
  if (targets !== "labels" && distil > 0)
    fail(
      "bad-option",
      `with ${option("targets", targets)} all that is learned comes from the original, and ` +
        `${option("distil", distil)} has no share to say: leave one of them out`,
    );
  refuseUntaught(asked);
  if (Object.keys(budget).length === 0 && maxLoss === undefined && latency === undefined && maxDrop === undefined)
    fail("bad-option", `say how far to prune: ${goals.map((name) => option(name)).join(", ")} or ${option("maxLoss")}`);
}
