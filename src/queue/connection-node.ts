/** The way to a queue: a server of Redis or Valkey, with a password and TLS where it has them. */

import { readFile } from "node:fs/promises";
import type { Redis, RedisOptions } from "ioredis";
import { fail, option } from "../graph/error.ts";
import { describeIo } from "../onnx/atomic-node.ts";

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
  /** File of the certificates that vouch for a server with TLS, as PEM; those of the system where none is named. */
  readonly queueCa?: string | undefined;
}

/** Seconds until a server that does not answer is taken for none. */
const patience = 10;

/**
 * Connects to a queue.
 *
 * @throws SecateurError `bad-option` for what is no address or is refused, `io` where nobody answers, `unsupported`
 * where packages are missing
 */
export async function connect(address: string, { onNote, queueCa }: ConnectOptions): Promise<Connection> {
  const options = optionsOf(address, queueCa === undefined ? undefined : await readCertificates(queueCa));
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

async function readCertificates(path: string): Promise<Buffer> {
  const bytes = await readFile(path).catch((error: unknown) => fail("io", `${path}: ${describeIo(error)}`, error));
  // Others would count for none, and nobody would be trusted.
  if (!bytes.includes("-----BEGIN CERTIFICATE-----"))
    fail("bad-option", `${option("queueCa", path)} holds no certificate: it is a file of PEM, "BEGIN CERTIFICATE"`);
  return bytes;
}

/** What Node calls a certificate that nobody vouches for, or that is of another host or time. */
const isOfCertificate = (code: string): boolean => /CERT|VERIFY|ISSUER|ALTNAME/.test(code);

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
    if (isOfCertificate(code))
      fail(
        "bad-option",
        `${shown} shows a certificate that is not trusted (${message}): name the file of its authority by ` +
          `${option("queueCa")}, and the host as the certificate has it`,
      );
    if (/NOAUTH|WRONGPASS|AUTH|NOPERM/.test(message))
      fail("bad-option", `${shown} refuses the password, or asks for one, as in redis://:PASSWORD@host`);
    const why = code || message;
    fail("io", `no queue answers at ${shown}: ${why}; start a server of Redis or Valkey ${tls}there`);
  } finally {
    client.disconnect();
  }
}
