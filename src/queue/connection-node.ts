/** The way to a queue: a server of Redis, Valkey or PostgreSQL, with a password and TLS where it has them. */

import { readFile } from "node:fs/promises";
import { fail, option } from "../graph/error.ts";
import { describeIo } from "../onnx/atomic-node.ts";
import { shownAddress } from "./address-node.ts";
import { isOfPostgres, reachPostgres } from "./postgres-node.ts";
import { reachRedis } from "./redis-node.ts";

type BullMQ = typeof import("bullmq");

async function loadBullMQ(driver: string): Promise<BullMQ> {
  try {
    return await import("bullmq");
  } catch (error) {
    return fail(
      "unsupported",
      `${option("queue")} needs two packages that are not installed here: npm install bullmq@6 ${driver}`,
      error,
    );
  }
}

export interface Connection extends AsyncDisposable {
  /** Its classes speak to the server that was named. */
  readonly bullmq: Pick<BullMQ, "Queue" | "QueueEvents" | "Worker" | "WaitingError">;
  /** As people may see it. */
  readonly address: string;
  /** What the classes take as their connection, one each; it waits whenever the server is away. */
  client(): unknown;
}

export interface ConnectOptions {
  /** Told once when the server goes away, and once when it is back. */
  readonly onNote: (text: string) => void;
  /** File of the certificates that vouch for a server with TLS, as PEM; those of the system where none is named. */
  readonly queueCa?: string | undefined;
}

/**
 * Connects to a queue.
 *
 * @throws SecateurError `bad-option` for what is no address or is refused, `io` where nobody answers, `unsupported`
 * where packages are missing
 */
export async function connect(address: string, { onNote, queueCa }: ConnectOptions): Promise<Connection> {
  const ca = queueCa === undefined ? undefined : await readCertificates(queueCa);
  const ofPostgres = isOfPostgres(address);
  const bullmq = await loadBullMQ(ofPostgres ? "pg@8" : "ioredis@6");
  const shown = shownAddress(address);
  let isAway = false;
  const tell = (away: boolean): void => {
    if (away !== isAway) onNote(away ? `${shown} does not answer: waiting for it` : `${shown} is back`);
    isAway = away;
  };
  const reached = await (ofPostgres ? reachPostgres : reachRedis)({ address, bullmq, ca, tell });
  const { WaitingError } = bullmq;
  return {
    bullmq: reached.backend ? { ...(bullmq.withBackend(reached.backend) as never as BullMQ), WaitingError } : bullmq,
    address: shown,
    client: () => reached.client(),
    [Symbol.asyncDispose]: () => reached[Symbol.asyncDispose](),
  };
}

async function readCertificates(path: string): Promise<Buffer> {
  const bytes = await readFile(path).catch((error: unknown) => fail("io", `${path}: ${describeIo(error)}`, error));
  // Others would count for none, and nobody would be trusted.
  if (!bytes.includes("-----BEGIN CERTIFICATE-----"))
    fail("bad-option", `${option("queueCa", path)} holds no certificate: it is a file of PEM, "BEGIN CERTIFICATE"`);
  return bytes;
}
