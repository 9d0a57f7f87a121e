/** The folder of a sweep: `sweep.json` says what its runs are, and each run has its model, its record and its log. */

import { existsSync } from "node:fs";
import { mkdir, readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "../../graph/error.ts";
import { describeIo, writeFileAtomic } from "../../onnx/atomic-node.ts";
import { readRun } from "../../report/report-node.ts";
import { files } from "../../report/run-node.ts";
import type { PruneSummary } from "../../report/record.ts";
import { rowOf, type SweepRow } from "../../report/sweep.ts";
import type { PlannedRun } from "./grid.ts";

/** What a sweep is of. */
export interface SweepConfig {
  readonly version: string;
  readonly model: { readonly path: string; readonly sha256: string };
  /** Threads of each run: others would change the last digits. */
  readonly threads: number;
  readonly runs: readonly PlannedRun[];
}

const configFile = "sweep.json";

/** Where the files of a run lie. */
export const placesOf = (dir: string, { name }: Pick<PlannedRun, "name">) => ({
  model: join(dir, `${name}.onnx`),
  run: join(dir, `${name}.run`),
  log: join(dir, `${name}.log`),
});

/**
 * Begins a sweep in a folder, or goes on with the same one that is there.
 *
 * @returns as the sweep was begun
 * @throws SecateurError `bad-option` where the folder holds another sweep, or something else
 */
export async function openSweep(dir: string, wanted: SweepConfig): Promise<SweepConfig> {
  const path = join(dir, configFile);
  const known = await readJson<SweepConfig>(path);
  if (known) {
    const reason = difference(known, wanted);
    if (reason !== undefined)
      fail("bad-option", `${dir} holds another sweep: ${reason}; give the options that it began with, or another -o`);
    return known;
  }
  const there = await readdir(dir).catch(() => []);
  if (there.length > 0) fail("bad-option", `${dir} is there and is no sweep: give another folder by -o`);
  await mkdir(dir, { recursive: true });
  await writeFileAtomic(path, `${JSON.stringify(wanted, undefined, 2)}\n`);
  return wanted;
}

function difference(known: SweepConfig, wanted: SweepConfig): string | undefined {
  if (known.version !== wanted.version) return `it began with Secateur ${known.version}, and this is ${wanted.version}`;
  if (known.model.sha256 !== wanted.model.sha256) return `it is of another model than ${wanted.model.path}`;
  const [old, now] = [known, wanted].map(({ runs }) => runs.map(({ words }) => words.join(" ")));
  const missing = now!.find((one) => !old!.includes(one));
  if (missing !== undefined) return `it has no run "${missing}"`;
  const extra = old!.find((one) => !now!.includes(one));
  return extra === undefined ? undefined : `it has the run "${extra}" too`;
}

/** Whether there is something of a run to go on with. */
export const isBegun = (dir: string, run: PlannedRun): boolean =>
  existsSync(join(placesOf(dir, run).run, files.config));

/** What a run came to; nothing where it is not finished. */
export async function doneRow(dir: string, run: PlannedRun): Promise<SweepRow | undefined> {
  const places = placesOf(dir, run);
  if (!existsSync(join(places.run, files.summary))) return undefined;
  const { summary } = await readRun(places.run);
  const plan = join(places.run, "plan.json");
  return rowOf(run, summary as PruneSummary, existsSync(plan) ? plan : undefined);
}

/** The process that a run is going on in, if there is one. */
export async function holderOf(dir: string, run: PlannedRun): Promise<number | undefined> {
  const pid = Number(await readFile(join(placesOf(dir, run).run, files.lock), "utf8").catch(() => "0"));
  try {
    return pid > 0 && process.kill(pid, 0) ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** What a file of JSON holds; nothing where there is none. */
export async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as T;
  } catch (error) {
    if (error instanceof SyntaxError) fail("io", `${path} is damaged: it is not JSON`, error);
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    return fail("io", `${path}: ${describeIo(error)}`, error);
  }
}
