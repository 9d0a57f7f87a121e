#!/usr/bin/env node
/** The command line: `secateur COMMAND ...`. */

import { run } from "./program.ts";

const abort = new AbortController();
// Whoever reads has had enough, as `head` does: no error of ours.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});
process.once("SIGINT", () => abort.abort());
process.exitCode = await run(process.argv.slice(2), abort.signal);
