/**
 * Checks the law of the project on many generated networks: what is cut computes what is masked. The first network for which it does
 * not is shrunk and printed with the command that finds it again.
 *
 *     npm run generated                       20,000 networks
 *     npm run generated -- 5000 --seed 7      so many, from that seed
 *     npm run generated -- 5000 --all         all laws of test/prune/generated.test.ts, not the first alone
 */

import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readFlags } from "./lib/flags.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const file = "test/prune/generated.test.ts";
const law = "compute the same cut and masked";
/** Networks that one process checks: enough for its start not to count. */
const portion = 500;

const { values, positionals } = readFlags(import.meta.url, {
  options: { seed: { type: "string", default: "1" }, all: { type: "boolean", default: false } },
  allowPositionals: true,
});
const [total, seed] = [Number(positionals[0] ?? 20_000), Number(values.seed)];
if (!Number.isInteger(total) || total < 1 || !Number.isInteger(seed)) {
  console.error("usage: npm run generated -- [NETWORKS] [--seed N] [--all]");
  process.exit(2);
}

const args = ["run", file, ...(values.all ? [] : ["-t", law]), "--maxWorkers=1", "--reporter=default"];
/** Networks of each portion and its seed. */
const portions = Array.from({ length: Math.ceil(total / portion) }, (_, i) => ({
  runs: Math.min(portion, total - i * portion),
  seed: seed + i,
}));

const running = new Set();
const start = performance.now();
let done = 0;

/** Runs one portion; gives what it printed if it failed. */
function check({ runs, seed: own }) {
  const child = spawn(process.execPath, [join(root, "node_modules", "vitest", "vitest.mjs"), ...args], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1", SECATEUR_RUNS: String(runs), SECATEUR_SEED: String(own) },
  });
  running.add(child);
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (printed += text));
  return new Promise((resolve) => {
    child.on("exit", (code) => {
      running.delete(child);
      resolve(code === 0 ? undefined : printed);
    });
  });
}

async function work() {
  for (let next = portions.shift(); next !== undefined; next = portions.shift()) {
    const failure = await check(next);
    if (failure !== undefined) {
      // Whoever fails first tells; the others were stopped by it.
      if (portions.length === 0 && process.exitCode === 1) return;
      portions.length = 0;
      process.exitCode = 1;
      for (const child of running) child.kill();
      const from = failure.indexOf("FAIL");
      console.error(failure.slice(Math.max(0, from)));
      console.error(
        `again: SECATEUR_RUNS=${next.runs} SECATEUR_SEED=${next.seed} npx vitest run ${file}${values.all ? "" : ` -t "${law}"`}`,
      );
      return;
    }
    done += next.runs;
    const seconds = ((performance.now() - start) / 1000).toFixed(0);
    console.log(`${done} of ${total} networks, no difference, ${seconds} s`);
  }
}

await Promise.all(Array.from({ length: Math.min(availableParallelism(), portions.length) }, work));
