#!/usr/bin/env node
/** The command line: `secateur COMMAND ...`. */

import { run } from "./program.ts";

const abort = new AbortController();
process.once("SIGINT", () => abort.abort());
process.exitCode = await run(process.argv.slice(2), abort.signal);
