/** The runs and sweeps in folders: which there are, what they came to, and the models that they wrote. */

import { createHash } from "node:crypto";
import { readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, relative, sep } from "node:path";
import { SecateurError } from "../graph/error.ts";
import { liesIn } from "../onnx/atomic-node.ts";
import { placesOf as placesOfFile } from "../report/relocate-node.ts";
import { readJson, readRun } from "../report/report-node.ts";
import type { PruneSummary, RunConfig, RunSummary } from "../report/record.ts";
import { epochRows, removalRows } from "../report/run-history.ts";
import { files, isEarly } from "../report/run-files-node.ts";
import { frontOf, type SweepRow } from "../report/sweep.ts";
import { doneRow, placesOf, sweepFile, type SweepConfig } from "../report/sweep-node.ts";
import { openEvents, stateOf, type RunState } from "./events-node.ts";

/** A run or a sweep in a line. */
export interface ListedRun {
  readonly id: string;
  /** The path from the folder that it was found in. */
  readonly name: string;
  readonly command: string;
  /** The name of the model's file. */
  readonly model: string;
  readonly started: string;
  /** Of the last line of the record. */
  readonly last?: string | undefined;
  /** The same of a run that has come to its end. */
  readonly ended?: string | undefined;
  readonly state: RunState;
  /** What a finished run reached; of a sweep how many runs it has, and how many are done. */
  readonly figures?: Figures | undefined;
  /** Of a sweep: the ids of its runs that have a record. */
  readonly runs?: readonly string[] | undefined;
  /** Why its record cannot be read. */
  readonly problem?: string | undefined;
}

type Figures =
  | (Pick<PruneSummary, "end" | "removals" | "drop" | "dropInterval"> & {
      readonly before: Numbers;
      readonly after: Numbers;
    })
  | Omit<Exclude<RunSummary, PruneSummary>, "output" | "inputs" | "lost">
  | { readonly runs: number; readonly done: number };
type Numbers = Omit<PruneSummary["before"], "groups">;

/** A folder that holds a run or a sweep. */
interface Found {
  readonly id: string;
  readonly dir: string;
  readonly name: string;
  readonly of: { readonly run: RunConfig; readonly isEarly: boolean } | { readonly sweep: SweepConfig };
}

/** How deep below a folder runs are looked for. */
const depth = 2;

export class Runs {
  readonly #folders: readonly string[];
  #known: ReadonlyMap<string, Found> = new Map();

  /** @param folders each a run, or what holds runs, one or two levels deep */
  constructor(folders: readonly string[]) {
    this.#folders = folders;
  }

  /** All runs and sweeps, the newest first. */
  async list(): Promise<ListedRun[]> {
    const known = await this.#look();
    const listed = await Promise.all([...known.values()].map((found) => this.#describe(found)));
    return listed.toSorted((a, b) => (a.started < b.started ? 1 : a.started > b.started ? -1 : 0));
  }

  async count(): Promise<number> {
    return (await this.#look()).size;
  }

  /** The folder of a run, where there is one of that id; that of a sweep has no record of its own. */
  async dirOf(id: string): Promise<string | undefined> {
    const found = await this.#find(id);
    return found && "run" in found.of ? found.dir : undefined;
  }

  /**
   * All that is known of a run or a sweep.
   *
   * @throws SecateurError `io` where its record is damaged
   */
  async record(id: string): Promise<object | undefined> {
    const found = await this.#find(id);
    if (!found) return undefined;
    const listed = await this.#describe(found);
    if ("sweep" in found.of) {
      const rows = await rowsOf(found.dir, found.of.sweep);
      const front = frontOf(rows, ({ macs }) => macs).map(({ run }) => run);
      return { ...listed, config: found.of.sweep, rows, front };
    }
    if (found.of.isEarly) return { ...listed, config: found.of.run, summary: null };
    const { config, records, summary } = await readRun(found.dir);
    const rows = config.command === "prune" ? { removals: removalRows(records) } : { epochs: epochRows(records) };
    return { ...listed, config, summary: summary ?? null, ...rows, output: await sizeOf(await this.modelOf(id)) };
  }

  /**
   * The model that a run wrote, where it is still there. A record may come from others: what it names elsewhere than
   * in the folders of the server, or beside the run, is not read.
   */
  async modelOf(id: string): Promise<string | undefined> {
    const found = await this.#find(id);
    if (!found || !("run" in found.of) || found.of.isEarly) return undefined;
    const summary = await readJson<RunSummary>(join(found.dir, files.summary));
    if (typeof summary?.output !== "string") return undefined;
    const folders = await followed([...this.#folders, dirname(found.dir)]);
    for (const place of placesOfFile(found.of.run, found.dir)(summary.output)) {
      const path = await realpath(place).catch(() => undefined);
      if (path !== undefined && folders.some((folder) => liesIn(folder, path)) && (await stat(path)).isFile())
        return path;
    }
    return undefined;
  }

  async #find(id: string): Promise<Found | undefined> {
    return this.#known.get(id) ?? (await this.#look()).get(id);
  }

  async #look(): Promise<ReadonlyMap<string, Found>> {
    const known = new Map<string, Found>();
    for (const folder of await followed(this.#folders))
      for (const found of await findRuns(folder, depth)) if (!known.has(found.id)) known.set(found.id, found);
    this.#known = known;
    return known;
  }

  async #describe({ id, dir, name, of }: Found): Promise<ListedRun> {
    if ("sweep" in of) return describeSweep(dir, { id, name, config: of.sweep });
    const { command, started, model } = of.run;
    const listed = { id, name, command, model: basename(model.path), started, state: await stateOf(dir) };
    try {
      // What stands there besides is of an earlier run.
      const summary = of.isEarly ? undefined : await readJson<RunSummary>(join(dir, files.summary));
      const last = await lastTime(dir);
      return { ...listed, last, ...(summary && { ended: last, figures: figuresOf(summary) }) };
    } catch (error) {
      // Whatever stands in its files, the other runs are listed.
      const problem = error instanceof SecateurError ? error.message : `${files.summary} is damaged: it is no summary`;
      return { ...listed, problem };
    }
  }
}

/** Folders with links followed, those that are there. */
async function followed(folders: readonly string[]): Promise<string[]> {
  const found = await Promise.all(folders.map((folder) => realpath(folder).catch(() => undefined)));
  return found.filter((folder) => folder !== undefined);
}

/** A file as the page lists it. */
const sizeOf = async (path: string | undefined): Promise<object | undefined> =>
  path === undefined ? undefined : { name: basename(path), bytes: (await stat(path)).size };

const idOf = (dir: string): string => createHash("sha256").update(dir).digest("hex").slice(0, 16);

/** Links are not followed, and what is hidden or of packages holds no runs. */
const isLookedInto = (name: string): boolean => !name.startsWith(".") && name !== "node_modules";

async function findRuns(root: string, levels: number, dir = root): Promise<Found[]> {
  const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
  const name = dir === root ? basename(root) : relative(root, dir).replaceAll(sep, "/");
  const has = (file: string): boolean => entries.some((entry) => entry.name === file && entry.isFile());
  const early = has(files.early) && (await isEarly(dir));
  const config = early ? files.early : files.config;
  const run = has(config) ? await readForm(join(dir, config), isRun) : undefined;
  if (run) return [{ id: idOf(dir), dir, name, of: { run, isEarly: early } }];
  const sweep = has(sweepFile) ? await readForm(join(dir, sweepFile), isSweep) : undefined;
  const own: Found[] = sweep ? [{ id: idOf(dir), dir, name, of: { sweep } }] : [];
  // The runs of a sweep are listed wherever it lies.
  const left = sweep ? Math.max(levels, 1) : levels;
  const folders = left === 0 ? [] : entries.filter((entry) => entry.isDirectory() && isLookedInto(entry.name));
  for (const folder of folders) own.push(...(await findRuns(root, left - 1, join(dir, folder.name))));
  return own;
}

/** What a file holds, where it is of a form: others have a `config.json` too. */
async function readForm<T>(path: string, is: (value: Partial<T>) => boolean): Promise<T | undefined> {
  const value = await readJson<T>(path).catch(() => undefined);
  return typeof value === "object" && value !== null && is(value) ? value : undefined;
}

const areTexts = (...values: unknown[]): boolean => values.every((value) => typeof value === "string");
const isRun = ({ command, version, started, model }: Partial<RunConfig>): boolean =>
  areTexts(command, version, started, model?.path);
const isSweep = ({ version, model, runs }: Partial<SweepConfig>): boolean =>
  areTexts(version, model?.path) &&
  Array.isArray(runs) &&
  runs.every((run: unknown) => {
    const { name } = (run ?? {}) as { readonly name?: unknown };
    return typeof name === "string" && !/[\\/\0]|^\.*$/.test(name);
  });

function figuresOf(summary: RunSummary): Figures {
  if ("removals" in summary) {
    const { end, removals, drop, dropInterval } = summary;
    return { end, removals, drop, dropInterval, before: numbersOf(summary.before), after: numbersOf(summary.after) };
  }
  const { epochs, before, after } = summary;
  return { epochs, before, after };
}

const numbersOf = ({ costs, units, evaluation, latency }: PruneSummary["before"]): Numbers => ({
  costs,
  units,
  evaluation,
  latency,
});

/** The rows of the runs of a sweep that are done, with the ids of these. */
async function rowsOf(dir: string, { runs }: SweepConfig): Promise<(SweepRow & { readonly id: string })[]> {
  const rows = await Promise.all(runs.map((run) => doneRow(dir, run)));
  return rows.flatMap((row, i) => (row ? { ...row, id: idOf(placesOf(dir, runs[i]!).run) } : []));
}

async function describeSweep(
  dir: string,
  { id, name, config }: { readonly id: string; readonly name: string; readonly config: SweepConfig },
): Promise<ListedRun> {
  const dirs = config.runs.map((run) => placesOf(dir, run).run);
  const states = await Promise.all(dirs.map((run) => stateOf(run)));
  const done = states.filter((state) => state === "ended").length;
  const begun = await Promise.all(dirs.map(async (run) => (await isEarly(run)) || isThere(join(run, files.config))));
  const times = await Promise.all(dirs.map(lastTime));
  const last = times
    .filter((time) => time !== undefined)
    .toSorted()
    .at(-1);
  const isDone = done === config.runs.length;
  return {
    id,
    name,
    command: "sweep",
    model: basename(config.model.path),
    started: (await stat(join(dir, sweepFile))).mtime.toISOString(),
    last,
    ...(isDone && { ended: last }),
    state: states.includes("running") ? "running" : isDone ? "ended" : "stopped",
    figures: { runs: config.runs.length, done },
    runs: dirs.filter((_, i) => begun[i]).map(idOf),
  };
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** Bytes at the end of a record in which its last line is looked for; a removal of many groups takes some. */
const tail = 2 ** 18;

/** The time of the last line of a record that is whole. */
async function lastTime(dir: string): Promise<string | undefined> {
  const file = await openEvents(dir);
  if (!file) return undefined;
  try {
    const { size } = await file.stat();
    const bytes = Buffer.alloc(Math.min(size, tail));
    await file.read(bytes, 0, bytes.length, size - bytes.length);
    const line = bytes.toString("utf8").split("\n").at(-2);
    const [, time] = /^\{"time":"([^"]+)"/.exec(line ?? "") ?? [];
    return time;
  } finally {
    await file.close();
  }
}
