/** Flags that say where work is shared out, and what they open. */

import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { cachedStore, type CachedStore } from "../../distribute/cached-store-node.ts";
import { folderPlace } from "../../distribute/folder-store-node.ts";
import { s3Place } from "../../distribute/s3-store-node.ts";
import { openStore } from "../../distribute/store.ts";
import type { Executor, TaskEvent } from "../../distribute/task.ts";
import { fail } from "../../graph/error.ts";
import { caching, dryRun, queue, queueCa, store, storeEndpoint } from "../../options/queue.ts";
import { connect, type Connection } from "../../queue/connection-node.ts";
import { note } from "../output.ts";
import { remaining, type Progress } from "../progress.ts";
import { flag, withGroup } from "./flag.ts";
import { memorySize } from "./values.ts";

export interface StoreFlags {
  readonly store?: string;
  readonly storeEndpoint?: string;
  readonly cache?: string;
  readonly cacheSize: number;
}

export interface QueueFlags extends StoreFlags {
  /** An address, or true for that of the environment. */
  readonly queue?: string | true;
  readonly queueCa?: string;
}

export interface HandingOutFlags extends QueueFlags {
  readonly dryRun?: boolean;
}

/** Where the queue and the store are. */
export const withQueue = (command: Command): Command =>
  withGroup(
    command,
    "Machine",
    [flag("--queue [url]", queue), flag("--store <place>", store)],
    [
      flag("--queue-ca <file>", queueCa),
      flag("--store-endpoint <url>", storeEndpoint),
      flag("--cache <dir>", caching.cache),
      flag("--cache-size <size>", caching.cacheSize, memorySize).default(20e9, "20GB"),
    ],
  );

/** What a command takes that hands work out. */
export const withHandingOut = (command: Command): Command =>
  withGroup(withQueue(command), "Machine", [], [flag("--dry-run", dryRun)]);

/** The address that was given, which may hold a password and is not shown. */
function addressOf({ queue }: QueueFlags): string {
  const given = typeof queue === "string" ? queue : process.env["SECATEUR_QUEUE"];
  if (given === undefined || given === "")
    fail(
      "bad-option",
      "name the queue: --queue redis://host:6379 or postgres://host/database, or SECATEUR_QUEUE in the environment",
    );
  return given;
}

/** The store that was named, with the disk of this machine in front of it. */
export async function openNamedStore({ store, storeEndpoint, cache, cacheSize }: StoreFlags): Promise<CachedStore> {
  if (store === undefined)
    fail("bad-option", "name the store: --store DIR, a folder that all machines see, or --store s3://bucket/prefix");
  const place = store.startsWith("s3://") ? await s3Place(store, storeEndpoint) : folderPlace(resolve(store));
  const folder = cache ?? join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "secateur");
  return cachedStore(openStore(place), resolve(folder), cacheSize);
}

export const openQueue = (flags: QueueFlags): Promise<Connection> =>
  connect(addressOf(flags), { onNote: note, queueCa: flags.queueCa });

/** Opens the queue and the store, and does something with both. */
export async function withExecutor<T>(flags: QueueFlags, work: (executor: Executor) => Promise<T>): Promise<T> {
  const store = await openNamedStore(flags);
  await using connection = await openQueue(flags);
  const { queueExecutor } = await import("../../queue/queue-node.ts");
  await using executor = queueExecutor(store, connection);
  return await work(executor);
}

/** Shows what happens to tasks: a line of progress, and lines that stay for what went wrong. */
export function reportTasks(progress: Progress): (event: TaskEvent) => void {
  const started = performance.now();
  const workers = new Set<string>();
  let known = 0;
  return (event) => {
    const { kind, label, worker, done, all } = event;
    if (worker !== undefined) workers.add(worker);
    if (kind === "known") known = done;
    if (kind === "lost" || kind === "retried" || kind === "repaired")
      note(`${label}${worker === undefined ? "" : ` by ${worker}`}: ${event.why}; it is done anew`);
    const who =
      worker === undefined ? "" : kind === "done" ? ` by ${worker} in ${event.seconds.toFixed(1)} s` : ` by ${worker}`;
    const own = done - known;
    const perMinute = ((60_000 * own) / (performance.now() - started)).toFixed(1);
    const rate = own > 0 ? `, ${perMinute} a minute, ${remaining(started, done, all, known)}` : "";
    progress.update(`${label} ${kind}${who}; ${done} of ${all} done by ${workers.size} workers${rate}`, done / all);
  };
}
