/** The processes of a sweep: each run is a `secateur prune` of its own, so many at once as there are cores for. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { open, readFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { doneRow, placesOf, type PlannedRun, type SweepConfig } from "../../report/sweep-node.ts";
import { holderOf, isBegun } from "./folder.ts";
import type { SweepRow } from "../../report/sweep.ts";

const main = fileURLToPath(new URL("../main.js", import.meta.url));

/** What became of a run. */
export type Ended = { readonly run: PlannedRun } & ({ readonly row: SweepRow } | { readonly failed: string });

/** Who is told of runs. */
export interface Watching {
  onStart(run: PlannedRun): void;
  onEnd(ended: Ended): void;
}

/** Seconds that the process of a sweep that was killed may take to notice. */
const patience = 60;

/** Goes through runs, so many at once. */
export async function runAll(
  dir: string,
  config: SweepConfig,
  runs: readonly PlannedRun[],
  atOnce: number,
  signal: AbortSignal,
  { onStart, onEnd }: Watching,
): Promise<void> {
  const waiting = [...runs];
  const work = async (): Promise<void> => {
    for (let run = waiting.shift(); run && !signal.aborted; run = waiting.shift()) {
      onStart(run);
      const ended = await runOne(dir, config, run, signal);
      if (!signal.aborted) onEnd(ended);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, runs.length) }, work));
}

async function runOne(dir: string, config: SweepConfig, run: PlannedRun, signal: AbortSignal): Promise<Ended> {
  const { model, run: record, log } = placesOf(dir, run);
  for (let second = 0; second < patience && (await holderOf(dir, run)) !== undefined; second += 0.5) await wait(500);
  const threads = ["--threads", String(config.threads)];
  const words = isBegun(dir, run)
    ? ["prune", "--resume", record, ...threads]
    : ["prune", config.model.path, ...run.words, ...threads, "-o", model, "--run", record];
  // What comes of a run follows from its words alone.
  const code = await child(["--no-config", ...words], log, signal);
  const row = await doneRow(dir, run);
  return row ? { run, row } : { run, failed: await reasonIn(log, code) };
}

/** Runs a command of our own, and gives its exit code. */
async function child(words: readonly string[], log: string, signal: AbortSignal): Promise<number> {
  await using file = await open(log, "w");
  // The channel tells the child when this process is gone.
  const started = spawn(process.execPath, [main, ...words], { stdio: ["ignore", "ignore", file.fd, "ipc"] });
  const stop = (): void => void started.kill("SIGTERM");
  signal.addEventListener("abort", stop);
  try {
    const [code] = (await once(started, "exit")) as [number | null];
    return code ?? -1;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** The last that a run said. */
async function reasonIn(log: string, code: number): Promise<string> {
  const said = (await readFile(log, "utf8")).trim().split("\n").at(-1) ?? "";
  return said.replace(/^secateur: /, "") || `it ended with exit code ${code}; ${log} is what it said`;
}
