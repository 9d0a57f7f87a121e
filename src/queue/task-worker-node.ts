/** What runs in a worker thread: one task after another. The thread that renews locks is not this one. */

import type { MessagePort } from "node:worker_threads";
import { folderPlace } from "../distribute/folder-store-node.ts";
import { LostBlobs, openStore } from "../distribute/store.ts";
import type { Kept } from "../distribute/task-checkpoint.ts";
import { checkTask, type Refusal, type Task, type Tools } from "../distribute/task.ts";
import { fail, SecateurError } from "../graph/error.ts";
import { useRuntime } from "../runtime/default.ts";
import { directRuntime } from "../runtime/onnxruntime-node.ts";
import { nodeRuntime } from "../runtime/workers-node.ts";
import { taskKinds } from "./tasks/table.ts";

/** What a thread is asked for. */
export interface AskedOfThread {
  readonly task: unknown;
  /** The folder that the blobs of the task are in. */
  readonly folder: string;
  /** What an earlier try kept; its blobs are in the folder too. */
  readonly earlier: Task["blobs"];
  readonly threads: number;
  /** Is told how far it is, and what is to be kept. */
  readonly port: MessagePort;
}

/** What a thread tells while it works. */
export type ToldByThread =
  | { readonly kind: "progress"; readonly done: number; readonly all: number }
  /** Answered once it is kept. */
  | { readonly kind: "keep"; readonly kept: Kept };
/** What a thread is told while it works. */
export interface ToldToThread {
  readonly kind: "kept" | "stop";
}

/** What a thread answers; errors come as data, as an error that crosses threads loses what it is. */
export type ThreadAnswer =
  | { readonly result: unknown; readonly blobs: Readonly<Record<string, Uint8Array>> }
  | { readonly lost: readonly string[] }
  | { readonly refused: Refusal };

/** So many things stay ready. */
const mostReady = 3;
const readied = new Map<string, unknown>();

async function ready<T>(name: string, make: () => Promise<T>): Promise<T> {
  const known = readied.get(name) as T | undefined;
  readied.delete(name);
  const found = known ?? (await make());
  readied.set(name, found);
  for (const [oldest, one] of readied) {
    if (readied.size <= mostReady) break;
    readied.delete(oldest);
    await (one as Partial<AsyncDisposable>)[Symbol.asyncDispose]?.();
  }
  return found;
}

useRuntime(directRuntime);

/** What the thread that knows the store does for the work, and when the work is to stop. */
function listen(port: MessagePort) {
  const stop = new AbortController();
  let answered = (): void => undefined;
  port.on("message", ({ kind }: ToldToThread) => {
    if (kind === "stop") stop.abort();
    else answered();
  });
  return {
    signal: stop.signal,
    keep: (kept: Kept): Promise<void> =>
      new Promise((resolve) => {
        answered = resolve;
        port.postMessage({ kind: "keep", kept } satisfies ToldByThread);
      }),
  };
}

/** Does a task. */
export async function run({ task: given, folder, earlier, threads, port }: AskedOfThread): Promise<ThreadAnswer> {
  try {
    const { task, kind, options } = checkTask(given, taskKinds);
    const store = openStore(folderPlace(folder));
    const reader =
      (digests: Task["blobs"], whose: string): Tools["blob"] =>
      (name) =>
        store.get(Object.hasOwn(digests, name) ? digests[name]! : fail("bad-data", `${whose} has no blob "${name}"`));
    const { signal, keep } = listen(port);
    const tools: Tools = {
      threads,
      signal,
      runtime: nodeRuntime,
      ready,
      digests: task.blobs,
      blob: reader(task.blobs, "the task"),
      checkpoint: {
        digests: earlier,
        blob: reader(earlier, "the checkpoint"),
        keep,
      },
      progress: (done, all) => port.postMessage({ kind: "progress", done, all } satisfies ToldByThread),
    };
    return await kind.run(options, tools);
  } catch (error) {
    if (error instanceof LostBlobs) return { lost: error.digests };
    // A disk may be full on this machine alone.
    if (error instanceof SecateurError && error.code !== "io")
      return { refused: { code: error.code, message: error.message } };
    throw error;
  } finally {
    port.close();
  }
}
