/** Commands and workers as processes of their own, as people start them. */

import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const main = join(import.meta.dirname, "../../dist/cli/main.js");

export const exited = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once("exit", () => resolve()));

/** A command line that runs. */
export interface Started extends AsyncDisposable {
  readonly child: ChildProcess;
  /** What it has written so far. */
  readonly said: { readonly out: string; readonly err: string };
  /** Waits for its end, and gives its exit code; none where a signal ended it. */
  ended(): Promise<number | null>;
}

/** Starts the command line; `folder` is the one that it runs in. */
export function start(words: readonly string[], folder: string): Started {
  const env = { ...process.env, NO_COLOR: "1" };
  const child = spawn(process.execPath, [main, ...words], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
  const said = { out: "", err: "" };
  child.stdout.on("data", (text) => (said.out += String(text)));
  child.stderr.on("data", (text) => (said.err += String(text)));
  return {
    child,
    said,
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

/** Runs the command line to its end. */
export async function run(words: readonly string[], folder: string) {
  const { said, ended } = start(words, folder);
  return { code: await ended(), ...said };
}

export interface WorkerProcess extends AsyncDisposable {
  readonly child: ChildProcess;
  /** What it has written. */
  readonly said: () => string;
  /** Waits until it has said something. */
  saying(pattern: RegExp): Promise<void>;
  ended(): Promise<number | null>;
}

/** Starts a worker of a queue as a machine of its own, with a cache of its own. */
export function startWorker(
  { url, folder }: { readonly url: string; readonly folder: string },
  name: string,
  more: readonly string[] = [],
): WorkerProcess {
  const flags = ["--store", join(folder, "store"), "--cache", join(folder, name), "--threads", "1", "--lock", "0.5"];
  const started = start(["worker", "--queue", url, ...flags, ...more], folder);
  const said = (): string => started.said.out + started.said.err;
  return {
    ...started,
    said,
    async saying(pattern) {
      while (!pattern.test(said())) {
        if (started.child.exitCode !== null)
          throw new Error(`the worker ended without saying ${String(pattern)}: ${said()}`);
        await sleep(20);
      }
    },
  };
}
