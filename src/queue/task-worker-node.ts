/** What runs in a worker thread: one task after another. The thread that renews locks is not this one. */

import type { MessagePort } from "node:worker_threads";
import { folderPlace } from "../distribute/folder-store-node.ts";
import { LostBlobs, openStore } from "../distribute/store.ts";
import { checkTask, type Refusal, type Tools } from "../distribute/task.ts";
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
  readonly threads: number;
  /** Is told how far it is. */
  readonly port: MessagePort;
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

/** Does a task. */
export async function run({ task: given, folder, threads, port }: AskedOfThread): Promise<ThreadAnswer> {
  try {
    const { task, kind, options } = checkTask(given, taskKinds);
    const store = openStore(folderPlace(folder));
    const tools: Tools = {
      threads,
      runtime: nodeRuntime,
      ready,
      digests: task.blobs,
      blob: (name) =>
        store.get(
          Object.hasOwn(task.blobs, name) ? task.blobs[name]! : fail("bad-data", `the task has no blob "${name}"`),
        ),
      progress: (done, all) => port.postMessage({ done, all }),
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
