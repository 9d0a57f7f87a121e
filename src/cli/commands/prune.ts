/** secateur prune: the paper's loop, then fine-tuning, with a record of both that can be gone on from. */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { arch, cpus, platform } from "node:os";
import { pipeline } from "node:stream/promises";
import { type Command, Option } from "commander";
import type { Dataset } from "../../data/batches.ts";
import { fail } from "../../graph/error.ts";
import { prune, type PruneJobEvent, type PruneOutcome } from "../../jobs/prune.ts";
import { checkWritable, describeIo } from "../../onnx/atomic-node.ts";
import { readModelFile, writeModelFile } from "../../onnx/files-node.ts";
import { pers, scopes, type Per, type Scope } from "../../prune/prices.ts";
import { scheduleKinds, type ScheduleKind } from "../../prune/schedule.ts";
import { createRun, resumeRun, type Run, type RunConfig } from "../../report/run-node.ts";
import { nodeRuntime } from "../../runtime/workers-node.ts";
import { targetSources, type Targets } from "../../train/losses.ts";
import {
  count,
  learnOptions,
  notNegative,
  numberIn,
  openData,
  positive,
  shapesOf,
  withCriterion,
  withData,
  withLearning,
  withShape,
  type CriterionFlags,
} from "../options.ts";
import { limitsOf, patternRatio, roundingOf, withLimits, type LimitFlags, type Ratios } from "../limits.ts";
import { createProgress, Interruption, note, percent, printJson, short, table } from "../output.ts";
import { epochCount, reportEpochs, type TrainFlags } from "./train.ts";

interface PruneFlags extends TrainFlags, CriterionFlags, LimitFlags {
  readonly targets: Targets | "teacher";
  readonly macs?: number;
  readonly params?: number;
  readonly bytes?: number;
  readonly units?: number;
  readonly latency?: number;
  readonly scope: Scope;
  readonly ratio?: Ratios;
  readonly schedule: ScheduleKind;
  readonly removals: number;
  readonly maxLoss?: number;
  readonly per: Per;
  readonly every: number;
  readonly unitsPerStep?: number;
  readonly scoreMomentum: number;
  readonly pruneLearningRate: number;
  readonly distil: number;
  readonly temperature: number;
  readonly evaluateEvery: number;
  readonly evaluateBatches: number;
  readonly checkpointEvery: number;
  readonly run?: string;
  readonly force?: boolean;
  readonly resume?: string;
  readonly json?: boolean;
}

/** Exit code where the work was done but the budget was not met. */
const notMet = 1;

/** What `--resume` takes besides. */
const withResume = new Set(["resume", "json"]);

export function addPrune(program: Command, version: string, signal: AbortSignal): void {
  const command = withLimits(
    withCriterion(withLearning(withData(withShape(program.command("prune [model]")), false), 0.02)),
  );
  command
    .description("remove the least important units while learning until a budget is met, then fine-tune")
    .addOption(
      new Option(
        "--targets <source>",
        "what is learned from: the labels; without labels the outputs of the original model (teacher), or importance from classes drawn from the model's own outputs and learning from the original's (sampled)",
      )
        .choices([...targetSources, "teacher"])
        .default("labels"),
    )
    .option("--macs <share>", "multiply-accumulates to keep: a share, or a number where it is above 1", positive)
    .option("--params <share>", "parameters to keep, in the same way", positive)
    .option("--bytes <share>", "bytes of weights to keep, in the same way", positive)
    .option("--units <share>", "units to keep, in the same way", positive)
    .option(
      "--latency <share>",
      "time of one sample to reach, measured on this machine: a share, or milliseconds where it is above 1; widths are rounded to what its kernels take",
      positive,
    )
    .option("--max-loss <loss>", "stop pruning when the training loss between two removals is above this", positive)
    .addOption(
      new Option("--per <what>", "what importance is counted per: a unit, or what removing it saves")
        .choices(pers)
        .default("unit"),
    )
    .addOption(
      new Option("--scope <scope>", "whom a unit is compared with: all, those of its group, or of groups built alike")
        .choices(scopes)
        .default("global"),
    )
    .option(
      "--ratio <pattern=share>",
      "the share of units that may go of some groups, as 'layer2.*=0.3'; may be repeated, the last that fits counts",
      patternRatio,
    )
    .addOption(
      new Option(
        "--schedule <kind>",
        "the same number of units each time, or all planned: in equal steps, in smaller and smaller ones, at once",
      )
        .choices(scheduleKinds)
        .default("steady"),
    )
    .option("--removals <n>", "removals of a planned schedule", count, 25)
    .option("--every <n>", "minibatches between two removals", count, 10)
    .option("--units-per-step <n>", "units of each removal (default: 2 % of all)", count)
    .option(
      "--score-momentum <share>",
      "share of the old importances in their average over removals",
      numberIn(0, 1),
      0.9,
    )
    .option("--prune-learning-rate <rate>", "learning rate while pruning", positive, 0.01)
    .option("--epochs <n>", "passes over the training data after pruning", epochCount, 5)
    .option("--warm-up <steps>", "steps over which the learning rate of fine-tuning rises at first", epochCount, 0)
    .option("--distil <share>", "share of the original model's outputs in the loss of fine-tuning", numberIn(0, 1), 0)
    .option("--temperature <t>", "what logits are divided by to distil", positive, 4)
    .option("--evaluate-every <n>", "removals between two measurements on the test part of the data", count, 5)
    .option(
      "--evaluate-batches <n>",
      "minibatches of such a measurement; at the start and the end it is the whole part",
      count,
      16,
    )
    .option("-o, --output <file>", "the model to write")
    .option("--run <dir>", "the directory for the record of the run (default: the output's name, with .run)")
    .option("--checkpoint-every <seconds>", "seconds between two checkpoints of fine-tuning", notNegative, 30)
    .option("--force", "start anew where the directory holds a run that is not finished")
    .option("--resume <dir>", "go on with a run that was stopped; it ends in the same bytes")
    .option("--json", "print what was reached as JSON")
    .addHelpText(
      "after",
      `
Example:
  secateur prune model.onnx --data cifar10:data --macs 0.5 --epochs 5 --crop 4 --flip -o small.onnx
  secateur prune --resume small.run`,
    )
    .action(async (path: string | undefined, flags: PruneFlags) => {
      if (flags.resume === undefined) await start(path, flags, version, signal);
      else {
        const given = command.options.find((option) => {
          const name = option.attributeName();
          return command.getOptionValueSource(name) === "cli" && !withResume.has(name);
        });
        const first = path ?? given?.long;
        if (first !== undefined)
          fail("bad-option", `--resume goes on with what the run began with, and takes no ${first} besides`);
        await resume(flags.resume, flags.json === true, signal);
      }
    });
}

async function start(path: string | undefined, flags: PruneFlags, version: string, signal: AbortSignal): Promise<void> {
  if (path === undefined) fail("bad-option", "name the model: secateur prune MODEL --data ... -o ...");
  if (flags.data === undefined) fail("bad-option", "required option '--data <spec>' not specified");
  if (flags.output === undefined) fail("bad-option", "required option '-o, --output <file>' not specified");
  await checkWritable(flags.output);
  const { json, force, run: _run, resume: _resume, ...options } = flags;
  const config: RunConfig = {
    command: "prune",
    version,
    started: new Date().toISOString(),
    model: { path, sha256: await checksum(path) },
    options: { ...options },
    repeat: ["secateur", ...process.argv.slice(2)].map(quoted).join(" "),
    versions: { node: process.version.slice(1), machine: `${platform()} ${arch()}, ${cpus()[0]?.model ?? "unknown"}` },
  };
  const job = await openJob(path, flags);
  await using run = await createRun(flags.run ?? `${flags.output.replace(/\.onnx$/, "")}.run`, config, force === true);
  await work(run, flags, job, json === true, signal);
}

async function resume(dir: string, json: boolean, signal: AbortSignal): Promise<void> {
  await using run = await resumeRun(dir);
  const { model, options } = run.config;
  const flags = options as unknown as PruneFlags;
  if ((await checksum(model.path)) !== model.sha256)
    fail(
      "bad-model",
      `${model.path} is no more what it was when the run ${dir} began: a run goes on with the same model only`,
    );
  await checkWritable(flags.output);
  if (!run.checkpoint) note(`${dir} has no checkpoint yet: the run starts again`);
  await work(run, flags, await openJob(model.path, flags), json, signal);
}

/** What the work is done with. */
const openJob = async (path: string, flags: PruneFlags) => ({
  model: await readModelFile(path),
  data: await openData({ ...flags, data: flags.data! }, "train"),
  validation: flags.targets === "labels" ? await openValidation(flags) : undefined,
});

/** The test part of the data, where there is one. */
async function openValidation(flags: PruneFlags): Promise<Dataset | undefined> {
  try {
    return await openData({ ...flags, data: flags.data! }, "test");
  } catch (error) {
    note(`there is nothing to measure accuracy on: ${(error as Error).message}`);
    return undefined;
  }
}

type Opened = Awaited<ReturnType<typeof openJob>>;

async function work(run: Run, flags: PruneFlags, opened: Opened, json: boolean, signal: AbortSignal): Promise<void> {
  const { macs, params, bytes, units, schedule, removals } = flags;
  const budget = Object.fromEntries(
    Object.entries({ macs, params, bytes, units }).filter(([, value]) => value !== undefined),
  );
  using progress = createProgress("reading the model");
  const show = createShow(progress, flags);
  const { checkpoint } = run;
  const job = prune(opened.model, {
    ...learnOptions(flags, signal),
    ...shapesOf(flags),
    data: opened.data,
    validation: opened.validation,
    runtime: nodeRuntime,
    criterion: flags.criterion,
    budget,
    latency: flags.latency,
    scope: flags.scope,
    limits: limitsOf(flags, flags.ratio),
    roundTo: await roundingOf(flags.roundTo ?? (flags.latency === undefined ? 1 : "auto"), flags.device),
    schedule: schedule === "steady" ? undefined : { kind: schedule, removals },
    gates: flags.gates,
    targets: flags.targets,
    probes: flags.probes,
    maxLoss: flags.maxLoss,
    per: flags.per,
    every: flags.every,
    scoreMomentum: flags.scoreMomentum,
    pruneLearningRate: flags.pruneLearningRate,
    ...(flags.unitsPerStep === undefined ? {} : { unitsPerStep: flags.unitsPerStep }),
    epochs: flags.epochs,
    learningRate: flags.learningRate,
    warmUp: flags.warmUp,
    distil: flags.distil,
    temperature: flags.temperature,
    evaluateEvery: flags.evaluateEvery,
    evaluateBatches: flags.evaluateBatches,
    checkpoints: {
      from: checkpoint,
      every: flags.checkpointEvery,
      save: (pieces) => run.save(pieces),
      note: () => ({ told: run.told }),
      resumed: ({ told }) => run.rewind(Number(told)),
    },
    onEvent(event) {
      run.tell(event);
      show(event);
    },
  });
  const outcome = await job.result.catch((error: unknown) => {
    if (!signal.aborted || !run.begun) throw error;
    progress.done();
    throw new Interruption(`secateur prune --resume ${quoted(run.dir)} goes on`);
  });
  await writeModelFile(flags.output, outcome.model);
  const { model: _model, ...summary } = outcome;
  await run.finish({ ...summary, output: flags.output });
  progress.done();
  if (json) printJson({ ...numbersOf(outcome), output: flags.output, run: run.dir });
  else note(comparison(outcome));
  note(`-> ${flags.output}, and how it came about -> ${run.dir}`);
  if (outcome.end === "exhausted") note("the budget was not met: every group is down to its last unit");
  if (outcome.end === "max-loss") note(`pruning stopped because the loss passed ${flags.maxLoss}`);
  if (outcome.end === "exhausted" || (outcome.end === "max-loss" && Object.keys(budget).length > 0))
    process.exitCode = notMet;
}

const numbersOf = ({ end, removals, before, after }: PruneOutcome) => ({
  end,
  removals,
  units: after.units,
  before: { ...before.costs, ...before.evaluation, latency: before.latency },
  after: { ...after.costs, ...after.evaluation, latency: after.latency },
});

function comparison({ before, after }: PruneOutcome): string {
  const rows = [["", "before", "after", "ratio"]];
  for (const key of ["params", "macs", "bytes"] as const) {
    const [was, is] = [before.costs[key], after.costs[key]];
    rows.push([key, short(was), short(is), (is / was).toFixed(3)]);
  }
  if (before.latency && after.latency) {
    const [was, is] = [before.latency.median, after.latency.median];
    rows.push(["ms", was.toFixed(3), is.toFixed(3), (is / was).toFixed(3)]);
  }
  for (const key of ["top1", "top5"] as const) {
    const [was, is] = [before.evaluation?.[key], after.evaluation?.[key]];
    if (was !== undefined && is !== undefined) rows.push([key, percent(was), percent(is), ""]);
  }
  return table(rows);
}

/** Shows events on the progress line. */
function createShow(progress: ReturnType<typeof createProgress>, flags: PruneFlags): (event: PruneJobEvent) => void {
  let [all, reached] = [1, ""];
  let epochs: ReturnType<typeof reportEpochs> | undefined;
  return (event) => {
    switch (event.kind) {
      case "start":
        all = event.costs.macs;
        break;
      case "evaluation": {
        const { loss, top1 } = event.evaluation;
        const accuracy = top1 === undefined ? `loss ${loss.toFixed(4)}` : `top-1 ${percent(top1)}`;
        const at = {
          start: "at the start",
          removal: `after ${event.step} removals`,
          pruned: "pruned",
          end: "at the end",
        };
        progress.done(`${at[event.at]}: ${accuracy} with ${event.units} units`);
        break;
      }
      case "removal":
        reached = `removal ${event.step}, ${event.units} units, ${short(event.costs.macs)} MACs (${percent(event.costs.macs / all)}), `;
        progress.update(`${reached}loss ${event.loss.toFixed(4)}`);
        break;
      case "latency":
        if (event.start) progress.done(`one sample takes ${event.start.median.toFixed(2)} ms`);
        else progress.update(`time that groups save: ${event.done} of ${event.all}`);
        break;
      case "pruned":
        progress.done(`pruned in ${event.removals} removals to ${event.units} units, ${short(event.costs.macs)} MACs`);
        break;
      case "step":
        if (event.phase === "prune") progress.update(`${reached}loss ${event.loss.toFixed(4)}`);
        else (epochs ??= reportEpochs(progress, flags.batchSize))(event);
    }
  };
}

async function checksum(path: string): Promise<string> {
  const hash = createHash("sha256");
  try {
    await pipeline(createReadStream(path), hash);
  } catch (error) {
    fail("io", `${path}: ${describeIo(error)}`, error);
  }
  return hash.digest("hex");
}

/** A word as a shell takes it. */
const quoted = (word: string): string => (/^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);
