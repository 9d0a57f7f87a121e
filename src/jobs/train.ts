/** Learning, from nothing or from what there is, as a job. */

import { withPreprocessing } from "../data/preprocessing.ts";
import { fail } from "../graph/error.ts";
import type { Graph, Model } from "../graph/graph.ts";
import { takes } from "../options/check.ts";
import { callback, countOrNone, type OptionsOf } from "../options/kinds.ts";
import { epochs } from "../options/learning.ts";
import { running, type RunOptions } from "../options/machine.ts";
import { widen } from "../passes/widen.ts";
import { analyse } from "../prune/coupling/analysis.ts";
import { decodeCheckpoint, encodeCheckpoint, type Checkpoint } from "../loop/checkpoint.ts";
import { evaluate, type Evaluation } from "../evaluate/evaluate.ts";
import type { DivergedEvent, LostEvent, RateEvent, StepEvent, TrialEvent } from "../train/events.ts";
import { finetune as finetuneGraph, type FinetunePoint } from "../train/finetune.ts";
import { reservedMemory } from "../execute/memory.ts";
import { withGraph } from "../execute/prepare.ts";
import { averagedGraph } from "../train/step.ts";
import { tryBatch } from "../train/stream.ts";
import { batchOf, batchToLearn, measuring, openModel, refuseSmoothing } from "./opened.ts";
import { checkpoints, createTimer, type Checkpoints } from "./checkpoints.ts";
import { learning, type LearnJobOptions } from "./kinds.ts";
import { checkLabelsFit } from "./labels.ts";
import { agreementOf } from "./measure.ts";
import { openTaught, teaching, type TeachingOptions } from "./original.ts";
import { startJob, type Job, type ProgressEvent } from "./job.ts";
import type { PhaseEvent } from "./prune-events.ts";
import { isRuined, leftIn, type RuinedEvent } from "./ruined.ts";
import { spreadOf, tellRates } from "./spread.ts";
import { workersBefore, workersOf, type WorkersEvent } from "./workers.ts";

/** How good the model is after an epoch, or at the start. */
export interface EpochEvent {
  readonly kind: "epoch";
  /** Epochs so far, 0 at the start. */
  readonly epoch: number;
  /** Minibatches so far. */
  readonly step: number;
  readonly evaluation: Evaluation;
}

export type TrainJobEvent =
  | StepEvent
  | TrialEvent
  | RateEvent
  | DivergedEvent
  | RuinedEvent
  | LostEvent
  | PhaseEvent
  | EpochEvent
  | ProgressEvent
  | WorkersEvent;

const own = (passes: number) => ({
  /** Is told at once what the job tells. */
  onEvent: callback<(event: TrainJobEvent) => void>().optional(),
  checkpoints: checkpoints.optional(),
  /** Passes over the data; default 20 to train, 5 to fine-tune. */
  epochs: epochs(passes),
  /** The number of the first epoch, so that a second run sees other orders of the same data; default 0. */
  firstEpoch: countOrNone.default(0),
});
export const kinds = (passes: number) => ({ ...running, ...learning, ...own(passes) });
const finetuneKinds = { ...kinds(5), ...teaching };
const settleTrain = takes("train", kinds(20));
const settleFinetune = takes("finetune", finetuneKinds);
type Settled = WithBatch<ReturnType<typeof settleTrain> & Partial<ReturnType<typeof settleFinetune>>>;

type WithBatch<O> = Omit<O, "batchSize"> & { readonly batchSize: number };
const withBatch = <O extends ReturnType<typeof settleTrain>>(options: O): WithBatch<O> => ({
  ...options,
  batchSize: batchToLearn(options),
});

export interface TrainJobOptions extends RunOptions, LearnJobOptions, OptionsOf<ReturnType<typeof own>> {}
export interface FinetuneJobOptions extends TrainJobOptions, TeachingOptions {}

/**
 * Trains a model, such as one of {@link newModel}: by default for 20 epochs, at a learning rate
 * that a short trial finds. Where learning does harm it ends with an event `diverged`, and the
 * model is what it was when it was still good.
 *
 * @example
 * import { newModel, openDataset, save, train } from "secateur";
 *
 * const data = await openDataset("mnist:data/mnist", { split: "train" });
 * const model = await train(newModel("lenet5", { classes: 10, seed: 1 }), { data, epochs: 2, batchSize: 64 });
 * await save("trained.onnx", model);
 *
 * @throws SecateurError `not-finite` where the loss of the model or the data is no number, `bad-data` where a label
 * does not fit the output. `bad-labels` where the model is trained already and right by chance alone
 */
export function train(model: Model, options: TrainJobOptions): Job<TrainJobEvent, Model> {
  return startJob(
    async (emit) => learn(model, withBatch(settleTrain(options, model)), "train", emit),
    options?.onEvent,
  );
}

/**
 * Trains a model further, such as one that was cut: by default for 5 epochs; all else is as in {@link train}. With
 * `teacher` it learns from the model that it was cut of, with labels or without. Where it learned from nothing else and
 * little is left of what that one says, it ends with an event `ruined`.
 *
 * @example
 * import { cut, finetune, load, openDataset, plan } from "secateur";
 *
 * const model = await load("model.onnx");
 * const { removal } = await plan(model, { ratio: 0.5 });
 * const data = await openDataset("mnist:data/mnist", { split: "train" });
 * const validation = await openDataset("mnist:data/mnist", { split: "test" });
 * const job = finetune((await cut(model, removal)).model, { data, validation, epochs: 1, batchSize: 64 });
 * for await (const event of job) {
 *   if (event.kind === "step") console.log(event.step, event.loss);
 *   if (event.kind === "epoch") console.log(event.epoch, event.evaluation.top1);
 * }
 * const small = await job;
 *
 * @throws SecateurError as {@link train}, and `bad-option` for features of which nobody knows what is left
 */
export function finetune(model: Model, options: FinetuneJobOptions): Job<TrainJobEvent, Model> {
  return startJob(
    async (emit) => learn(model, withBatch(settleFinetune(options, model)), "finetune", emit),
    options?.onEvent,
  );
}

async function learn(
  model: Model,
  asked: Settled,
  purpose: "train" | "finetune",
  emit: (event: TrainJobEvent) => void,
): Promise<Model> {
  const { targets = "labels" } = asked;
  // Whatever is learned from a teacher is compared with that one's outputs.
  const opened = await openModel(model, { ...asked, targets: "labels", features: undefined });
  const { runtime } = opened;
  const taught = await openTaught(opened, { distil: 0, temperature: 1, ...asked, targets });
  const { graph } = taught;
  const options = { ...opened.sized, targets, loss: taught.loss };
  refuseSmoothing(options);
  const { data, validation, checkpoints, signal, seed, firstEpoch, augment } = options;
  const batchSize = batchOf(opened, data, options.onNote);
  const resumed = resume(graph, checkpoints);
  const from = resumed?.point;
  const workers =
    workersBefore(options.workers, resumed?.note) ??
    workersOf(runtime, analyse(graph), { ...options, batchSize }, emit);
  const evaluated = async (now: Graph): Promise<Evaluation | undefined> => {
    if (!validation) return undefined;
    emit({ kind: "phase", phase: "measuring" });
    const given = measuring({ ...options, batchSize }, emit);
    return taught.original
      ? agreementOf(runtime, [taught.original, now], validation, given)
      : evaluate(runtime, now, validation, given);
  };
  let latest: Evaluation | undefined;
  const measure = async (epoch: number, step: number, now: Graph): Promise<void> => {
    latest = await evaluated(now);
    if (!latest) return;
    emit({ kind: "epoch", epoch, step, evaluation: latest });
    emit({ kind: "phase", phase: "learning" });
  };
  // Between epochs the model is measured while the step is still loaded.
  const reserved = options.memory !== undefined && validation ? reservedMemory(widen(graph), batchSize) : 0;
  const spread = spreadOf(runtime, { ...options, reserved }, emit);
  if (!from) {
    tellRates(spread, options.epochs > 0 && options.learningRate === "auto", options.onNote);
    if (validation) await tryBatch(data, graph, { batchSize, seed, augment });
    await checkLabelsFit({ ...opened, data, emit }, options, purpose);
    await measure(0, 0, graph);
  }
  const due = createTimer(checkpoints?.every ?? 30);
  const learning = { ...options, teacher: taught.teacher, batchSize, workers };
  const learned = await finetuneGraph(runtime, graph, data, {
    ...learning,
    spread,
    reserved,
    onEvent: emit,
    onRate: emit,
    onDiverged(event) {
      // What is left then is another model than was measured last.
      latest = undefined;
      emit(event);
    },
    from,
    async onPoint(take, { epoch, batch }) {
      const ended = batch === 0;
      if (!(ended && validation) && !(checkpoints && (ended || due()))) return;
      const point = await take();
      if (ended) await measure(epoch - firstEpoch, point.step, averagedGraph(point));
      await checkpoints?.save(encodeCheckpoint({ point, note: { ...checkpoints.note?.(), workers } }));
    },
  });
  signal?.throwIfAborted();
  if (taught.original) {
    latest ??= await evaluated(learned);
    const left = await leftIn(runtime, learned, data, learning, latest?.outputs);
    if (isRuined(left)) emit({ kind: "ruined", ...left });
  }
  return withPreprocessing(withGraph(model, learned), data);
}

/** Where an earlier run stood. */
function resume(
  graph: Graph,
  checkpoints: Checkpoints | undefined,
): { readonly point: FinetunePoint; readonly note: Checkpoint["note"] } | undefined {
  if (!checkpoints?.from) return undefined;
  const { name, bytes } = checkpoints.from;
  const { point, note } = decodeCheckpoint(bytes, graph, name);
  if (point.phase === "prune") fail("bad-data", `${name} is a checkpoint of pruning, not of learning alone`);
  checkpoints.resumed?.(note);
  return { point, note };
}
