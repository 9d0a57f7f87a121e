/** The runs of a sweep that workers of a queue do, with the folder that runs of this machine leave. */

import { appendFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "../../graph/error.ts";
import { writeFileAtomic } from "../../onnx/atomic-node.ts";
import { lossesOf } from "../../options/loss.ts";
import { formatPlan } from "../../prune/select/plan.ts";
import { PruningsOn, type PrunedOn } from "../../queue/prune-on.ts";
import { createRun } from "../../report/run-node.ts";
import type { Executor, TaskEvent } from "../../distribute/task.ts";
import { jobOptions } from "../commands/prune-job.ts";
import type { PruneFlags } from "../commands/prune-options.ts";
import type { Context } from "../context.ts";
import { isModule, openMetric } from "../metric.ts";
import { inFlags } from "../flags.ts";
import { note } from "../output.ts";
import { configOf, keepRun, openWork, type Opened } from "../run.ts";
import { unprovedPath } from "../write.ts";
import type { Ended, Watching } from "./children.ts";
import { doneRow, placesOf, type PlannedRun, type SweepConfig } from "../../report/sweep-node.ts";
import { flagsOfRun } from "./grid.ts";

/** @throws SecateurError `unsupported` naming what of a run does not travel to other machines, and what to do */
export function refuseWhatStays(runs: readonly PlannedRun[]): void {
  for (const run of runs) {
    const { data = "", metric, loss } = flagsOfRun(run);
    const stays = (what: string, instead: string): never =>
      fail("unsupported", `${what} does not travel: ${instead}, or sweep without --queue`);
    if (data.startsWith("module:")) stays(`--data ${data} is code of yours, which`, "write its samples to a .npz file");
    if (metric !== undefined && isModule(metric))
      stays(`--metric ${metric} is code of yours, which`, "name a metric that Secateur has");
    if (loss !== "auto" && lossesOf(loss).some(({ kind }) => kind === "file"))
      stays("a --loss of a file", "name a loss that Secateur has");
  }
}

/** What all runs need. */
interface Sweep {
  readonly executor: Executor;
  readonly dir: string;
  readonly config: SweepConfig;
  /** Of each run; those of its worker where none are named. */
  readonly threads: number | undefined;
  readonly context: Context;
}

/** Hands out all runs, and writes what comes back as it comes. */
export async function runAllOn(sweep: Sweep, runs: readonly PlannedRun[], watching: Watching): Promise<void> {
  const prunings = new PruningsOn(sweep.executor);
  const opened = createOpener(sweep);
  const work = async (run: PlannedRun): Promise<void> => {
    const ended = await runOne(sweep, prunings, opened, run, watching);
    if (!sweep.context.signal.aborted) watching.onEnd(ended);
  };
  await Promise.all(runs.map(work));
}

type Opener = (flags: PruneFlags) => Promise<Opened>;

/** Opens the model, and its data once for all runs that say the same of it. */
function createOpener({ config: { model }, context }: Sweep): Opener {
  const known = new Map<string, Promise<Opened>>();
  return async (flags) => {
    const { data, mean, std, scale, preset, size, resize, layout, channels, strict, classes } = flags;
    const key = JSON.stringify([data, mean, std, scale, preset, size, resize, layout, channels, strict, classes]);
    const { metric: _, ...shared } = flags;
    const opened = known.get(key) ?? openWork(model.path, shared, context);
    known.set(key, opened);
    return { ...(await opened), metric: await openMetric(flags) };
  };
}

async function runOne(
  { dir, config, threads, context }: Sweep,
  prunings: PruningsOn,
  open: Opener,
  run: PlannedRun,
  { onStart }: Watching,
): Promise<Ended> {
  const { log } = placesOf(dir, run);
  await writeFile(log, "");
  let logged: Promise<void> = Promise.resolve();
  const say = (text: string): void => {
    logged = logged.then(() => appendFile(log, `${new Date().toISOString()} ${text}\n`));
  };
  const tell = (event: TaskEvent): void => {
    const who = event.worker === undefined ? "" : ` by ${event.worker}`;
    if (event.kind === "taken") onStart(run);
    if (event.kind === "lost" || event.kind === "retried" || event.kind === "repaired") {
      say(`${event.kind}${who}: ${event.why}`);
      note(`${run.name}${who}: ${event.why}; it goes on from its last checkpoint, if it has one`);
    } else say(`${event.kind}${who}${event.kind === "done" ? ` in ${event.seconds.toFixed(1)} s` : ""}`);
  };
  try {
    const flags: PruneFlags = { ...flagsOfRun(run), threads: config.threads };
    const opened = await open(flags);
    const options = { ...jobOptions(flags, opened, context), threads };
    const found = await prunings.prune(run.name, opened.model, options, { signal: context.signal, onEvent: tell });
    await write(dir, config, run, flags, opened, found, context);
    const row = await doneRow(dir, run);
    return row ? { run, row } : fail("internal", `${run.name} left no record`);
  } catch (error) {
    const failed = inFlags(error instanceof Error ? error.message : String(error));
    if (!context.signal.aborted) say(`failed: ${failed}`);
    return { run, failed };
  } finally {
    await logged;
  }
}

/** Writes the model and the record of a run, as the process of a run does. */
async function write(
  dir: string,
  { model: { path }, threads }: SweepConfig,
  planned: PlannedRun,
  flags: PruneFlags,
  { unmeasured }: Opened,
  { model, outcome, events }: PrunedOn,
  context: Context,
): Promise<void> {
  const places = placesOf(dir, planned);
  const words = ["prune", path, ...planned.words, "--threads", String(threads), "-o", places.model];
  const options = { ...flags, output: places.model };
  const config = await configOf("prune", path, places.run, options, [...words, "--run", places.run], context);
  await using run = await createRun(places.run, { ...config, ...(unmeasured !== undefined && { unmeasured }) }, true);
  for (const { time, event } of events) run.tell(event, time);
  const { kept, removal, ...summary } = outcome;
  const output = outcome.unproved === undefined ? places.model : unprovedPath(places.model);
  await keepRun(run, model, { ...summary, output }, flags, kept);
  await writeFileAtomic(join(run.dir, "plan.json"), formatPlan(removal));
}
