/** A server of PostgreSQL as the server of a queue, by the backend that BullMQ has for it. */

import { setTimeout as sleep } from "node:timers/promises";
import type { BackendFactory, PostgresConnectionOptions, PostgresQueueBackend } from "bullmq";
import type { Pool, PoolClient, PoolConfig } from "pg";
import { fail, option } from "../graph/error.ts";
import { isOfCertificate, patience, shownAddress, untrusted, type Asked, type Reached } from "./address-node.ts";
import { prefix } from "./answer.ts";

/** Whether an address is one of PostgreSQL. */
export const isOfPostgres = (address: string): boolean => /^postgres(ql)?:/i.test(address);

async function loadDriver(): Promise<typeof import("pg").Pool> {
  try {
    // Its own module for ESM hands on what it has as CommonJS.
    return (await import("pg")).default.Pool;
  } catch (error) {
    return fail(
      "unsupported",
      `${option("queue")} needs two packages that are not installed here: npm install bullmq@6 pg@8`,
      error,
    );
  }
}

/** The schema of all tables; BullMQ gives a pool that it is handed no other. */
const schema = "bullmq";

/** How to connect, as the address has it. What it leaves out is as for psql: PGUSER, PGPASSWORD, ~/.pgpass. */
function optionsOf(address: string, ca: Buffer | undefined): PoolConfig {
  const refuse = (): never =>
    fail(
      "bad-option",
      `${shownAddress(address)} is no address of a queue: it looks like postgres://user:password@host:5432/database, ` +
        "with ?sslmode=verify-full for TLS",
    );
  if (!URL.canParse(address)) return refuse();
  const { hostname, port, username, password, pathname, searchParams } = new URL(address);
  const { sslmode = "disable", ...others } = Object.fromEntries(searchParams);
  // A mode that takes any certificate would be as good as none.
  const isSecure = sslmode === "require" || sslmode === "verify-full";
  const database = decodeURIComponent(pathname.replace(/^\//, ""));
  if (hostname === "" || Object.keys(others).length > 0 || database.includes("/")) return refuse();
  if (!isSecure && sslmode !== "disable") return refuse();
  if (ca && !isSecure)
    fail(
      "bad-option",
      `${option("queueCa")} is for TLS, and ${shownAddress(address)} is without: add ?sslmode=verify-full`,
    );
  return {
    host: decodeURIComponent(hostname).replace(/^\[|\]$/g, ""),
    ...(port !== "" && { port: Number(port) }),
    ...(username !== "" && { user: decodeURIComponent(username) }),
    ...(password !== "" && { password: decodeURIComponent(password) }),
    ...(database !== "" && { database }),
    ssl: isSecure && { ...(ca && { ca }) },
    options: `-c search_path="${schema}"`,
    connectionTimeoutMillis: patience * 1000,
    keepAlive: true,
    keepAliveInitialDelayMillis: patience * 1000,
  };
}

/** Whether the server is away: it does not answer, it ends or starts, or it has no connection left. */
function isAway(error: unknown): boolean {
  const { code = "", message = "" } = error as NodeJS.ErrnoException;
  return (
    /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOST|ENET|08|57P0[123]|53300)/.test(code) ||
    /^Connection terminated|^timeout exceeded when trying to connect|Query read timeout|not queryable/.test(message)
  );
}

/** Whether the server came back without what BullMQ needs: a table, a schema or a function is not there. */
const isEmpty = (error: unknown): boolean => /^(42P01|3F000|42883)$/.test((error as NodeJS.ErrnoException).code ?? "");

/** Reaches a server, sees whether it lets us in, and makes the tables of BullMQ where there are none. */
export async function reachPostgres({ address, bullmq, ca, tell }: Asked): Promise<Reached> {
  const options = optionsOf(address, ca);
  const Pool = await loadDriver();
  await prepare(new Pool({ ...options, max: 1 }), bullmq, shownAddress(address));
  const pools: Pool[] = [];
  let isOver = false;
  const makeTables = async (): Promise<void> => {
    const pool = new Pool({ ...options, max: 1 });
    try {
      await withClient(pool, (client) => bullmq.runMigrations(client, schema));
    } finally {
      await pool.end();
    }
  };
  /** Does something until the server is there. What it did before an answer was lost does no harm a second time. */
  const persist = async <T>(work: () => Promise<T>): Promise<T> => {
    let isMade = false;
    for (let tries = 0; ; tries++)
      try {
        const made = await work();
        tell(false);
        return made;
      } catch (error) {
        if (isOver) throw error;
        if (isEmpty(error) && !isMade) {
          // Who waits for jobs that are gone hands them out anew.
          await persist(makeTables);
          isMade = true;
          continue;
        }
        if (!isAway(error)) throw error;
        tell(true);
        await sleep(Math.min(100 * 2 ** tries, 5000));
      }
  };
  return {
    client() {
      // One connection listens for as long as the pool is there.
      const pool = new Pool({ ...options, max: 4, query_timeout: 6 * patience * 1000 });
      // An error is told by what follows: whatever was asked is asked again.
      pool.on("error", () => undefined);
      pool.on("connect", (client) => client.on("error", () => undefined));
      pools.push(pool);
      return pool;
    },
    backend: backendOf(bullmq, persist),
    async [Symbol.asyncDispose]() {
      isOver = true;
      // A connection that somebody still has would be waited for.
      await Promise.race([Promise.allSettled(pools.map((pool) => pool.end())), sleep(1000, undefined, { ref: false })]);
    },
  };
}

/** BullMQ's backend, which fails whatever is asked while the server is away, made to wait for it. */
function backendOf(
  { PostgresConnection, PostgresQueueBackend }: Asked["bullmq"],
  persist: <T>(work: () => Promise<T>) => Promise<T>,
): BackendFactory<PostgresQueueBackend, PostgresConnectionOptions> {
  class Patient extends PostgresQueueBackend {
    override readEvents(...given: Parameters<PostgresQueueBackend["readEvents"]>) {
      return persist(() => super.readEvents(...given));
    }
    override waitForJob(...given: Parameters<PostgresQueueBackend["waitForJob"]>) {
      return persist(() => super.waitForJob(...given));
    }
  }
  class Prepared extends PostgresConnection {
    /** The tables are there. Looking again could fail, and BullMQ would not look a third time. */
    override waitUntilReady(): Promise<void> {
      return Promise.resolve();
    }
  }
  return (name, opts, { blocking, withBlockingConnection } = {}) => {
    const pool = opts.connection as Pool;
    const own = `${prefix}-${name}`;
    const patient = {
      options: pool.options,
      connect: () => persist(() => pool.connect()),
      query: (text: string, values?: unknown[]) => persist(() => pool.query(text, values)),
      end: () => pool.end(),
      on: pool.on.bind(pool),
      removeAllListeners: pool.removeAllListeners.bind(pool),
    };
    // By these names workers are counted.
    const worker = opts as { readonly name?: string };
    const listener = withBlockingConnection ? `${own}:w:${worker.name}` : blocking ? `${own}:qe` : undefined;
    return new Patient(new Prepared(patient as never), own, opts as never, true, listener);
  };
}

/** Does something by one connection of a pool, which is closed behind it. */
async function withClient(pool: Pool, work: (client: PoolClient) => Promise<unknown>): Promise<void> {
  pool.on("error", () => undefined);
  const client = await pool.connect();
  client.on("error", () => undefined);
  try {
    await work(client);
  } finally {
    client.release(true);
  }
}

/** Sees whether the server lets us in, and makes what BullMQ needs. */
async function prepare(pool: Pool, bullmq: Asked["bullmq"], shown: string): Promise<void> {
  try {
    await withClient(pool, (client) => bullmq.runMigrations(client, schema));
  } catch (error) {
    const { code = "", message, name } = error as NodeJS.ErrnoException;
    if (isOfCertificate(code)) untrusted(shown, message);
    if (code === "28P01" || message.startsWith("SASL"))
      fail(
        "bad-option",
        `${shown} refuses the password, or asks for one, as in postgres://user:PASSWORD@host/database`,
      );
    if (code.startsWith("28") || code === "3D000" || code === "42501")
      fail("bad-option", `${shown} refuses: ${message}; the user needs CONNECT and CREATE on the database`);
    if (/Version/.test(name)) fail("unsupported", message, error);
    fail("io", `no queue answers at ${shown}: ${code || message}; start a server of PostgreSQL there`, error);
  } finally {
    await pool.end();
  }
}
