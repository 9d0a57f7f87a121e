/** A small network to score, and what one machine makes of it. */

import { join } from "node:path";
import type { Redis } from "ioredis";
import type { Scores } from "../../src/criteria/criterion.ts";
import { cachedStore, type CachedStore } from "../../src/distribute/cached-store-node.ts";
import { folderPlace } from "../../src/distribute/folder-store-node.ts";
import { openStore } from "../../src/distribute/store.ts";
import { keyOf, taskOf, type Executor, type Task } from "../../src/distribute/task.ts";
import { arrayDataset, load, score } from "../../src/node.ts";
import { connect, type Connection } from "../../src/queue/connection-node.ts";
import { queueExecutor } from "../../src/queue/queue-node.ts";
import { random } from "../support/graphs.ts";
import type { Server } from "../support/servers.ts";

export const netPath = new URL("../fixtures/nets/residual-conv.onnx", import.meta.url).pathname;
export const model = await load(netPath);
const next = random(1);
export const data = arrayDataset({
  name: "drawn",
  inputs: {
    "": { dtype: "float32", shape: [64, 3, 9, 9], data: Float32Array.from({ length: 64 * 243 }, () => next() * 2 - 1) },
  },
  target: { dtype: "int64", shape: [64], data: BigInt64Array.from({ length: 64 }, (_, i) => BigInt(i % 5)) },
});
export const options = { data, batchSize: 4, batches: 16, seed: 3, labelsAreRight: true } as const;

/** Every bit of importances. */
export const bitsOf = (scores: Scores) =>
  [...scores].map(([name, values]) => [name, Buffer.from(values.buffer, values.byteOffset, values.byteLength)]);

/** What one machine measures. */
export const alone = async (seed: number) => bitsOf(await score(model, { ...options, seed, threads: 1 }));

/** The store of a test, seen from a machine of this name. */
export const storeOf = (folder: string, name = "coordinator"): CachedStore =>
  cachedStore(openStore(folderPlace(join(folder, "store"))), join(folder, name), 1e9);

/** What hands work out to workers. */
export async function coordinate(server: Server, notes: string[] = []): Promise<Executor & { connection: Connection }> {
  const connection = await connect(server.url, { onNote: (text) => notes.push(text) });
  const executor = queueExecutor(storeOf(server.folder), connection);
  return {
    ...executor,
    connection,
    async [Symbol.asyncDispose]() {
      await executor[Symbol.asyncDispose]();
      await connection[Symbol.asyncDispose]();
    },
  };
}

/** A client of the server itself. */
export const redisOf = (connection: Connection): Redis => connection.client() as Redis;

export async function* listed(tasks: readonly Task[]): AsyncGenerator<Task> {
  for (const task of tasks) yield await Promise.resolve(task);
}

export { keyOf, taskOf, type Task };
