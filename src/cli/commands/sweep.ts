/** secateur sweep: many prunings of one model, side by side, and what they come to. */

import { availableParallelism } from "node:os";
import { basename, join } from "node:path";
import { z } from "zod";
import type { Command } from "commander";
import { measureLatency } from "../../evaluate/timing.ts";
import { fail } from "../../graph/error.ts";
import { load } from "../../jobs/load-node.ts";
import { writeFileAtomic } from "../../onnx/atomic-node.ts";
import { count } from "../../options/kinds.ts";
import {
  cellsOf,
  csvOf,
  frontOf,
  headingsOf,
  metricOf,
  sweepPage,
  type Latencies,
  type SweepRow,
} from "../../report/sweep.ts";
import { readJson } from "../../report/report-node.ts";
import { doneRow, type PlannedRun, type SweepConfig } from "../../report/sweep-node.ts";
import { nodeRuntime } from "../../runtime/workers-node.ts";
import type { Commands, Context } from "../context.ts";
import { withExample } from "../help.ts";
import { flag, json, withGroup } from "../options/flag.ts";
import { Interruption, note, print, printJson, short, table } from "../output.ts";
import { createProgress, type Progress } from "../progress.ts";
import { checksum } from "../run.ts";
import { withExecutor, withQueue, type QueueFlags } from "../options/queue.ts";
import { runAll, type Watching } from "../sweep/children.ts";
import { estimate } from "../sweep/estimate.ts";
import { openSweep } from "../sweep/folder.ts";
import { flagsOfRun, readRuns, runsOf, withSwept } from "../sweep/grid.ts";
import { refuseWhatStays, runAllOn } from "../sweep/on-queue.ts";

interface SweepFlags extends QueueFlags {
  readonly data?: readonly string[];
  readonly output: string;
  readonly runs?: string;
  readonly atOnce?: number;
  readonly threads?: number;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** Exit code where a run failed. */
const someFailed = 1;

const howTo = `
An option of prune that is given several times is varied, and every combination is a run. The same command again goes
on where it was stopped. DIR gets a model, a record and a plan for each run, runs.csv and report.html.
--runs takes a list, [{ "macs": 0.5, "criterion": "oracle" }, ...], or a grid, { "macs": [0.7, 0.5], "seed": [0, 1] }.`;

function defineSweep(command: Command, context: Context): void {
  withSwept(command);
  withGroup(command, "Machine", [
    flag("--at-once <n>", count.describe("runs side by side (default: one for each core)")),
    flag("--threads <n>", count.max(256).describe("threads of each run (default: the cores, shared out)")),
  ]);
  withQueue(command);
  withGroup(command, "Output", [
    flag(
      "-o, --output <dir>",
      z.string().describe("folder of the runs and of what they come to"),
    ).makeOptionMandatory(),
    flag("--runs <file>", z.string().describe("runs as JSON: a list, or lists of values to combine")),
    flag("--dry-run", z.boolean().describe("say how many runs there are, and about how long they take")),
    json("print a line of JSON for each run"),
  ]);
  withExample(
    command,
    "secateur sweep model.onnx --data cifar10:data --macs 0.7 --macs 0.5 --seed 0 --seed 1 -o sweep",
    "secateur sweep model.onnx --data cifar10:data --macs 0.5 --criterion taylor-fo --criterion magnitude -o sweep",
  )
    .addHelpText("after", howTo)
    .action((path: string, flags: SweepFlags) => sweep(path, flags, context));
}

async function sweep(path: string, flags: SweepFlags, context: Context): Promise<void> {
  const { output: dir, json: asJson = false, dryRun = false } = flags;
  if (flags.data === undefined) fail("bad-option", "required option '--data <spec>' not specified");
  const runs = runsOf(flags, flags.runs === undefined ? [{}] : await readRuns(flags.runs));
  for (const run of runs) flagsOfRun(run);
  const onQueue = flags.queue !== undefined;
  if (onQueue) refuseWhatStays(runs);
  if (onQueue && flags.atOnce !== undefined)
    fail("bad-option", "--at-once is for runs of this machine; with --queue each worker says it of its own");
  const cores = availableParallelism();
  const atOnce =
    flags.atOnce ?? (onQueue ? 1 : Math.max(1, Math.min(runs.length, Math.floor(cores / (flags.threads ?? 1)))));
  const threads = flags.threads ?? Math.max(1, Math.floor(cores / atOnce));
  const wanted = { version: context.version, model: { path, sha256: await checksum(path) }, threads, runs };
  using progress = createProgress("reading model and data");
  if (dryRun) {
    const found = await estimate(wanted, atOnce, context, progress, onQueue);
    progress.done();
    if (asJson) printJson(found);
    else if (found.bytesOfData !== undefined)
      print(
        `${runs.length} jobs: about ${minutesOf(found.minutes)} for one worker as fast as this machine with ` +
          `${threads} thread${threads === 1 ? "" : "s"}; about ${short(found.bytesOfData)} bytes of data through the ` +
          `store and to each worker once, and at most ${short(found.bytes)} bytes of models back`,
      );
    else
      print(
        `${runs.length} runs, ${atOnce} at once with ${threads} thread${threads === 1 ? "" : "s"} each: about ` +
          `${minutesOf(found.minutes)}, and at most ${short(found.bytes)} bytes of models ` +
          `(${short(found.bytesWhile)} while runs go on)`,
      );
    return;
  }
  const config = await openSweep(dir, wanted);
  if (!onQueue)
    return go(dir, config, asJson, context, progress, (left, watching) =>
      runAll(dir, config, left, atOnce, context.signal, watching),
    );
  return withExecutor(flags, (executor) => {
    const sweep = { executor, dir, config, threads: flags.threads, context };
    return go(dir, config, asJson, context, progress, (left, watching) => runAllOn(sweep, left, watching));
  });
}

const minutesOf = (minutes: number): string =>
  minutes < 1 ? `${Math.max(1, Math.round(minutes * 60))} s` : `${Math.round(minutes)} min`;

async function go(
  dir: string,
  config: SweepConfig,
  asJson: boolean,
  context: Context,
  progress: Progress,
  doAll: (left: readonly PlannedRun[], watching: Watching) => Promise<void>,
): Promise<void> {
  const { runs } = config;
  const varied = [...new Set(runs.flatMap((run) => Object.keys(run.varied)))];
  const rows = new Map<string, SweepRow>();
  const failed = new Map<string, string>();
  const tell = createTeller(varied, asJson);
  const going = new Set<string>();
  const show = (): void =>
    progress.update(`${rows.size} of ${runs.length} runs done, going on: ${[...going].join(", ")}`);
  for (const run of runs) {
    const row = await doneRow(dir, run);
    if (!row) continue;
    rows.set(run.name, row);
    tell(row);
  }
  const left = runs.filter(({ name }) => !rows.has(name));
  if (rows.size > 0) note(`${rows.size} of ${runs.length} runs were done before`);
  await doAll(left, {
    onStart({ name }) {
      going.add(name);
      show();
    },
    onEnd(ended) {
      going.delete(ended.run.name);
      progress.done();
      if ("row" in ended) {
        rows.set(ended.run.name, ended.row);
        tell(ended.row);
      } else {
        failed.set(ended.run.name, ended.failed);
        note(`${ended.run.name} failed: ${ended.failed}`);
      }
      if (going.size > 0) show();
    },
  });
  if (context.signal.aborted) throw new Interruption("the same command goes on");
  const inOrder = runs.flatMap(({ name }) => rows.get(name) ?? []);
  const latencies = await latenciesOf(dir, config, inOrder, progress);
  await writeFileAtomic(join(dir, "runs.csv"), csvOf(inOrder, varied, latencies));
  const report = join(dir, "report.html");
  const page = sweepPage(basename(config.model.path), inOrder, failed, varied, latencies);
  await writeFileAtomic(report, page);
  progress.done();
  const front = frontOf(inOrder, ({ macs }) => macs).map(({ run }) => run);
  if (front.length > 0) note(`no other run beats ${front.join(", ")}`);
  note(`-> ${report}, and ${join(dir, "runs.csv")}`);
  if (failed.size === 0) return;
  note(`${failed.size} of ${runs.length} runs failed: the same command tries them again`);
  process.exitCode = someFailed;
}

/** Prints rows as they come, under one heading. */
function createTeller(varied: readonly string[], asJson: boolean): (row: SweepRow) => void {
  let widths: number[] | undefined;
  return (row) => {
    if (asJson) {
      print(JSON.stringify(row));
      return;
    }
    const [heading, cells] = [headingsOf(varied, metricOf([row])), cellsOf(row, varied)];
    const isFirst = widths === undefined;
    widths ??= heading.map((text, i) => Math.max(text.length, cells[i]!.length + 4));
    const padded = (texts: readonly string[]) => texts.map((text, i) => text.padStart(i === 0 ? 0 : widths![i]!));
    const lines = table([padded(heading), padded(cells)]).split("\n");
    if (isFirst) print(lines[0]!);
    print(lines[1]!);
  };
}

const latencyFile = "latency.json";

/** What one sample takes each model, measured in turns once all else is done; "" is the original. */
async function latenciesOf(
  dir: string,
  { model, threads }: SweepConfig,
  rows: readonly SweepRow[],
  progress: Progress,
): Promise<Latencies> {
  const known = await readJson<Latencies>(join(dir, latencyFile));
  if (known && rows.every(({ run }) => run in known)) return known;
  const models = [];
  for (const path of [model.path, ...rows.map((row) => row.model)]) models.push(await load(path));
  const found = await measureLatency(nodeRuntime, models, {
    threads,
    rounds: 20,
    onProgress: (done, all) => progress.update(`latency: round ${done} of ${all}`),
  });
  const latencies = Object.fromEntries(["", ...rows.map(({ run }) => run)].map((run, i) => [run, found[i]!]));
  await writeFileAtomic(join(dir, latencyFile), `${JSON.stringify(latencies)}\n`);
  return latencies;
}

export const commands: Commands = { sweep: defineSweep };
