/** Commands that leave a record of themselves behind, and can be gone on with from it. */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { arch, cpus, platform } from "node:os";
import { pipeline } from "node:stream/promises";
import type { Command } from "commander";
import type { Dataset } from "../data/batches.ts";
import { fail } from "../graph/error.ts";
import type { Model } from "../graph/graph.ts";
import type { Checkpoints } from "../jobs/checkpoints.ts";
import type { Job } from "../jobs/job.ts";
import { checkWritable, describeIo } from "../onnx/atomic-node.ts";
import { load } from "../jobs/load-node.ts";
import type { RunConfig } from "../report/record.ts";
import { createRun, resumeRun, type Run } from "../report/run-node.ts";
import { nodeRuntime } from "../runtime/workers-node.ts";
import { openMetric, type MetricFlags } from "./metric.ts";
import {
  learnOptions,
  notNegative,
  openData,
  shapesOf,
  type DataFlags,
  withOpset,
  type LearnFlags,
  type OpsetFlags,
  type ShapeFlags,
} from "./options.ts";
import { Interruption, note, noteFixedBatch } from "./output.ts";
import { createProgress, type Progress } from "./progress.ts";
import { word } from "./shell.ts";
import { writeModel } from "./write.ts";

export interface RecordFlags extends DataFlags, MetricFlags, OpsetFlags {
  readonly output: string;
  readonly run?: string;
  readonly checkpointEvery: number;
  readonly force?: boolean;
  readonly resume?: string;
  readonly json?: boolean;
}

/** Where the model and the record go. */
export const withRecord = (command: Command): Command =>
  withOpset(command.option("-o, --output <file>", "the model to write"))
    .option("--run <dir>", "the directory for the record of the run (default: the output's name, with .run)")
    .option(
      "--checkpoint-every <seconds>",
      "seconds between two checkpoints within an epoch of learning",
      notNegative,
      30,
    )
    .option("--force", "start anew where the directory holds a run that is not finished")
    .option("--resume <dir>", "go on with a run that was stopped; it ends in the same bytes")
    .option("--json", "print what was reached as JSON");

const reading = "reading model and data";

/** What `--resume` takes besides. */
const withResume = new Set(["resume", "json"]);

export type Opened = Awaited<ReturnType<typeof openWork>>;

/**
 * Makes a command begin a run, or go on with one.
 *
 * @param work does it, in the directory of the run
 */
export function actAsRun<F extends RecordFlags>(
  command: Command,
  version: string,
  work: (run: Run, flags: F, opened: Opened, json: boolean, progress: Progress) => Promise<void>,
): void {
  const name = command.name();
  const start = async (path: string | undefined, flags: F): Promise<void> => {
    if (path === undefined) fail("bad-option", `name the model: secateur ${name} MODEL --data ... -o ...`);
    if (flags.data === undefined) fail("bad-option", "required option '--data <spec>' not specified");
    if (flags.output === undefined) fail("bad-option", "required option '-o, --output <file>' not specified");
    await checkWritable(flags.output);
    using progress = createProgress(reading);
    const { json, force, run: dir, resume: _resume, ...options } = flags;
    const config: RunConfig = {
      command: name,
      version,
      started: new Date().toISOString(),
      model: { path, sha256: await checksum(path) },
      options: { ...options },
      repeat: ["secateur", ...process.argv.slice(2)].map(word).join(" "),
      versions: {
        node: process.version.slice(1),
        machine: `${platform()} ${arch()}, ${cpus()[0]?.model ?? "unknown"}`,
      },
    };
    const opened = await openWork(path, flags);
    await using run = await createRun(dir ?? `${flags.output.replace(/\.onnx$/, "")}.run`, config, force === true);
    await work(run, flags, opened, json === true, progress);
  };
  const resume = async (dir: string, json: boolean): Promise<void> => {
    using progress = createProgress(reading);
    await using run = await resumeRun(dir, name);
    const { model, options } = run.config;
    const flags = options as unknown as F;
    if ((await checksum(model.path)) !== model.sha256)
      fail(
        "bad-model",
        `${model.path} is no more what it was when the run ${dir} began: a run goes on with the same model only`,
      );
    await checkWritable(flags.output);
    if (!run.checkpoint) note(`${dir} has no checkpoint yet: the run starts again`);
    await work(run, flags, await openWork(model.path, flags), json, progress);
  };
  command.action(async (path: string | undefined, flags: F) => {
    if (flags.resume === undefined) {
      await start(path, flags);
      return;
    }
    const given = command.options.find((option) => {
      const key = option.attributeName();
      return command.getOptionValueSource(key) === "cli" && !withResume.has(key);
    });
    const first = path ?? given?.long;
    if (first !== undefined)
      fail("bad-option", `--resume goes on with what the run began with, and takes no ${first} besides`);
    await resume(flags.resume, flags.json === true);
  });
}

/** What the work is done with. */
const openWork = async (path: string, flags: RecordFlags) => ({
  model: await load(path),
  data: await openData({ ...flags, data: flags.data! }, "train"),
  validation: await openValidation(flags),
  metric: await openMetric(flags),
});

/** What the job of every run takes. */
export const runOptions = (
  flags: LearnFlags & ShapeFlags,
  { data, validation, metric }: Opened,
  signal: AbortSignal,
) => ({
  ...learnOptions(flags, signal),
  ...shapesOf(flags),
  onFixedBatch: noteFixedBatch,
  data,
  validation,
  metric,
  runtime: nodeRuntime,
});

/** The test part of the data, where there is one. */
async function openValidation(flags: RecordFlags): Promise<Dataset | undefined> {
  try {
    return await openData({ ...flags, data: flags.data! }, "test");
  } catch (error) {
    note(`there is nothing to measure accuracy on: ${(error as Error).message}`);
    return undefined;
  }
}

/** Where a job's checkpoints go, and come from; its events are told to the run besides. */
export const checkpointsOf = (run: Run, { checkpointEvery }: RecordFlags): Checkpoints => ({
  from: run.checkpoint,
  every: checkpointEvery,
  save: (pieces) => run.save(pieces),
  store: run,
  note: () => ({ told: run.told }),
  resumed: ({ told }) => run.rewind(Number(told)),
});

/** What comes of a job; where it was stopped, it is said how to go on. */
export const resultOf = async <R>(
  job: Job<unknown, R>,
  run: Run,
  progress: Progress,
  signal: AbortSignal,
): Promise<R> =>
  job.result.catch((error: unknown) => {
    if (!signal.aborted || !run.begun) throw error;
    progress.done();
    throw new Interruption(`secateur ${run.config.command} --resume ${word(run.dir)} goes on`);
  });

async function checksum(path: string): Promise<string> {
  const hash = createHash("sha256");
  try {
    await pipeline(createReadStream(path), hash);
  } catch (error) {
    fail("io", `${path}: ${describeIo(error)}`, error);
  }
  return hash.digest("hex");
}

/** Ends a run: writes the model, what came of it and the report, shows what was reached, and says where all that is. */
export async function closeRun<S extends { readonly output: string }>(
  run: Run,
  progress: Progress,
  model: Model,
  summary: S,
  show: () => void,
  flags: OpsetFlags,
): Promise<void> {
  await writeModel(summary.output, model, flags);
  await run.finish({ ...summary });
  const { writeReport } = await import("../report/report-node.ts");
  const report = await writeReport(run.dir);
  progress.done();
  show();
  note(`-> ${summary.output}, and how it came about -> ${report}`);
}
