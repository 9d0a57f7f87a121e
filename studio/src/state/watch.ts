/** Runs that are watched: which there are, which are chosen, and their records as they grow. */

import { effect, signal } from "@preact/signals";
import { add, emptyRecord, type RunRecord } from "../parts/run-record.ts";
import type { GivenFile } from "../worker/calls.ts";
import { openFiles } from "./network.ts";
import { ask, served, streamOf } from "./served.ts";
import { during } from "./work.ts";

export type RunState = "running" | "ended" | "stopped";

/** A measurement of a model, as a run sums itself up. */
interface Summed {
  readonly costs?: { readonly macs: number; readonly params: number };
  readonly evaluation?: object;
}

/** A run or a sweep as the server lists it. */
export interface ListedRun {
  readonly id: string;
  readonly name: string;
  readonly command: string;
  readonly model: string;
  readonly started: string;
  readonly state: RunState;
  readonly figures?: {
    readonly end?: string;
    readonly before?: Summed;
    readonly after?: Summed;
    readonly runs?: number;
    readonly done?: number;
  };
  /** Of a sweep: the ids of its runs. */
  readonly runs?: readonly string[];
  readonly problem?: string;
}

const listed = signal<readonly ListedRun[]>([]);
/** Runs whose files were dropped on the page. */
const dropped = signal<readonly ListedRun[]>([]);
/** Colours and dashes by the ids of the runs that are drawn. */
export const chosen = signal<ReadonlyMap<string, number>>(new Map());
/** Counts changes of records, a few times in a second at most. */
export const grown = signal(0);
/** Why the server does not tell what is new. */
export const silence = signal<string | undefined>(undefined);
/** Milliseconds since 1970, by the second, while the page is looked at. */
export const now = signal(Date.now());

/** As many runs are told apart in a chart. */
export const slots = 18;

export const allRuns = (): readonly ListedRun[] => [...dropped.value, ...listed.value];
export const chosenRuns = (): ListedRun[] => allRuns().filter(({ id }) => chosen.value.has(id));

const records = new Map<string, RunRecord>();
/** What is known of a run; what changes in it is told by {@link grown}. */
export function recordOf(id: string): RunRecord {
  const known = records.get(id) ?? emptyRecord();
  records.set(id, known);
  return known;
}

/** Draws runs, or no longer. */
export function choose(ids: readonly string[], wanted: boolean): void {
  const next = new Map(chosen.value);
  for (const id of ids) {
    if (!wanted) next.delete(id);
    else if (!next.has(id)) {
      const taken = new Set(next.values());
      const slot = Array.from({ length: slots }, (_, i) => i).find((i) => !taken.has(i));
      if (slot !== undefined) next.set(id, slot);
    }
  }
  chosen.value = next;
}

const lost = "The server does not answer. Was it stopped? Each start has an address of its own, which it prints.";

/** Milliseconds between two looks for new runs, and after which a lost server is asked again. */
const pause = 4000;
const comeBack = 2000;
/** Charts are drawn anew so often at most. */
const frame = 250;

let told: ReturnType<typeof setTimeout> | undefined;
function tellGrown(): void {
  told ??= setTimeout(() => {
    told = undefined;
    grown.value++;
  }, frame);
}

/** Asks for the runs while the page shows them, and follows those that are chosen. Returns what ends that. */
export function watch(): () => void {
  let isFirst = true;
  const look = async (): Promise<void> => {
    if (!served.value || document.hidden) return;
    try {
      listed.value = (await (await ask("runs")).json()) as readonly ListedRun[];
      silence.value = undefined;
    } catch {
      silence.value = lost;
    }
    const runs = listed.value.filter((run) => run.runs === undefined);
    const first = runs.find(({ state }) => state === "running") ?? runs[0];
    if (isFirst && first && chosen.value.size === 0) choose([first.id], true);
    if (runs.length > 0) isFirst = false;
  };
  const looking = setInterval(() => void look(), pause);
  const ticking = setInterval(() => (now.value = Date.now()), 1000);
  const stop = effect(() => {
    const ids = [...chosen.value.keys()];
    if (!served.value) return undefined;
    return follow(ids);
  });
  const begin = effect(() => {
    if (served.value) void look();
  });
  return () => {
    clearInterval(looking);
    clearInterval(ticking);
    begin();
    stop();
  };
}

/** Where reading goes on of each run, and runs that have been read to their end. */
const places = new Map<string, string>();
const finished = new Set<string>();

interface Told {
  readonly run: string;
  readonly state?: RunState;
  readonly why?: string;
}

/** One stream for all runs: a browser allows few. */
function follow(ids: readonly string[]): () => void {
  let source: EventSource | undefined;
  let again: ReturnType<typeof setTimeout> | undefined;
  const connect = (): void => {
    const wanted = ids.filter((id) => !finished.has(id) && !dropped.peek().some((run) => run.id === id));
    if (wanted.length === 0) return;
    const query = wanted.map((id) => `&run=${id}${places.has(id) ? `~${places.get(id)}` : ""}`).join("");
    const own = new EventSource(`${streamOf("events")}${query}`);
    source = own;
    own.addEventListener("message", ({ data, lastEventId }: MessageEvent<string>) => {
      const [id = "", place = ""] = lastEventId.split(" ");
      places.set(id, place);
      add(recordOf(id), JSON.parse(data));
      tellGrown();
    });
    const on = (name: string, act: (told: Told) => void): void =>
      own.addEventListener(name, ({ data }: MessageEvent<string>) => {
        act(JSON.parse(data) as Told);
        tellGrown();
      });
    on("restart", ({ run }) => {
      records.set(run, emptyRecord());
      places.delete(run);
    });
    on("damaged", ({ run, why }) => (recordOf(run).warning = why));
    on("state", ({ run, state }) => {
      listed.value = listed.value.map((one) => (one.id === run ? { ...one, state: state! } : one));
    });
    on("end", ({ run }) => {
      finished.add(run);
      if (wanted.every((id) => finished.has(id))) own.close();
    });
    own.addEventListener("open", () => (silence.value = undefined));
    // The browser would come back to the old address, and be told what is known.
    own.addEventListener("error", () => {
      own.close();
      silence.value = lost;
      again = setTimeout(connect, comeBack);
    });
  };
  connect();
  return () => {
    source?.close();
    clearTimeout(again);
  };
}

/** A run that is finished may be begun anew in the same folder: it is then read anew. */
effect(() => {
  for (const { id, state } of listed.value)
    if (state !== "ended" && finished.delete(id)) {
      records.delete(id);
      places.delete(id);
      chosen.value = new Map(chosen.peek());
    }
});

const eventsFile = /(?:^|\/)events\.jsonl$/;
/** Whether files are those of a run. */
export const areRuns = (files: readonly GivenFile[]): boolean => files.some(({ path }) => eventsFile.test(path));

/** Lines that are read before the page may do something else. */
const lot = 5000;

/** Shows runs whose files were dropped: `events.jsonl` of each, with the files beside it where they are there. */
export const openRuns = (files: readonly GivenFile[]): Promise<void> =>
  during("reading the record", async ({ signal, onProgress }) => {
    for (const { path, blob } of files) {
      if (!eventsFile.test(path)) continue;
      const folder = path.replace(eventsFile, "");
      const beside = (name: string): GivenFile | undefined =>
        files.find((file) => file.path === (folder === "" ? name : `${folder}/${name}`));
      const config = await jsonOf(beside("config.json"));
      const summary = await jsonOf(beside("summary.json"));
      const id = `dropped ${folder}`;
      const record = emptyRecord();
      const lines = (await blob.text()).split("\n");
      let damaged = 0;
      // What stands behind the last end of a line is not whole.
      for (let i = 0; i < lines.length - 1; i++) {
        if (i % lot === 0) {
          signal.throwIfAborted();
          onProgress({ done: i, all: lines.length - 1 });
          await new Promise((resolve) => setTimeout(resolve));
        }
        try {
          add(record, JSON.parse(lines[i]!));
        } catch {
          damaged++;
        }
      }
      if (damaged > 0) record.warning = `${damaged} of ${lines.length - 1} lines are no JSON, and are left out`;
      records.set(id, record);
      const run: ListedRun = {
        id,
        name: folder === "" ? "events.jsonl" : folder,
        command: textOf(config["command"]) ?? (record.widths.size > 0 ? "prune" : "a run"),
        model:
          textOf((config["model"] as { readonly path?: unknown } | undefined)?.path)
            ?.split(/[\\/]/)
            .at(-1) ?? "",
        started: textOf(config["started"]) ?? "",
        state: beside("summary.json") ? "ended" : "stopped",
        figures: figuresOf(summary),
      };
      dropped.value = [run, ...dropped.value.filter((one) => one.id !== id)];
      choose([id], true);
      tellGrown();
    }
  }).then(() => undefined);

const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

async function jsonOf(file: GivenFile | undefined): Promise<Readonly<Record<string, unknown>>> {
  if (!file) return {};
  const value: unknown = JSON.parse(await file.blob.text());
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

const figuresOf = ({ end, before, after }: Readonly<Record<string, unknown>>): NonNullable<ListedRun["figures"]> => ({
  ...(textOf(end) !== undefined && { end: textOf(end)! }),
  ...(typeof before === "object" && before && { before }),
  ...(typeof after === "object" && after && { after }),
});

/** Opens the model that a run wrote. */
export async function openResult({ id, name }: ListedRun): Promise<void> {
  const blob = await during("reading the model", async () => (await ask(`runs/${id}/model`)).blob());
  if (!blob) return;
  await openFiles([{ path: `${name.replace(/\.run$/, "")}.onnx`, blob }]);
  location.hash = "network";
}
