/** secateur prune: the paper's loop, then fine-tuning, with a record of both that can be gone on from. */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { arch, cpus, platform } from "node:os";
import { pipeline } from "node:stream/promises";
import type { Command } from "commander";
import type { Dataset } from "../../data/batches.ts";
import { fail } from "../../graph/error.ts";
import { prune } from "../../jobs/prune.ts";
import { checkWritable, describeIo } from "../../onnx/atomic-node.ts";
import { readModelFile, writeModelFile } from "../../onnx/files-node.ts";
import type { RunConfig } from "../../report/record.ts";
import { createRun, resumeRun, type Run } from "../../report/run-node.ts";
import { nodeRuntime } from "../../runtime/workers-node.ts";
import { limitsOf, roundingOf } from "../limits.ts";
import { learnOptions, openData, shapesOf } from "../options.ts";
import { createProgress, Interruption, note, noteTable, printJson } from "../output.ts";
import { withPruning, type PruneFlags } from "./prune-options.ts";
import { comparison, createShow, numbersOf } from "./prune-show.ts";

/** Exit code where the work was done but the budget was not met. */
const notMet = 1;

/** What `--resume` takes besides. */
const withResume = new Set(["resume", "json"]);

export function addPrune(program: Command, version: string, signal: AbortSignal): void {
  const command = withPruning(program.command("prune [model]")).action(
    async (path: string | undefined, flags: PruneFlags) => {
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
    },
  );
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
  validation: await openValidation(flags),
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
  const show = createShow(progress, flags.batchSize);
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
    maxDrop: flags.maxDrop,
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
      store: run,
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
  const { writeReport } = await import("../../report/report-node.ts");
  const report = await writeReport(run.dir);
  progress.done();
  if (json) printJson({ ...numbersOf(outcome), output: flags.output, run: run.dir });
  else noteTable(comparison(outcome));
  note(`-> ${flags.output}, and how it came about -> ${report}`);
  if (outcome.end === "exhausted")
    note(
      flags.maxDrop === undefined
        ? `the budget was not met: every group is down to what has to stay of it${(flags.minUnits ?? 1) > 0 ? "; with --min-units 0 groups can go as a whole" : ""}`
        : `no smaller model loses at most ${flags.maxDrop} points: what was written is the model as it was`,
    );
  if (outcome.end === "max-loss") note(`pruning stopped because the loss passed ${flags.maxLoss}`);
  if (outcome.end === "exhausted" || (outcome.end === "max-loss" && Object.keys(budget).length > 0))
    process.exitCode = notMet;
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
