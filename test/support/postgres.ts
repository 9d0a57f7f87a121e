/** A server of PostgreSQL for a test, on a port of its own. */

import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort, type Server } from "./redis.ts";

const debian = "/usr/lib/postgresql";
/** Where the newest server's programs are: Debian keeps them out of the way. */
const programs = [
  ...(process.env["PATH"] ?? "").split(":"),
  ...(existsSync(debian) ? readdirSync(debian).toReversed() : []).map((version) => join(debian, version, "bin")),
].find((folder) => ["initdb", "postgres", "pg_isready"].every((name) => existsSync(join(folder, name))));

/** A server refuses to be run by root. */
const idOf = (what: string): number => Number(spawnSync("id", [what, "postgres"], { encoding: "utf8" }).stdout || NaN);
const isRoot = process.getuid?.() === 0;
const other = isRoot ? { uid: idOf("-u"), gid: idOf("-g") } : {};

/** Whether this machine has a server. Debian has it as postgresql. */
export const hasPostgres = programs !== undefined && !Object.values(other).some(Number.isNaN);
if (!hasPostgres) console.warn("no PostgreSQL is installed: the tests of queues on it are skipped");

export interface PostgresServer extends Server {
  /** Its address with another password or database. */
  address(password: string, database?: string): string;
  /** Ends it as its service does, and starts it again after a while. */
  restart(): Promise<void>;
}

export const password = "s3same:@/?";

/** Starts a server of one user, who has a password. */
export async function startPostgres(): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), "secateur-queue-"));
  const home = mkdtempSync(join(tmpdir(), "secateur-postgres-"));
  const data = join(home, "data");
  const secret = join(home, "secret");
  writeFileSync(secret, password);
  if (isRoot) for (const path of [home, secret]) chownSync(path, other.uid!, other.gid!);
  const about = ["--username=secateur", "--auth=scram-sha-256", `--pwfile=${secret}`, "--locale=C", "--encoding=UTF8"];
  const made = spawnSync(join(programs!, "initdb"), ["-D", data, "--no-sync", ...about], { ...other, cwd: home });
  if (made.status !== 0) throw new Error(String(made.stderr));
  const port = await freePort();
  const ready = (): boolean =>
    spawnSync(join(programs!, "pg_isready"), ["-h", "127.0.0.1", "-p", String(port)]).status === 0;
  const start = async (): Promise<ChildProcess> => {
    const more = ["-c", "listen_addresses=127.0.0.1", "-c", `unix_socket_directories=${home}`, "-c", "fsync=off"];
    for (;;) {
      const started = spawn(join(programs!, "postgres"), ["-D", data, "-p", String(port), ...more], {
        ...other,
        cwd: home,
        stdio: "ignore",
      });
      // What is left of one that was killed is in its way for a moment.
      while (started.exitCode === null && !ready()) await sleep(50);
      if (started.exitCode === null) return started;
    }
  };
  let child = await start();
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const exit = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await exit;
  };
  const address = (word: string, database = "postgres"): string =>
    `postgres://secateur:${encodeURIComponent(word)}@127.0.0.1:${port}/${database}`;
  return {
    url: address(password),
    port,
    folder,
    address,
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
      await Promise.reject(new Error("a server of PostgreSQL does not forget"));
    },
    async [Symbol.asyncDispose]() {
      await end("SIGINT");
      for (const path of [folder, home]) rmSync(path, { recursive: true, force: true });
    },
  };
}
