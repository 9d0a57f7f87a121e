/** The whole job: measure, prune while learning, fine-tune, and measure again. */

import { withPreprocessing } from "../data/preprocessing.ts";
import type { Graph, Model } from "../graph/graph.ts";
import { normalise } from "../passes/normalise.ts";
import type { Removal } from "../prune/coupling/removal.ts";
import { composed, keptAfter } from "../prune/select/plan.ts";
import { meets } from "../prune/select/select.ts";
import type { Budget } from "../options/budget.ts";
import { timeInTurns, timingOf } from "../evaluate/timing.ts";
import { withGraph } from "../execute/prepare.ts";
import { startJob, type Job } from "./job.ts";
import { isRuined, leftIn, type Left } from "./ruined.ts";
import { stateOf } from "./measure.ts";
import { pruneDown, searchSmallest, tuneOnce, type PruningRun, type Pruned } from "./pruning-run.ts";
import type { PruneJobEvent, PruneOutcome, State } from "./prune-events.ts";
import { settle, type AskedOptions, type PruneJobOptions } from "./prune-options.ts";
import { markedUnproved, proveAll, type Proved } from "./proving.ts";
import type { StoredModel } from "./search.ts";
import { begin, type Begun } from "./pruning-start.ts";

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
 * @throws SecateurError `bad-option` for options that do not go together, `bad-labels` for labels that the model is
 * right on by chance alone, and what {@link pruneLoop}, {@link finetune} and {@link evaluate} throw
 */
export const prune = (model: Model, options: PruneJobOptions): Job<PruneJobEvent, PruneOutcome> =>
  startJob(async (emit) => run(model, settle(options, model), emit), options?.onEvent);

async function run(model: Model, asked: AskedOptions, emitted: (event: PruneJobEvent) => void): Promise<PruneOutcome> {
  let isHarmed = false;
  const emit = (event: PruneJobEvent): void => {
    isHarmed ||= event.kind === "diverged" && event.phase === "finetune";
    emitted(event);
  };
  const begun = await begin(model, asked, emit);
  const { drop, options, target } = begun;
  const pruned = await pruneDown(begun);
  const proved = await proving(begun, pruned.removals);
  // What has just been ruined by learning, and restored, is not handed to learning again.
  const learnOn = pruned.end === "diverged" && !drop ? keepAsItIs : drop ? searchSmallest : tuneOnce;
  const { graph, removals } = await learnOn(begun, pruned);
  // A search goes back to fewer removals than were proved before it.
  const { proof, unproved } = drop ? await proving(begun, removals) : proved;
  options.signal?.throwIfAborted();
  const told = await compareEnds(begun, graph, removals);
  const found = removals.length > 0 ? "met" : "exhausted";
  const end = drop ? found : isHarmed ? "diverged" : endOf(pruned.end, target, told.after);
  const left = await leftAt(begun, graph, removals, told.after);
  return {
    ...told,
    ...left,
    model: unproved === undefined ? told.model : markedUnproved(told.model, unproved),
    end: end === "met" && isRuined(left) ? "ruined" : end,
    proof,
    unproved,
  };
}

/** What is left of the original without labels, where there is anything to lose. */
async function leftAt(
  { runtime, graph: original, data, options }: Begun,
  graph: Graph,
  removals: readonly Removal[],
  { evaluation }: State,
): Promise<Left> {
  if (options.targets === "labels" || removals.length === 0) return {};
  const teacher = { graph: original, weight: 1, temperature: options.temperature };
  return leftIn(runtime, graph, data, { ...options, teacher }, evaluation?.outputs);
}

async function proving(
  { runtime, model, analysis, options, emit }: Begun,
  removals: readonly Removal[],
): Promise<Proved> {
  if (!options.prove) return {};
  emit({ kind: "phase", phase: "proving" });
  const shown = await proveAll(runtime, model, analysis, removals, options);
  if (shown.unproved !== undefined) emit({ kind: "unproved", reason: shown.unproved });
  return shown;
}

/** What is written, beside what there was. */
async function compareEnds(begun: Begun, tuned: Graph, removals: readonly Removal[]) {
  const { runtime, model, graph, analysis, data, options, latency, before, measure, emit } = begun;
  const removal = composed(analysis, removals);
  const written = withPreprocessing(withGraph(model, tuned), data);
  const state = stateOf(normalise(written.graph, options));
  const evaluation = await measure("end", removals.length, state.units, tuned);
  const { drop, dropInterval } = (await begun.lost()) ?? {};
  if (latency) emit({ kind: "phase", phase: "timing" });
  const times =
    latency && (await timeInTurns(runtime, [graph, tuned], { ...options, rounds: finalRounds })).map(timingOf);
  return {
    model: written,
    removals: removals.length,
    kept: keptAfter(analysis, removal),
    removal,
    before: { ...before, latency: times?.[0] },
    after: { ...state, evaluation, latency: times?.[1] },
    ...(drop !== undefined && { drop }),
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

/** What is told at the end is measured longer than what decides on the way. */
const finalRounds = 100;
