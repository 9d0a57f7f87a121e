/** Commands that leave a record of themselves behind, and can be gone on with from it. */

import { z } from "zod";
import { checkpointEvery } from "../options/machine.ts";
import { flag, json, output, withGroup } from "./options/flag.ts";
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { arch, cpus, platform } from "node:os";
import { resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Command } from "commander";
import { withPath } from "../data/spec-node.ts";
import { fail } from "../graph/error.ts";
import type { Model } from "../graph/graph.ts";
import type { Checkpoints } from "../jobs/checkpoints.ts";
import type { Job } from "../jobs/job.ts";
import { checkWritable, describeIo } from "../onnx/atomic-node.ts";
import { load } from "../jobs/load-node.ts";
import type { KeptUnits } from "../prune/select/plan.ts";
import type { RunConfig } from "../report/record.ts";
import type { WrittenReport } from "../report/report-node.ts";
import { withFiles } from "../options/loss-text.ts";
import { shownAddress } from "../queue/address-node.ts";
import { find, findFolder, placesOf, type Places } from "../report/relocate-node.ts";
import { createRun, resumeRun, type Run } from "../report/run-node.ts";
import type { Context } from "./context.ts";
import { isModule, openMetric, type MetricFlags } from "./metric.ts";
import { openData, type DataFlags } from "./options/data.ts";
import { learnOptions, type LearnFlags } from "./options/learning.ts";
import { runningOf, type RunFlags } from "./options/machine.ts";
import type { QueueFlags } from "./options/queue.ts";
import { withOpset, type OpsetFlags, type ShapeFlags } from "./options/model.ts";
import { Interruption, note } from "./output.ts";
import { checkOutput } from "./output-file.ts";
import { createProgress, type Progress } from "./progress.ts";
import { word } from "../report/shell.ts";
import { openValidation } from "./validation.ts";
import { writeModel } from "./write.ts";

export interface RecordFlags extends DataFlags, MetricFlags, OpsetFlags, Partial<QueueFlags>, Pick<RunFlags, "loss"> {
  readonly output: string;
  readonly run?: string;
  readonly checkpointEvery: number;
  readonly force?: boolean;
  readonly resume?: string;
  readonly json?: boolean;
  readonly dryRun?: boolean;
  /** Further files that a run may read. */
  readonly teacher?: string;
  readonly kept?: string;
}

/** Where the model and the record go. */
export const withRecord = (command: Command): Command =>
  withOpset(
    withGroup(
      command,
      "Output",
      [
        output("the model to write"),
        flag("--resume <dir>", z.string().describe("go on with a run that was stopped")),
        json("print what was reached as JSON"),
      ],
      [
        flag("--run <dir>", z.string().describe("folder of the record (default: the output's name, with .run)")),
        flag("--force", z.boolean().describe("replace the record of an earlier run; overwrite the model that is read")),
        flag("--checkpoint-every <seconds>", checkpointEvery),
      ],
    ),
  );

const reading = "reading model and data";

/** What of a machine a run can go on with that is not what it began with. */
const ofMachine = ["threads", "device", "workers"];
/** Where work is shared out, which decides on nothing but time. */
const ofQueue = ["queue", "queueCa", "store", "storeEndpoint", "cache", "cacheSize"];
/** What `--resume` takes besides. */
const withResume = new Set(["resume", "json", ...ofMachine, ...ofQueue]);

export type Opened = Awaited<ReturnType<typeof openWork>>;

/**
 * Makes a command begin a run, or go on with one.
 *
 * @param work does it, in the directory of the run
 * @param dryRun says what it would take, where the command has a flag for that
 */
export function actAsRun<F extends RecordFlags>(
  command: Command,
  context: Context,
  work: (run: Run, flags: F, opened: Opened, json: boolean, progress: Progress) => Promise<void>,
  dryRun?: (flags: F, opened: Opened, json: boolean, progress: Progress) => Promise<void>,
): void {
  const name = command.name();
  const start = async (path: string | undefined, flags: F): Promise<void> => {
    if (path === undefined) fail("bad-option", `name the model: secateur ${name} MODEL --data ... -o ...`);
    if (flags.data === undefined) fail("bad-option", "required option '--data <spec>' not specified");
    if (flags.dryRun === true && dryRun) {
      using progress = createProgress(reading);
      await dryRun(flags, await openWork(path, flags, context), flags.json === true, progress);
      return;
    }
    if (flags.output === undefined) fail("bad-option", "required option '-o, --output <file>' not specified");
    await checkOutput(flags.output, [path], flags);
    using progress = createProgress(reading);
    const { json, force, run: dir, resume: _resume, ...options } = flags;
    const runDir = dir ?? `${flags.output.replace(/\.onnx$/, "")}.run`;
    const config = await configOf(name, path, runDir, options, process.argv.slice(2), context);
    const opened = await openWork(path, flags, context);
    const { unmeasured } = opened;
    await using run = await createRun(runDir, { ...config, ...(unmeasured && { unmeasured }) }, force === true);
    await work(run, flags, opened, json === true, progress);
  };
  const resume = async (dir: string, json: boolean, machine: Partial<F>): Promise<void> => {
    using progress = createProgress(reading);
    await using run = await resumeRun(dir, name);
    const places = placesOf(run.config, dir);
    const began = run.config.options as unknown as F;
    const flags = { ...found(began, places), ...machine };
    const path = await findModel(run.config.model, places, dir);
    await checkWritable(flags.output);
    noteOthers(began, machine);
    if (!run.checkpoint) note(`${dir} has no checkpoint yet: the run starts again`);
    await work(run, flags, await openWork(path, flags, context), json, progress);
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
    const machine = [...ofMachine, ...ofQueue].filter((key) => command.getOptionValueSource(key) === "cli");
    const chosen = Object.fromEntries(machine.map((key) => [key, flags[key as keyof F]])) as Partial<F>;
    await resume(flags.resume, flags.json === true, chosen);
  });
}

/** A word of the command line as others may read it. */
const hidden = (text: string): string =>
  text.replace(
    /^(--queue=)?((?:(?:redis|valkey)s?|postgres(?:ql)?):.*)$/is,
    (_, flag = "", address) => `${flag}${shownAddress(address)}`,
  );

/**
 * Flags as the record has them. An address with a password is read from the environment when the run goes on, which may
 * be in another folder.
 */
const recorded = (flags: object): Record<string, unknown> => {
  const { queue, queueCa, store, cache, cacheSize, ...others } = flags as QueueFlags;
  const isSecret = typeof queue === "string" && shownAddress(queue) !== queue;
  const isFolder = store !== undefined && !store.startsWith("s3://");
  return {
    ...others,
    ...(queue !== undefined && { queue: isSecret ? true : queue, cacheSize }),
    ...(store !== undefined && { store: isFolder ? resolve(store) : store }),
    ...(cache !== undefined && { cache: resolve(cache) }),
    ...(queueCa !== undefined && { queueCa: resolve(queueCa) }),
  };
};

/** How a run was asked for. No record has the password of a queue. */
export const configOf = async (
  command: string,
  path: string,
  dir: string,
  options: object,
  words: readonly string[],
  { version }: Context,
): Promise<RunConfig> => ({
  command,
  version,
  started: new Date().toISOString(),
  model: { path, sha256: await checksum(path) },
  folder: process.cwd(),
  dir: resolve(dir),
  options: recorded(options),
  repeat: ["secateur", ...words.map(hidden)].map(word).join(" "),
  versions: {
    node: process.version.slice(1),
    machine: `${platform()} ${arch()}, ${cpus()[0]?.model ?? "unknown"}`,
  },
});

/** The flags that a run began with, with its files where they are now. */
const found = <F extends RecordFlags>(flags: F, places: Places): F => ({
  ...flags,
  output: findFolder(places(flags.output)),
  data: withPath(flags.data!, (path) => find(places(path))),
  loss: withFiles(flags.loss, (path) => find(places(path))),
  ...(flags.classes !== undefined && {
    classes: places(flags.classes).find((place) => existsSync(place)) ?? flags.classes,
  }),
  ...(flags.metric !== undefined && isModule(flags.metric) && { metric: find(places(flags.metric)) }),
  ...(flags.teacher !== undefined && { teacher: find(places(flags.teacher)) }),
  ...(flags.kept !== undefined && { kept: find(places(flags.kept)) }),
});

/** The model that a run began with, wherever it is now. */
async function findModel({ path, sha256 }: RunConfig["model"], places: Places, dir: string): Promise<string> {
  const there = places(path).filter((place) => existsSync(place));
  for (const place of there) if ((await checksum(place)) === sha256) return place;
  const [first] = there;
  return first === undefined
    ? fail("io", `the model of the run ${dir} is not there any more: looked for ${places(path).join(", ")}`)
    : fail(
        "bad-model",
        `${first} is no more what it was when the run ${dir} began: a run goes on with the same model only`,
      );
}

/** Says that a run goes on with something else than it began with. */
function noteOthers(began: object, machine: object): void {
  const before = new Map(Object.entries(began));
  const others = Object.entries(machine).filter(([key, value]) => ofMachine.includes(key) && before.get(key) !== value);
  const told = others.map(([key, value]) => `--${key} ${String(value)} instead of ${String(before.get(key))}`);
  if (told.length > 0)
    note(`it goes on with ${told.join(", ")}: its bytes may differ from those of a run that was never stopped`);
}

/** What the work is done with. */
export const openWork = async (path: string, flags: RecordFlags, context: Context) => {
  const model = await load(path);
  return {
    model,
    data: await openData({ ...flags, data: flags.data! }, "train", model, context),
    ...(await openValidation({ ...flags, data: flags.data! }, model, context)),
    metric: await openMetric(flags),
  };
};

/** What the job of every run takes. */
export const runOptions = (
  flags: LearnFlags & ShapeFlags & DataFlags,
  { data, validation, metric }: Opened,
  context: Context,
) => ({
  ...learnOptions(flags),
  ...runningOf(flags, context),
  data,
  validation,
  metric,
  labelsAreRight: flags.labelsAreRight,
});

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
  { signal }: Context,
): Promise<R> =>
  job.result.catch((error: unknown) => {
    if (!signal.aborted || !run.begun) throw error;
    progress.done();
    throw new Interruption(`secateur ${run.config.command} --resume ${word(run.dir)} goes on`);
  });

/** SHA-256 of a file. */
export async function checksum(path: string): Promise<string> {
  const hash = createHash("sha256");
  try {
    await pipeline(createReadStream(path), hash);
  } catch (error) {
    fail("io", `${path}: ${describeIo(error)}`, error);
  }
  return hash.digest("hex");
}

/** Writes the model of a run that is done, what came of it, and the report. */
export async function keepRun<S extends { readonly output: string }>(
  run: Run,
  model: Model,
  summary: S,
  flags: OpsetFlags,
  kept?: KeptUnits,
): Promise<WrittenReport> {
  await writeModel(summary.output, model, flags);
  const inputs = model.graph.inputs.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
  await run.finish({ ...summary, inputs }, kept);
  const { writeReport } = await import("../report/report-node.ts");
  return writeReport(run.dir);
}

/** Ends a run: writes the model, what came of it and the report, shows what was reached, and says where all that is. */
export async function closeRun<S extends { readonly output: string }>(
  run: Run,
  progress: Progress,
  model: Model,
  summary: S,
  show: () => void,
  flags: OpsetFlags,
  kept?: KeptUnits,
): Promise<void> {
  const { path: report, next } = await keepRun(run, model, summary, flags, kept);
  progress.done();
  show();
  const { unmeasured } = run.config;
  if (unmeasured !== undefined) note(`no accuracy was measured: ${unmeasured}`);
  note(`-> ${summary.output}, and how it came about -> ${report}`);
  if (next) note(`next: ${next.text}`);
}
