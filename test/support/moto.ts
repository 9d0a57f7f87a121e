/** A server that speaks S3, on a port of its own: that of moto, where `moto_server` is on the path. */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "./servers.ts";

/** Whether this machine has the server: `pip install "moto[server]"`. */
export const hasMoto = spawnSync("moto_server", ["--help"]).status === 0;
if (!hasMoto) console.warn("no moto_server is installed: the tests of a store on a server of S3 are skipped");

/** Starts a server with an empty bucket. */
export async function startMoto(bucket: string): Promise<AsyncDisposable & { readonly url: string }> {
  const port = await freePort();
  const child = spawn("moto_server", ["--host", "127.0.0.1", "--port", String(port)], { stdio: "ignore" });
  const url = `http://127.0.0.1:${port}`;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`moto_server ended with ${child.exitCode}`);
    const made = await fetch(`${url}/${bucket}`, { method: "PUT" }).catch(() => undefined);
    if (made?.ok) break;
    await sleep(100);
  }
  return {
    url,
    async [Symbol.asyncDispose]() {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
  };
}
