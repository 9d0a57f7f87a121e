/** The record of a run as it is written: begun, gone on with, and finished. */

import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fail, option } from "../graph/error.ts";
import { describeIo, writeFileAtomic } from "../onnx/atomic-node.ts";
import type { Removal } from "../prune/coupling/removal.ts";
import { formatKept, formatPlan, type KeptUnits } from "../prune/select/plan.ts";
import type { Store } from "../jobs/search.ts";
import { lostIn } from "./lost.ts";
import { dropEarly, exists, files, hasFiles, isFinished, lock, replaceRecord, sweep } from "./run-files-node.ts";
import { isPassing, recordOf, type RunConfig, type RunEvent, type RunRecord } from "./record.ts";

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
 * A run in a directory. Until its first checkpoint it has a record of its own there, beside an earlier one: what fails
 * before that leaves nothing behind.
 *
 * @param force whether an unfinished run that is there may be lost
 * @throws SecateurError `bad-option` where the directory holds an unfinished run, one of
 * another command, or something else, or where a run goes on in it, `io`
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
  return guard(dir, async () => {
    const made = await mkdir(dir, { recursive: true });
    await lock(dir);
    const text = `${JSON.stringify(config, undefined, 2)}\n`;
    await writeFileAtomic(join(dir, files.early), text);
    const events = openSync(join(dir, files.earlyEvents), "w");
    return new DirectoryRun(dir, config, undefined, events, {
      settle: () => replaceRecord(dir, text),
      drop: () => dropEarly(dir, made),
    });
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
    return new DirectoryRun(dir, config, bytes && { name, bytes }, events);
  });
}

/** A run that has no checkpoint yet. */
interface Early {
  /** Makes its record that of the directory, and opens its events. */
  settle(): Promise<number>;
  /** Removes its record. */
  drop(): Promise<void>;
}

class DirectoryRun implements Run {
  readonly dir: string;
  readonly config: RunConfig;
  readonly checkpoint: StoredCheckpoint | undefined;
  #events: number;
  /** Until the first checkpoint. */
  #early: Early | undefined;
  #told = 0;
  readonly #plans = new Map<number, Removal>();

  constructor(dir: string, config: RunConfig, checkpoint: StoredCheckpoint | undefined, events: number, early?: Early) {
    this.dir = dir;
    this.config = config;
    this.checkpoint = checkpoint;
    this.#events = events;
    this.#early = early;
  }

  get told(): number {
    return this.#told;
  }

  get begun(): boolean {
    return this.#early === undefined;
  }

  rewind(told: number): void {
    ftruncateSync(this.#events, told);
    this.#told = told;
  }

  tell(event: RunEvent, time: string = new Date().toISOString()): void {
    if (isPassing(event)) return;
    if (event.kind === "removal") this.#plans.set(event.step, event.removed);
    const line = Buffer.from(`${JSON.stringify(recordOf(event, time))}\n`);
    try {
      writeSync(this.#events, line, 0, line.length, this.#told);
    } catch (error) {
      refuse(this.dir, error);
    }
    this.#told += line.length;
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
    if (this.#early) {
      // A file that is open cannot be renamed everywhere.
      closeSync(this.#events);
      this.#events = await this.#early.settle();
      this.#early = undefined;
    }
    if (this.#plans.size > 0) await mkdir(join(this.dir, "plans"), { recursive: true });
    for (const [step, removal] of this.#plans)
      await writeFileAtomic(join(this.dir, "plans", `${String(step).padStart(4, "0")}.json`), formatPlan(removal));
    this.#plans.clear();
    fsyncSync(this.#events);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    closeSync(this.#events);
    if (this.#early) await this.#early.drop();
    else await rm(join(this.dir, files.lock), { force: true });
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
