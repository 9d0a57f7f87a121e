/** Servers of a queue for a test, each on a port of its own: Redis and PostgreSQL, with or without TLS. */

import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { Client } from "pg";
import { exited } from "./processes.ts";

/** Whether a program runs here; tests that need it are skipped with a line where it does not. */
function isHere(isFound: boolean, name: string, skipped: string): boolean {
  if (!isFound) console.warn(`no ${name} is installed: the tests of ${skipped} are skipped`);
  return isFound;
}

/** Whether this machine has a server of Redis. Debian has it as redis-server. */
export const hasRedis = isHere(spawnSync("redis-server", ["--version"]).status === 0, "redis-server", "queues");

/** Whether this machine can make certificates. */
export const hasOpenssl = isHere(spawnSync("openssl", ["version"]).status === 0, "openssl", "queues with TLS");

const debian = "/usr/lib/postgresql";
/** Where the newest server's programs are: Debian keeps them out of the way. */
const programs = [
  ...(process.env["PATH"] ?? "").split(delimiter),
  ...(existsSync(debian) ? readdirSync(debian).toReversed() : []).map((version) => join(debian, version, "bin")),
].find((folder) => ["initdb", "postgres", "pg_isready"].every((name) => existsSync(join(folder, name))));
const program = (name: string): string => join(programs!, name);

/** PostgreSQL refuses to be run by root. */
const idOf = (what: string): number => Number(spawnSync("id", [what, "postgres"], { encoding: "utf8" }).stdout || NaN);
const isRoot = process.getuid?.() === 0;
const other = isRoot ? { uid: idOf("-u"), gid: idOf("-g") } : {};

/** Whether this machine has a server of PostgreSQL. Debian has it as postgresql. */
export const hasPostgres = isHere(
  programs !== undefined && !Object.values(other).some(Number.isNaN),
  "PostgreSQL",
  "queues on it",
);

/** The password of servers that have one. */
export const password = "s3same:@/?";

export interface Server extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Of this test. */
  readonly folder: string;
  /** How many jobs it has. */
  jobs(): Promise<number>;
  /** kill -9, and the same server again with what it had written. */
  killAndRestart(): Promise<void>;
  /** kill -9, and a server that has forgotten everything. */
  killAndForget(): Promise<void>;
}

export interface ServerOptions {
  /** Whether it asks for {@link password}; PostgreSQL always does. */
  readonly isSecret?: boolean;
  /** With it the server speaks TLS; Redis nothing else. */
  readonly certificate?: Certificate;
}

/** A certificate that a server with TLS shows, and who signed it. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** Makes a certificate that vouches for itself, for a host such as IP:127.0.0.1. */
export function makeCertificate(folder: string, name: string, host: string): Certificate {
  const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)];
  const about = ["-days", "2", "-subj", `/CN=${name}`, "-addext", `subjectAltName=${host}`];
  const files = ["-keyout", key, "-out", cert];
  const made = spawnSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", ...about, ...files]);
  if (made.status !== 0) throw new Error(String(made.stderr));
  return { key, cert };
}

export const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

/** Starts a server of Redis that has written each command before it answers. */
export async function startRedis({ isSecret = false, certificate }: ServerOptions = {}): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), "secateur-queue-"));
  const port = await freePort();
  let data = join(folder, "server");
  const tls = certificate && { tls: { rejectUnauthorized: false } };
  const open = (): Redis => {
    const about = { port, host: "127.0.0.1", ...(isSecret && { password }), ...tls, retryStrategy: () => 50 };
    const client = new Redis(about);
    client.on("error", () => undefined);
    return client;
  };
  const start = async (): Promise<ChildProcess> => {
    mkdirSync(data, { recursive: true });
    const files = certificate && ["ca-cert", certificate.cert, "cert", certificate.cert, "key", certificate.key];
    const ports = files
      ? ["--port", "0", "--tls-port", String(port), "--tls-auth-clients", "no"].concat(
          [0, 2, 4].flatMap((at) => [`--tls-${files[at]!}-file`, files[at + 1]!]),
        )
      : ["--port", String(port)];
    const about = [...ports, "--bind", "127.0.0.1", "--dir", data, "--save", "", "--appendonly", "yes"];
    const more = ["--appendfsync", "always", ...(isSecret ? ["--requirepass", password] : [])];
    const child = spawn("redis-server", [...about, ...more], { stdio: "ignore" });
    const client = open();
    await client.ping().catch(() => undefined);
    client.disconnect();
    return child;
  };
  let child = await start();
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await exited(child);
  };
  return {
    url: `${certificate ? "rediss" : "redis"}://${isSecret ? `:${encodeURIComponent(password)}@` : ""}127.0.0.1:${port}`,
    port,
    folder,
    async jobs() {
      const client = open();
      const keys = await client.keys("secateur:tasks:*");
      client.disconnect();
      // A job is named by the digest of its task and the number of the try, or by a number; all else by words.
      return keys.filter((key) => /^secateur:tasks:([0-9a-f]{64}-\d+|\d+)$/.test(key)).length;
    },
    async killAndRestart() {
      await kill();
      child = await start();
    },
    async killAndForget() {
      await kill();
      data = join(folder, `server-${Date.now()}`);
      child = await start();
    },
    async [Symbol.asyncDispose]() {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export interface PostgresServer extends Server {
  /** Its address with another password or database. */
  address(password: string, database?: string): string;
  /** Ends it as its service does, and starts it again after a while. */
  restart(): Promise<void>;
}

/** Starts a server of PostgreSQL of one user, who has a password. */
export async function startPostgres({ certificate }: ServerOptions = {}): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), "secateur-queue-"));
  const home = mkdtempSync(join(tmpdir(), "secateur-postgres-"));
  const owned = (name: string, content: string | Buffer): string => {
    const path = join(home, name);
    writeFileSync(path, content, { mode: 0o600 });
    if (isRoot) chownSync(path, other.uid!, other.gid!);
    return path;
  };
  if (isRoot) chownSync(home, other.uid!, other.gid!);
  const secret = owned("secret", password);
  const tls = certificate && [
    "-c",
    "ssl=on",
    "-c",
    `ssl_cert_file=${owned("server.crt", readFileSync(certificate.cert))}`,
    "-c",
    `ssl_key_file=${owned("server.key", readFileSync(certificate.key))}`,
  ];
  const about = ["--username=secateur", "--auth=scram-sha-256", `--pwfile=${secret}`, "--locale=C", "--encoding=UTF8"];
  let data = join(home, "data");
  const make = (): void => {
    const made = spawnSync(program("initdb"), ["-D", data, "--no-sync", ...about], { ...other, cwd: home });
    if (made.status !== 0) throw new Error(String(made.stderr));
    // It lets nobody in without TLS.
    if (tls) writeFileSync(join(data, "pg_hba.conf"), "hostssl all all 127.0.0.1/32 scram-sha-256\n");
  };
  make();
  const port = await freePort();
  const ready = (): boolean => spawnSync(program("pg_isready"), ["-h", "127.0.0.1", "-p", String(port)]).status === 0;
  const start = async (): Promise<ChildProcess> => {
    const local = ["-c", "listen_addresses=127.0.0.1", "-c", `unix_socket_directories=${home}`, "-c", "fsync=off"];
    const words = ["-D", data, "-p", String(port), ...local, ...(tls ?? [])];
    for (;;) {
      const started = spawn(program("postgres"), words, { ...other, cwd: home, stdio: "ignore" });
      // What is left of one that was killed is in its way for a moment.
      while (started.exitCode === null && !ready()) await sleep(50);
      if (started.exitCode === null) return started;
    }
  };
  let child = await start();
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    await exited(child);
  };
  const address = (word: string, database = "postgres"): string =>
    `postgres://secateur:${encodeURIComponent(word)}@127.0.0.1:${port}/${database}`;
  return {
    url: `${address(password)}${certificate ? "?sslmode=verify-full" : ""}`,
    port,
    folder,
    address,
    async jobs() {
      const ssl = certificate && { ca: readFileSync(certificate.cert) };
      const client = new Client({ connectionString: address(password), ssl });
      await client.connect();
      const { rows } = await client.query<{ count: string }>("SELECT count(*) FROM bullmq.job");
      await client.end();
      return Number(rows[0]!.count);
    },
    async restart() {
      // Fast: it ends the connections that there are.
      await end("SIGINT");
      await sleep(1000);
      child = await start();
    },
    async killAndRestart() {
      await end("SIGKILL");
      child = await start();
    },
    async killAndForget() {
      await end("SIGKILL");
      data = join(home, `data-${Date.now()}`);
      make();
      child = await start();
    },
    async [Symbol.asyncDispose]() {
      await end("SIGINT");
      for (const path of [folder, home]) rmSync(path, { recursive: true, force: true });
    },
  };
}

/** A kind of server that a queue can be on. */
export interface ServerKind {
  readonly name: string;
  readonly isHere: boolean;
  start(options?: ServerOptions): Promise<Server>;
}
const redis: ServerKind = { name: "Redis", isHere: hasRedis, start: startRedis };
const postgres: ServerKind = { name: "PostgreSQL", isHere: hasPostgres, start: startPostgres };
/** Those that this machine has. */
export const servers: readonly ServerKind[] = [redis, postgres].filter((one) => one.isHere);
