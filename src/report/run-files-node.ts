/**
 * The directory of a run: everything needed to know what was done, to look at it, and to go on.
 *
 * - `config.json`: the command with all its options as they were resolved, the model's checksum, versions, the seed
 * - `events.jsonl`: what happened, one JSON object a line
 * - `checkpoint.safetensors`: where the run stands
 * - `points/`: models on the way that a search goes back to; there while it lasts
 * - `plans/0001.json`: the units that each removal took, in the numbering of before it
 * - `kept.json`: the units of each group that are left, in the numbering of the start; of a finished run of prune
 * - `summary.json`: what was reached; there when the run is finished
 * - `report.html` and `events.out.tfevents.*`: all of it for people and for TensorBoard, written by {@link writeReport}
 * - `beginning.json` and `beginning.jsonl`: configuration and events of a run that has no checkpoint yet; with the
 *   first one they take the place of whatever record was there
 */

import { openSync } from "node:fs";
import { readFile, readdir, rename, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fail } from "../graph/error.ts";
import { writeFileAtomic } from "../onnx/atomic-node.ts";

/** What lies in the directory of a run. */
export const files = {
  config: "config.json",
  events: "events.jsonl",
  checkpoint: "checkpoint.safetensors",
  kept: "kept.json",
  summary: "summary.json",
  report: "report.html",
  points: "points",
  lock: "lock",
  early: "beginning.json",
  earlyEvents: "beginning.jsonl",
} as const;

export const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** Whether a run has come to its end. */
export const isFinished = (dir: string): Promise<boolean> => exists(join(dir, files.summary));

/** Whether a run goes on that has no checkpoint yet: its record is that of {@link files}.early. */
export const isEarly = async (dir: string): Promise<boolean> =>
  (await exists(join(dir, files.early))) && (await holderOf(dir)) !== undefined;

/** What a process leaves that is killed as it begins a run. */
const ofBeginning: ReadonlySet<string> = new Set([files.lock, files.early, files.earlyEvents]);

/** The end of the name of a file that is being written. */
const unfinished = /\.tmp$/;

/** Whether something is there but an empty folder, or what a process left that was killed as it began a run. */
export async function hasFiles(dir: string): Promise<boolean> {
  try {
    return (await readdir(dir)).some((name) => !ofBeginning.has(name) && !unfinished.test(name));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ENOENT";
  }
}

/** Removes what a process that was killed had not written to its end. */
export async function sweep(dir: string): Promise<void> {
  for (const name of await readdir(dir, { recursive: true }))
    if (unfinished.test(name) || name === files.early || name === files.earlyEvents)
      await rm(join(dir, name), { force: true });
}

/** One process a run: the lock names it, and a process that is gone holds none. */
export async function lock(dir: string): Promise<void> {
  const holder = await holderOf(dir);
  if (holder !== undefined && holder !== process.pid)
    fail("bad-option", `the run ${dir} is going on in process ${holder}`);
  await writeFileAtomic(join(dir, files.lock), String(process.pid));
}

/** The process of this machine that a run is going on in, if there is one. */
export async function holderOf(dir: string): Promise<number | undefined> {
  const holder = Number(await readFile(join(dir, files.lock), "utf8").catch(() => "0"));
  return holder > 0 && isAlive(holder) ? holder : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** The record of a run that has just begun becomes that of the directory. */
export async function replaceRecord(dir: string, config: string): Promise<number> {
  const told = (await readdir(dir)).filter((name) => name.startsWith("events.out.tfevents."));
  for (const name of [
    files.events,
    files.checkpoint,
    files.kept,
    files.summary,
    "plans",
    files.points,
    files.report,
    ...told,
  ])
    await rm(join(dir, name), { recursive: true, force: true });
  await writeFileAtomic(join(dir, files.config), config);
  await rename(join(dir, files.earlyEvents), join(dir, files.events));
  await rm(join(dir, files.early), { force: true });
  return openSync(join(dir, files.events), "r+");
}

/** Removes what there is of a run that has no checkpoint, with the folders that were made for it. */
export async function dropEarly(dir: string, made: string | undefined): Promise<void> {
  for (const name of [files.early, files.earlyEvents, files.lock]) await rm(join(dir, name), { force: true });
  if (made === undefined) return;
  const first = resolve(made);
  for (let folder = resolve(dir); folder.startsWith(first); folder = dirname(folder))
    // Where something else lies in it by now, it stays.
    if (!(await isRemoved(folder))) return;
}

const isRemoved = (folder: string): Promise<boolean> =>
  rmdir(folder).then(
    () => true,
    () => false,
  );
