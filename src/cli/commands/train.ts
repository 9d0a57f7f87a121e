/** secateur train and finetune: learning, from scratch or from what there is. */

import type { Command } from "commander";
import { z } from "zod";
import type { Model } from "../../graph/graph.ts";
import { load } from "../../jobs/load-node.ts";
import { teaching } from "../../jobs/original.ts";
import {
  finetune,
  train,
  type EpochEvent,
  type FinetuneJobOptions,
  type TrainJobEvent,
  type TrainJobOptions,
} from "../../jobs/train.ts";
import type { Job } from "../../jobs/job.ts";
import { describeRuin, type RuinedEvent } from "../../jobs/ruined.ts";
import { parseLeft } from "../../prune/select/plan.ts";
import type { SettledOf } from "../../options/kinds.ts";
import { readText } from "../read-text.ts";
import { flag, flagsOf, handed, withGroup } from "../options/flag.ts";
import { batchToLearn } from "../../jobs/opened.ts";
import type { WorkersEvent } from "../../jobs/workers.ts";
import { describeLost } from "../../report/lost.ts";
import type { LearnSummary } from "../../report/record.ts";
import { readRecords, type Run } from "../../report/run-node.ts";
import { isOf } from "../../report/run-history.ts";
import type { RateEvent, StepEvent, TrialEvent } from "../../train/events.ts";
import { describeDivergence } from "../../train/guard.ts";
import type { Machines } from "../../train/spread.ts";
import type { Commands, Context } from "../context.ts";
import { withExample } from "../help.ts";
import { withMetric } from "../metric.ts";
import { withData } from "../options/data.ts";
import { withLearning, type LearnFlags } from "../options/learning.ts";
import { withQueue } from "../options/queue.ts";
import { withShape, type ShapeFlags } from "../options/model.ts";
import { withLearners } from "../learn-on-queue.ts";
import { accuracyOf, note, printJson } from "../output.ts";
import { remaining, reportProgress, type Progress } from "../progress.ts";
import {
  actAsRun,
  checkpointsOf,
  closeRun,
  resultOf,
  runOptions,
  withRecord,
  type Opened,
  type RecordFlags,
} from "../run.ts";

export interface TrainFlags extends ShapeFlags, LearnFlags, RecordFlags {}

type Teaching = SettledOf<typeof teaching>;

export interface FinetuneFlags extends TrainFlags, Pick<Teaching, "targets" | "distil" | "temperature" | "features"> {}

/** Exit code where learning did harm, or little is left of a teacher. */
const ruined = 1;

function defineTrain(command: Command, context: Context): void {
  withExample(
    withTraining(command, 20),
    "secateur train net.onnx --data mnist:data --epochs 20 -o trained.onnx",
    "secateur train --resume trained.run",
  );
  actAsRun<TrainFlags>(command, context, (...all) => work(train, context, ...all));
}

function defineFinetune(command: Command, context: Context): void {
  withExample(
    withTeacher(withTraining(command, 5)),
    "secateur finetune small.onnx --data cifar10:data --epochs 5 --crop 4 --flip -o tuned.onnx",
    "secateur finetune small.onnx --data folder:pets --teacher model.onnx --targets teacher -o tuned.onnx",
    "secateur finetune --resume tuned.run",
  );
  actAsRun<FinetuneFlags>(command, context, async (run, flags, ...rest) => {
    const told = await teachingOf(flags);
    const learn = (model: Model, options: TrainJobOptions) => finetune(model, { ...options, ...told });
    await work(learn, context, run, flags, ...rest);
  });
}

const withTeacher = (command: Command): Command =>
  withGroup(
    withGroup(command, "Data", flagsOf(teaching, { targets: "<source>" })),
    "Learning",
    [flag("--teacher <file>", z.string().describe("the model to learn from, as the one that was cut"))],
    [
      ...flagsOf(teaching, { distil: "<share>", features: "<pattern>", temperature: "<t>" }),
      flag("--kept <file>", z.string().describe("which units of the teacher are left: kept.json of a run, or a plan")),
    ],
  );

/** What the job is told of the teacher. */
const teachingOf = async (flags: FinetuneFlags): Promise<Partial<FinetuneJobOptions>> => ({
  ...handed(flags, { targets: teaching.targets, distil: teaching.distil, temperature: teaching.temperature }),
  ...(flags.features && { features: flags.features }),
  ...(flags.teacher !== undefined && { teacher: await load(flags.teacher) }),
  ...(flags.kept !== undefined && parseLeft(await readText(flags.kept))),
});

const withTraining = (command: Command, epochs: number): Command =>
  withRecord(withMetric(withQueue(withLearning(withShape(withData(command, false)), epochs))));

async function work(
  learn: (model: Model, options: TrainJobOptions) => Job<TrainJobEvent, Model>,
  context: Context,
  run: Run,
  flags: TrainFlags,
  opened: Opened,
  json: boolean,
  progress: Progress,
): Promise<void> {
  await withLearners(flags, context, progress, (learners) =>
    workBy(learners, learn, context, run, flags, opened, json, progress),
  );
}

async function workBy(
  learners: Machines | undefined,
  ...[learn, context, run, flags, opened, json, progress]: Parameters<typeof work>
): Promise<void> {
  const options = { ...runOptions(flags, opened, context), learners };
  const show = createShow(progress, batchToLearn(options));
  const measured: EpochEvent[] = [];
  let left: RuinedEvent | undefined;
  const checkpoints = checkpointsOf(run, flags);
  const job = learn(opened.model, {
    ...options,
    checkpoints: {
      ...checkpoints,
      resumed(note) {
        checkpoints.resumed!(note);
        measured.push(...readRecords(run.dir).filter(isOf("epoch")));
      },
    },
    onEvent(event) {
      run.tell(event);
      if (event.kind === "epoch") measured.push(event);
      if (event.kind === "ruined") left = event;
      show(event);
    },
  });
  const model = await resultOf(job, run, progress, context);
  const summary: LearnSummary = {
    epochs: flags.epochs,
    before: measured[0]?.evaluation,
    after: measured.at(-1)?.evaluation,
    ...(left && { ruined: left.ruined, distance: left.distance }),
    output: flags.output,
  };
  await closeRun(
    run,
    progress,
    model,
    summary,
    () => {
      if (json) printJson({ ...summary, run: run.dir });
    },
    flags,
  );
}

/** Shows events on the progress line. */
function createShow(progress: Progress, batchSize: number): (event: TrainJobEvent) => void {
  const steps = reportEpochs(progress, batchSize);
  const measuring = reportProgress(progress);
  return (event) => {
    if (event.kind === "step") steps(event);
    else if (event.kind === "phase") progress.update(event.phase);
    else if (event.kind === "samples" || event.kind === "forms") measuring(event);
    else if (event.kind === "trial") progress.update(describeTrial(event));
    else if (event.kind === "workers") noteWorkers(event);
    else if (event.kind === "lost") note(describeLost(event));
    else if (event.kind === "rate") noteRate(event);
    else if (event.kind === "diverged") noteHarm(progress, describeDivergence(event));
    else if (event.kind === "ruined") noteHarm(progress, describeRuin(event, "finetune"));
    else if (event.kind === "epoch")
      progress.done(
        `${event.epoch === 0 ? "at the start" : `after epoch ${event.epoch}`}: ${accuracyOf(event.evaluation)}`,
      );
  };
}

/** Says what `--workers auto` came to. */
export const noteWorkers = ({ workers, samples }: WorkersEvent): void =>
  note(`${workers} workers learn, from ${samples} samples of each minibatch`);

/** How far the trial for a rate is. */
export const describeTrial = ({ done, all }: TrialEvent): string =>
  `trial for a learning rate: minibatch ${done} of ${all} at most`;

/** Says what a rate of "auto" came to. */
export const noteRate = ({ phase, learningRate, times, minibatches }: RateEvent): void =>
  note(
    `learning rate${phase === "prune" ? " while pruning" : ""}: ${learningRate}, found by a trial of ` +
      `${minibatches} minibatches on a copy${times === undefined ? "" : `, times ${Number(times.toPrecision(3))}`}`,
  );

/** Says what harm was done; the command fails at its end. */
function noteHarm(progress: Progress, text: string): void {
  progress.done(text);
  process.exitCode = ruined;
}

/** A line while an epoch runs, and one that stays when it ends. */
export function reportEpochs(progress: Progress, batchSize: number): (event: StepEvent) => void {
  let [sum, steps, epoch] = [0, 0, 1];
  /** When the first step that is seen ended, and what there was by then: how long that took is not known. */
  let seen: { readonly at: number; readonly step: number } | undefined;
  let [first, untimed, before] = [0, 1, 0];
  return (event) => {
    const now = performance.now();
    seen ??= { at: now, step: event.step };
    if (event.epoch !== epoch) [sum, steps, epoch, first, untimed] = [0, 0, event.epoch, before, before === 0 ? 1 : 0];
    first ||= now;
    sum += event.loss;
    steps++;
    before = now;
    const rate = ((steps - untimed) * batchSize * 1000) / (now - first);
    const speed = steps > untimed ? `, ${rate.toFixed(0)} images/s` : "";
    const left = event.steps === undefined ? "" : remaining(seen.at, event.step, event.steps, seen.step);
    const line =
      `epoch ${event.epoch} of ${event.epochs}: loss ${(sum / steps).toFixed(4)}, learning rate ` +
      `${event.learningRate.toPrecision(3)}${speed}${left && `, ${left}`}`;
    const last = event.steps !== undefined && event.step % (event.steps / event.epochs!) === 0;
    if (last) progress.done(line);
    else progress.update(line);
  };
}

export const commands: Commands = { train: defineTrain, finetune: defineFinetune };
