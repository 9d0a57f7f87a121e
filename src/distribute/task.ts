/** Tasks: pieces of work as plain data, whose results depend on that data alone. */

import { z } from "zod";
import { fail, type ErrorCode } from "../graph/error.ts";
import { version } from "../graph/version.ts";
import type { Runtime } from "../runtime/port.ts";
import { sha256 } from "./digest.ts";
import type { Store } from "./store.ts";

const digest = z.string().regex(/^[0-9a-f]{64}$/);
const name = z.string().regex(/^[a-z][a-z0-9-]{0,39}(\/[0-9]{1,7})?$/);
/** A task may name so many blobs. */
const mostBlobs = 100_000;
export const blobs = z.record(name, digest).refine((all) => Object.keys(all).length <= mostBlobs);

const task = z.strictObject({
  /** Of Secateur: another one may compute otherwise. */
  version: z.string().max(64),
  kind: z.string().max(64),
  /** What the kind of task takes; plain data. */
  options: z.record(z.string(), z.unknown()),
  /** What it works on, by names that the kind knows: SHA-256 of each. */
  blobs,
});
export type Task = z.infer<typeof task>;

const made = z.strictObject({ result: z.unknown(), blobs });
/** What came of a task: plain data, and the digests of blobs by their names. */
export type Made = z.infer<typeof made>;

/** What a kind of task is given to work with. */
export interface Tools {
  /** The digests of the blobs of the task by their names. */
  readonly digests: Task["blobs"];
  /** A blob of the task by its name there. */
  blob(name: string): Promise<Uint8Array>;
  /** Where an earlier try of the task has come to, and where this one is to be gone on from. */
  readonly checkpoint: {
    /** The digests of what an earlier try kept by their names; none where there is nothing. */
    readonly digests: Task["blobs"];
    /** What an earlier try kept, by its name there. */
    blob(name: string): Promise<Uint8Array>;
    /** Takes the place of all that was kept before: bytes that are new, and `true` for a blob that stays. */
    keep(kept: Readonly<Record<string, Uint8Array | true>>): Promise<void>;
  };
  /** Threads of the runtime. */
  readonly threads: number;
  /** What runs graphs in threads of its own, for work that has to be told of while it goes on. */
  readonly runtime: Runtime;
  /** Stops it. What does not stop soon is ended with its thread. */
  readonly signal: AbortSignal;
  /** Tells how far it is. */
  progress(done: number, all: number): void;
  /**
   * What is worth having ready for the next task, under a name that says all it depends on. The last few stay.
   *
   * @param make is called where it is not there
   */
  ready<T>(name: string, make: () => Promise<T>): Promise<T>;
}

/** A kind of task. One object of this form is all that a new kind takes, and a line in the table of kinds. */
export interface TaskKind<O = unknown> {
  readonly name: string;
  readonly options: z.ZodType<O>;
  /** A few words for people: "shard 3/16". */
  label(options: O): string;
  /** Does it. The same options and blobs give the same bytes, on whichever machine. */
  run(
    options: O,
    tools: Tools,
  ): Promise<{ readonly result: unknown; readonly blobs: Readonly<Record<string, Uint8Array>> }>;
}
/** Kinds by their names. */
export type TaskKinds = ReadonlyMap<string, TaskKind>;

/** A task of this version. */
export const taskOf = (kind: string, options: Task["options"], blobs: Task["blobs"]): Task => ({
  version,
  kind,
  options,
  blobs,
});

/** Limits on plain data from elsewhere: levels, values, and letters of a text. */
const [mostLevels, mostValues, mostLetters] = [16, 200_000, 2 ** 20];
const ofPrototypes = new Set(["__proto__", "constructor", "prototype"]);

/** Why something is no plain data that is worth a look; nothing where it is. */
function wrongIn(value: unknown): string | undefined {
  let values = 0;
  const look = (one: unknown, level: number): string | undefined => {
    if (++values > mostValues) return `it holds more than ${mostValues} values`;
    if (typeof one === "string") return one.length > mostLetters ? "it holds a text that is too long" : undefined;
    if (typeof one === "number") return Number.isFinite(one) ? undefined : "it holds a number that is not finite";
    if (one === null || typeof one === "boolean") return undefined;
    if (typeof one !== "object") return `it holds a ${typeof one}`;
    if (level === mostLevels) return `it goes deeper than ${mostLevels} levels`;
    const forbidden = Object.keys(one).find((key) => ofPrototypes.has(key));
    if (forbidden !== undefined) return `it has the key "${forbidden}"`;
    for (const inner of Object.values(one)) {
      const wrong = look(inner, level + 1);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  };
  return look(value, 0);
}

/** A task that was looked at, with its kind and its options as the kind takes them. */
export interface CheckedTask {
  readonly task: Task;
  readonly kind: TaskKind;
  readonly options: unknown;
  readonly label: string;
}

/**
 * Holds data from elsewhere against the form of a task. Nothing of it is run, and nothing of it becomes a path.
 *
 * @throws SecateurError `bad-data` for what is no task, is of no known kind, of another version, or has options that
 * the kind does not take
 */
export function checkTask(given: unknown, kinds: TaskKinds): CheckedTask {
  const refuse = (why: string): never => fail("bad-data", `refused a job: ${why}`);
  const wrong = wrongIn(given);
  if (wrong !== undefined) refuse(wrong);
  const { data, error } = task.safeParse(given);
  if (!data) return refuse(`it has no form of a task: ${issuesOf(error)}`);
  const kind = kinds.get(data.kind);
  if (!kind) return refuse(`"${data.kind}" is no kind of task: there are ${[...kinds.keys()].join(", ")}`);
  if (data.version !== version)
    refuse(
      `it was made by Secateur ${JSON.stringify(data.version)}, and this is ${version}: use one version everywhere`,
    );
  const options = kind.options.safeParse(data.options);
  if (!options.success)
    return refuse(
      `the options of ${/^[aeiou]/.test(kind.name) ? "an" : "a"} ${kind.name} are wrong: ${issuesOf(options.error)}`,
    );
  return { task: data, kind, options: options.data, label: kind.label(options.data) };
}

const issuesOf = ({ issues }: z.ZodError): string =>
  issues
    .slice(0, 3)
    .map(({ path, message }) => `${path.map(String).join(".").slice(0, 80)} ${message.slice(0, 200)}`.trim())
    .join("; ");

/** Plain data as one text, whatever the order of its keys. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  return `{${Object.entries(value)
    .filter(([, one]) => one !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, one]) => `${JSON.stringify(key)}:${canonical(one)}`)
    .join()}}`;
}

/** The digest of a task: results are kept under it. */
export const keyOf = (task: Task): Promise<string> => sha256(canonical(task));

/** What came of a task before, where all of it is in the store. */
export async function madeBefore(store: Store, key: string): Promise<Made | undefined> {
  const text = await store.kept(key);
  if (text === undefined) return undefined;
  const { data } = made.safeParse(JSON.parse(text));
  if (!data) return undefined;
  for (const one of Object.values(data.blobs)) if ((await store.size(one)) === undefined) return undefined;
  return data;
}

/** Keeps what came of a task: its blobs first, so that a result that is there is whole. */
export async function keepMade(
  store: Store,
  key: string,
  { result, blobs }: Awaited<ReturnType<TaskKind["run"]>>,
  anew: boolean,
): Promise<Made> {
  const digests: Record<string, string> = {};
  for (const [one, bytes] of Object.entries(blobs)) digests[one] = await store.put(bytes, { anew });
  const found: Made = { result, blobs: digests };
  await store.keep(key, canonical(found), { anew });
  return found;
}

/** What happens to tasks while they are done. */
export type TaskEvent = {
  /** For people. */
  readonly label: string;
  /** Who did it or tries it, where that is known. */
  readonly worker?: string | undefined;
  /** How many of all are done. */
  readonly done: number;
  readonly all: number;
} & (
  | { readonly kind: "known" | "taken" }
  | { readonly kind: "done"; readonly seconds: number }
  | { readonly kind: "retried" | "lost" | "repaired"; readonly why: string }
);

export interface RunTasksOptions {
  readonly onEvent?: ((event: TaskEvent) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What does tasks, wherever it does them. */
export interface Executor extends AsyncDisposable {
  /** Where what they work on and what comes of them lies. */
  readonly store: Store;
  /** How many take tasks at this moment, where they come and go. */
  workers?(): Promise<number>;
  /**
   * Does tasks, those whose result is in the store left out. Each is begun as soon as it is given.
   *
   * @param all how many there will be
   * @param repair puts blobs of the tasks into the store anew, where they got lost there
   * @returns what came of each, in the order of the tasks
   * @throws SecateurError as the work, or `io` where it was tried too often
   */
  run(
    tasks: AsyncIterable<Task>,
    all: number,
    repair: (digests: readonly string[]) => Promise<void>,
    options?: RunTasksOptions,
  ): Promise<readonly Made[]>;
}

/** An error that the work throws whoever does it: nobody tries it again. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
}
