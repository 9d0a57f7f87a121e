/** Builds the package before the tests: worker threads and child processes of tests run what is built. */

import { execFileSync } from "node:child_process";

export function setup(): void {
  const tsc = new URL("../../node_modules/typescript/bin/tsc", import.meta.url).pathname;
  execFileSync(process.execPath, [tsc, "-p", new URL("../../tsconfig.build.json", import.meta.url).pathname], {
    stdio: "inherit",
  });
}
