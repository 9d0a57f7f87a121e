/** The way to a queue: a server of Redis or Valkey, with a password and TLS where it has them. */

import type { Redis, RedisOptions } from "ioredis";
import { fail, option } from "../graph/error.ts";

/** What is loaded only where a queue is asked for. */
interface Packages {
  readonly bullmq: typeof import("bullmq");
  readonly ioredis: Pick<typeof import("ioredis"), "Redis">;
}

async function loadPackages(): Promise<Packages> {
  try {
    const [bullmq, ioredis] = await Promise.all([import("bullmq"), import("ioredis")]);
    return { bullmq, ioredis };
  } catch (error) {
    return fail(
      "unsupported",
      `${option("queue")} needs two packages that are not installed here: npm install bullmq@6 ioredis@6`,
      error,
    );
  }
}

/** The address of a queue as people may see it: without its password. */
export const shownAddress = (url: string): string =>
  url.replace(/^([a-z]+:\/\/)?([^/?#]*)@/i, (_, scheme: string | undefined, who: string) => {
    const user = who.split(":")[0]!;
    return `${scheme ?? ""}${who.includes(":") ? `${user}:***` : user}@`;
  });

const plain = new Set(["redis:", "valkey:"]);
const secure = new Set(["rediss:", "valkeys:"]);

/** How to connect, as the address has it. */
function optionsOf(address: string): RedisOptions {
  const refuse = (): never =>
    fail(
      "bad-option",
      `${shownAddress(address)} is no address of a queue: it looks like redis://host:6379, or ` +
        "rediss://user:password@host:6379 with TLS",
    );
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return refuse();
  }
  const { protocol, hostname, port, username, password, pathname } = url;
  const database = pathname.replace(/^\//, "");
  if (!(plain.has(protocol) || secure.has(protocol)) || hostname === "") return refuse();
  if (!/^\d{0,4}$/.test(database)) return refuse();
  const host = hostname.replace(/^\[|\]$/g, "");
  return {
    host,
    port: port === "" ? 6379 : Number(port),
    ...(username !== "" && { username: decodeURIComponent(username) }),
    ...(password !== "" && { password: decodeURIComponent(password) }),
    ...(database !== "" && { db: Number(database) }),
    ...(secure.has(protocol) && { tls: /^[\d.]+$|:/.test(host) ? {} : { servername: host } }),
  };
}

export interface Connection extends AsyncDisposable {
  readonly bullmq: typeof import("bullmq");
  /** As people may see it. */
  readonly address: string;
  /** A client that connects again whenever the server is away, for as long as it takes. */
  client(): Redis;
}

export interface ConnectOptions {
  /** Told once when the server goes away, and once when it is back. */
  readonly onNote: (text: string) => void;
}

/** Seconds until a server that does not answer is taken for none. */
const patience = 10;

/**
 * Connects to a queue.
 *
 * @throws SecateurError `bad-option` for what is no address or is refused, `io` where nobody answers, `unsupported`
 * where packages are missing
 */
export async function connect(address: string, { onNote }: ConnectOptions): Promise<Connection> {
  const options = optionsOf(address);
  const { bullmq, ioredis } = await loadPackages();
  const shown = shownAddress(address);
  await knock(new ioredis.Redis({ ...options, ...once }), shown);
  const clients: Redis[] = [];
  let isAway = false;
  const tell = (away: boolean): void => {
    if (away !== isAway) onNote(away ? `${shown} does not answer: waiting for it` : `${shown} is back`);
    isAway = away;
  };
  return {
    bullmq,
    address: shown,
    client() {
      const client = new ioredis.Redis({
        ...options,
        maxRetriesPerRequest: null,
        retryStrategy: (times) => Math.min(100 * 2 ** times, 5000),
      });
      // An error is told by what follows: the client tries again.
      client.on("error", () => undefined);
      client.on("reconnecting", () => tell(true));
      client.on("ready", () => tell(false));
      clients.push(client);
      return client;
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) {
        client.removeAllListeners("reconnecting");
        client.disconnect();
      }
      await Promise.resolve();
    },
  };
}

const once: RedisOptions = {
  lazyConnect: true,
  retryStrategy: () => null,
  connectTimeout: patience * 1000,
  maxRetriesPerRequest: 0,
  enableOfflineQueue: false,
};

/** Sees whether the server lets us in. */
async function knock(client: Redis, shown: string): Promise<void> {
  let first: unknown;
  client.on("error", (error: unknown) => (first ??= error));
  try {
    await client.connect();
    await client.ping();
  } catch (error) {
    const { message, code } = (first ?? error) as NodeJS.ErrnoException;
    if (/NOAUTH|WRONGPASS|AUTH|NOPERM/.test(message))
      fail("bad-option", `${shown} refuses the password, or asks for one, as in redis://:PASSWORD@host`);
    fail("io", `no queue answers at ${shown}: ${code ?? message}; start a server of Redis or Valkey there`);
  } finally {
    client.disconnect();
  }
}
