/** A server of Redis or Valkey as the server of a queue. */

import type { Redis, RedisOptions } from "ioredis";
import { fail, option } from "../graph/error.ts";
import { isOfCertificate, patience, shownAddress, untrusted, type Asked, type Reached } from "./address-node.ts";

async function loadDriver(): Promise<Pick<typeof import("ioredis"), "Redis">> {
  try {
    return await import("ioredis");
  } catch (error) {
    return fail(
      "unsupported",
      `${option("queue")} needs two packages that are not installed here: npm install bullmq@6 ioredis@6`,
      error,
    );
  }
}

const plain = new Set(["redis:", "valkey:"]);
const secure = new Set(["rediss:", "valkeys:"]);

/** How to connect, as the address has it; certificates are those of the system where no others are given. */
function optionsOf(address: string, ca: Buffer | undefined): RedisOptions {
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
  const isSecure = secure.has(protocol);
  if (ca && !isSecure)
    fail("bad-option", `${option("queueCa")} is for TLS, and ${shownAddress(address)} is without: write rediss://`);
  const host = hostname.replace(/^\[|\]$/g, "");
  return {
    host,
    port: port === "" ? 6379 : Number(port),
    ...(username !== "" && { username: decodeURIComponent(username) }),
    ...(password !== "" && { password: decodeURIComponent(password) }),
    ...(database !== "" && { db: Number(database) }),
    ...(isSecure && { tls: { ...(!/^[\d.]+$|:/.test(host) && { servername: host }), ...(ca && { ca }) } }),
  };
}

/** Reaches a server, and sees whether it lets us in. */
export async function reachRedis({ address, ca, tell }: Asked): Promise<Reached> {
  const options = optionsOf(address, ca);
  const { Redis } = await loadDriver();
  await knock(new Redis({ ...options, ...once }), shownAddress(address));
  const clients: Redis[] = [];
  return {
    client() {
      const client = new Redis({
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
  // A server without TLS waits for more, and says nothing.
  const tls = client.options.tls ? "with TLS " : "";
  let first: unknown;
  client.on("error", (error: unknown) => (first ??= error));
  try {
    await client.connect();
    await client.ping();
  } catch (error) {
    const { message, code = "" } = (first ?? error) as NodeJS.ErrnoException;
    if (isOfCertificate(code)) untrusted(shown, message);
    if (/NOAUTH|WRONGPASS|AUTH|NOPERM/.test(message))
      fail("bad-option", `${shown} refuses the password, or asks for one, as in redis://:PASSWORD@host`);
    const why = code || message;
    fail("io", `no queue answers at ${shown}: ${why}; start a server of Redis or Valkey ${tls}there`);
  } finally {
    client.disconnect();
  }
}
