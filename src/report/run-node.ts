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
 */

import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { mkdir, readFile, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { fail, option } from "../graph/error.ts";
import { describeIo, writeFileAtomic } from "../onnx/atomic-node.ts";
import type { Removal } from "../prune/coupling/removal.ts";
import { formatKept, formatPlan, type KeptUnits } from "../prune/select/plan.ts";
import type { Store } from "../jobs/search.ts";
import { lostIn } from "./lost.ts";
import { isPassing, recordOf, type RunConfig, type RunEvent, type RunRecord } from "./record.ts";

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
} as const;

export interface StoredCheckpoint {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** A run that is going on. */
export interface Run extends AsyncDisposable, Store {
  readonly dir: string;
  readonly config: RunConfig;
  /** The last checkpoint of the run, where it is one that goes on. */
  readonly checkpoint: StoredCheckpoint | undefined;
  /**
   * Writes down what happened; the plan of a removal becomes a file with the next checkpoint.
   *
   * @param time when it happened; now, where nothing is given
   */
  tell(event: RunEvent, time?: string): void;
  /** Whether there is something to go on with. */
  readonly begun: boolean;
  /** Bytes of events so far. */
  readonly told: number;
  /** Leaves out the events behind that many bytes: they come again. */
  rewind(told: number): void;
  save(pieces: readonly Uint8Array[]): Promise<void>;
  finish(summary: Readonly<Record<string, unknown>>, kept?: KeptUnits): Promise<void>;
}

/**
 * A run in a directory that comes with its first checkpoint: what fails before that leaves nothing behind.
 *
 * @param force whether an unfinished run that is there may be lost
 * @throws SecateurError `bad-option` where the directory holds an unfinished run, one of
 * another command, or something else, `io`
 */
export async function createRun(dir: string, config: RunConfig, force: boolean): Promise<Run> {
  const [old, done] = await Promise.all([exists(join(dir, files.config)), isFinished(dir)]);
  if (!old && (await hasFiles(dir)))
    fail("bad-option", `${dir} is there and is no run of secateur: give another directory by ${option("run")}`);
  const command = old ? (await readConfig(dir)).command : config.command;
  if (old && !done && !force)
    fail(
      "bad-option",
      `${dir} holds a run that is not finished: secateur ${command} --resume ${dir} goes on, ` +
        `${option("force", true)} starts anew`,
    );
  if (command !== config.command && !force)
    fail(
      "bad-option",
      `${dir} is the record of secateur ${command}: ` +
        `give another directory by ${option("run")}, or ${option("force", true)}`,
    );
  return new DirectoryRun(dir, config, undefined, async () => {
    await mkdir(dir, { recursive: true });
    await lock(dir);
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
    await writeFileAtomic(join(dir, files.config), `${JSON.stringify(config, undefined, 2)}\n`);
    return openSync(join(dir, files.events), "w");
  });
}

/**
 * Opens a run to go on with it.
 *
 * @param command what the run is of
 * @throws SecateurError `io` where there is none, `bad-option` where it is finished,
 * still going on, or of another command
 */
export async function resumeRun(dir: string, command = "prune"): Promise<Run> {
  if (!(await exists(join(dir, files.config))))
    fail("io", `${join(dir, files.config)}: no such file, so that ${dir} is no run of secateur`);
  if (await isFinished(dir)) fail("bad-option", `the run ${dir} is finished: there is nothing to go on with`);
  return guard(dir, async () => {
    const config = await readConfig(dir);
    if (config.command !== command)
      fail("bad-option", `${dir} is a run of another command: secateur ${config.command} --resume ${dir} goes on`);
    await lock(dir);
    await sweep(dir);
    const name = join(dir, files.checkpoint);
    const bytes = await readIfThere(name);
    const events = openSync(join(dir, files.events), bytes ? "r+" : "w");
    return new DirectoryRun(dir, config, bytes && { name, bytes }, async () => events, events);
  });
}

class DirectoryRun implements Run {
  readonly dir: string;
  readonly config: RunConfig;
  readonly checkpoint: StoredCheckpoint | undefined;
  readonly #open: () => Promise<number>;
  #events: number | undefined;
  #told = 0;
  /** Lines from before there is a file. */
  #early: Buffer[] = [];
  readonly #plans = new Map<number, Removal>();

  constructor(
    dir: string,
    config: RunConfig,
    checkpoint: StoredCheckpoint | undefined,
    open: () => Promise<number>,
    events?: number,
  ) {
    this.dir = dir;
    this.config = config;
    this.checkpoint = checkpoint;
    this.#open = open;
    this.#events = events;
  }

  get told(): number {
    return this.#told;
  }

  get begun(): boolean {
    return this.#events !== undefined;
  }

  rewind(told: number): void {
    ftruncateSync(this.#events!, told);
    this.#told = told;
  }

  tell(event: RunEvent, time: string = new Date().toISOString()): void {
    if (isPassing(event)) return;
    if (event.kind === "removal") this.#plans.set(event.step, event.removed);
    const line = Buffer.from(`${JSON.stringify(recordOf(event, time))}\n`);
    if (this.#events === undefined) this.#early.push(line);
    else this.#write(this.#events, line, this.#told);
    this.#told += line.length;
  }

  #write(events: number, bytes: Buffer, at: number): void {
    try {
      writeSync(events, bytes, 0, bytes.length, at);
    } catch (error) {
      refuse(this.dir, error);
    }
  }

  save(pieces: readonly Uint8Array[]): Promise<void> {
    return guard(this.dir, async () => {
      await this.#settle();
      await writeFileAtomic(join(this.dir, files.checkpoint), pieces);
    });
  }

  finish(summary: Readonly<Record<string, unknown>>, kept?: KeptUnits): Promise<void> {
    return guard(this.dir, async () => {
      await this.#settle();
      if (kept) await writeFileAtomic(join(this.dir, files.kept), formatKept(kept));
      const lost = lostIn(readRecords(this.dir));
      const whole = { ...summary, ...(lost && { lost }) };
      await writeFileAtomic(join(this.dir, files.summary), `${JSON.stringify(whole, undefined, 2)}\n`);
      for (const name of [files.checkpoint, files.points])
        await rm(join(this.dir, name), { recursive: true, force: true });
    });
  }

  keep(name: string, pieces: readonly Uint8Array[]): Promise<void> {
    return guard(this.dir, async () => {
      await this.#settle();
      await mkdir(join(this.dir, files.points), { recursive: true });
      await writeFileAtomic(join(this.dir, files.points, `${name}.safetensors`), pieces);
    });
  }

  kept(name: string): Promise<Uint8Array | undefined> {
    return readIfThere(join(this.dir, files.points, `${name}.safetensors`));
  }

  /** What was told is on the disk before what builds on it. */
  async #settle(): Promise<void> {
    if (this.#events === undefined) {
      this.#events = await this.#open();
      this.#write(this.#events, Buffer.concat(this.#early), 0);
      this.#early = [];
    }
    if (this.#plans.size > 0) await mkdir(join(this.dir, "plans"), { recursive: true });
    for (const [step, removal] of this.#plans)
      await writeFileAtomic(join(this.dir, "plans", `${String(step).padStart(4, "0")}.json`), formatPlan(removal));
    this.#plans.clear();
    fsyncSync(this.#events);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#events === undefined) return;
    closeSync(this.#events);
    await rm(join(this.dir, files.lock), { force: true });
  }
}

/**
 * The record of a run, as far as it goes.
 *
 * @throws SecateurError `io` where it is missing or damaged
 */
export function readRecords(dir: string): RunRecord[] {
  const path = join(dir, files.events);
  const lines = readText(path).split("\n");
  // A process that was killed may have left a part of a line.
  return lines.slice(0, -1).map((line, i) => {
    try {
      return JSON.parse(line) as RunRecord;
    } catch (error) {
      return fail("io", `${path} is damaged: line ${i + 1} is not JSON`, error);
    }
  });
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    return fail("io", `${path}: ${describeIo(error)}`, error);
  }
}

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

async function readConfig(dir: string): Promise<RunConfig> {
  const path = join(dir, files.config);
  const text = await readFile(path, "utf8");
  try {
    return JSON.parse(text) as RunConfig;
  } catch (error) {
    return fail("io", `${path} is damaged: it is not JSON`, error);
  }
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** Whether a run has come to its end. */
export const isFinished = (dir: string): Promise<boolean> => exists(join(dir, files.summary));

/** Whether something is there but an empty folder, or what a process left that was killed as it began a run. */
async function hasFiles(dir: string): Promise<boolean> {
  try {
    return (await readdir(dir)).some((name) => name !== files.lock && !name.endsWith(".tmp"));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ENOENT";
  }
}

/** Removes what a process that was killed had not written to its end. */
async function sweep(dir: string): Promise<void> {
  for (const name of await readdir(dir, { recursive: true }))
    if (name.endsWith(".tmp")) await rm(join(dir, name), { force: true });
}

/** One process a run: the lock names it, and a process that is gone holds none. */
async function lock(dir: string): Promise<void> {
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

/** Errors of the file system say where. */
async function guard<T>(dir: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    return refuse(dir, error);
  }
}

function refuse(dir: string, error: unknown): never {
  if (error instanceof Error && "errno" in error)
    fail("io", `cannot write to the run ${dir}: ${describeIo(error)}`, error);
  throw error;
}
