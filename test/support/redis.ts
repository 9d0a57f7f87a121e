/** A server of a queue for a test, on a port of its own, and worker processes. */

import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";

/** Whether this machine has a server. Debian has it as redis-server. */
export const hasServer = spawnSync("redis-server", ["--version"]).status === 0;
if (!hasServer) console.warn("no redis-server is installed: the tests of queues are skipped");

export const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

const exited = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once("exit", () => resolve()));

export interface Server extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Of this test. */
  readonly folder: string;
  /** kill -9, and the same server again with what it had written. */
  killAndRestart(): Promise<void>;
  /** kill -9, and a server that has forgotten everything. */
  killAndForget(): Promise<void>;
}

/** A certificate that a server with TLS shows, and who signed it. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** Whether this machine can make certificates. */
export const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;
if (!hasOpenssl) console.warn("no openssl is installed: the tests of queues with TLS are skipped");

/** Makes a certificate that vouches for itself, for a host such as IP:127.0.0.1. */
export function makeCertificate(folder: string, name: string, host: string): Certificate {
  const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)];
  const about = ["-days", "2", "-subj", `/CN=${name}`, "-addext", `subjectAltName=${host}`];
  const made = spawnSync("openssl", [
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    ...about,
    "-keyout",
    key,
    "-out",
    cert,
  ]);
  if (made.status !== 0) throw new Error(String(made.stderr));
  return { key, cert };
}

/** Starts a server that writes each command down; with a certificate it speaks TLS and nothing else. */
export async function startServer(
  more: readonly string[] = [],
  password = "",
  certificate?: Certificate,
): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), "secateur-queue-"));
  const port = await freePort();
  let data = join(folder, "server");
  const start = async (): Promise<ChildProcess> => {
    mkdirSync(data, { recursive: true });
    const ports = certificate
      ? [
          "--port",
          "0",
          "--tls-port",
          String(port),
          "--tls-auth-clients",
          "no",
          "--tls-ca-cert-file",
          certificate.cert,
        ].concat("--tls-cert-file", certificate.cert, "--tls-key-file", certificate.key)
      : ["--port", String(port)];
    const about = [...ports, "--bind", "127.0.0.1", "--dir", data, "--save", "", "--appendonly", "yes"];
    const child = spawn("redis-server", [...about, ...more], { stdio: "ignore" });
    const tls = certificate && { tls: { rejectUnauthorized: false } };
    const client = new Redis({
      port,
      host: "127.0.0.1",
      ...(password && { password }),
      ...tls,
      retryStrategy: () => 50,
    });
    client.on("error", () => undefined);
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
    url: `${certificate ? "rediss" : "redis"}://${password === "" ? "" : `:${password}@`}127.0.0.1:${port}`,
    port,
    folder,
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

const cli = new URL("../../dist/cli/main.js", import.meta.url).pathname;

export interface WorkerProcess extends AsyncDisposable {
  readonly child: ChildProcess;
  /** What it has written. */
  readonly said: () => string;
  /** Waits until it has said something. */
  saying(pattern: RegExp): Promise<void>;
  ended(): Promise<number | null>;
}

/** Starts a worker process as a machine of its own, with a cache of its own. */
export function startWorker({ url, folder }: Server, name: string, more: readonly string[] = []): WorkerProcess {
  const flags = ["--store", join(folder, "store"), "--cache", join(folder, name), "--threads", "1", "--lock", "0.5"];
  const child = spawn(process.execPath, [cli, "worker", "--queue", url, ...flags, ...more], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1" },
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (bytes: Buffer) => {
      text += String(bytes);
    });
  return {
    child,
    said: () => text,
    async saying(pattern) {
      while (!pattern.test(text)) {
        if (child.exitCode !== null) throw new Error(`the worker ended without saying ${pattern}: ${text}`);
        await sleep(20);
      }
    },
    async ended() {
      await exited(child);
      return child.exitCode;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited(child);
    },
  };
}
