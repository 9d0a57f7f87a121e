#!/usr/bin/env node
/** The command line: `secateur COMMAND ...`. */

import { interrupted, run } from "./program.ts";

const abort = new AbortController();
// Whoever reads has had enough, as `head` does: no error of ours.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => abort.abort());
// A sweep that was killed leaves no run behind that goes on by itself.
process.once("disconnect", () => abort.abort());
process.channel?.unref();
process.exitCode = await run(process.argv.slice(2), abort.signal);
if (process.exitCode === interrupted) {
  // A step that nobody waits for any more may still be running in its thread.
  const { workersIdle } = await import("../runtime/workers-node.ts");
  await workersIdle();
  process.exit();
}
