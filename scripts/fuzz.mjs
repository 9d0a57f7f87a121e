/**
 * Takes broken models the whole way from bytes to a smaller model: each must come through or be refused by a SecateurError that is not
 * `internal`, in time and in little memory.
 *
 *     npm run fuzz                            10,000 models
 *     npm run fuzz -- 500 --seed 7            so many, from that seed
 *     npm run fuzz -- --seed 7 --only 123     one of them, its bytes in FILE with --keep FILE
 *     npm run fuzz -- --runtime 1             onnxruntime loads and runs every model that comes through, not one of 25
 *     npm run fuzz -- --record                the figures go to docs/results/fuzz.json
 */

import { fork } from "node:child_process";
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { readFlags } from "./lib/flags.mjs";
import { attempt } from "./fuzz/attempt.mjs";
import { baseModels } from "./fuzz/models.mjs";
import { mutantOf } from "./fuzz/mutate.mjs";

/** Seconds, MB of heap, and MB of all memory that one model may take. */
const [mostSeconds, mostHeap, mostMemory] = [20, 1024, 2048];
/** Failures that are printed. */
const shown = 12;

const { values, positionals } = readFlags(import.meta.url, {
  allowPositionals: true,
  options: {
    seed: { type: "string", default: "1" },
    only: { type: "string" },
    keep: { type: "string" },
    runtime: { type: "string", default: "25" },
    record: { type: "boolean", default: false },
  },
});
const [total, seed] = [Number(positionals[0] ?? 10_000), Number(values.seed)];
if (!Number.isInteger(total) || total < 1 || !Number.isInteger(seed)) {
  console.error("usage: npm run fuzz -- [MODELS] [--seed N] [--only NUMBER [--keep FILE]] [--record]");
  process.exit(2);
}

if (values.only !== undefined) {
  const lib = await import("./fuzz/library.mjs");
  const number = Number(values.only);
  const { base, kind, bytes } = mutantOf(baseModels(lib), seed, number);
  if (values.keep) writeFileSync(values.keep, bytes);
  const { code, message = "" } = await attempt(lib, bytes, number % 8 === 0);
  console.log(`${base}, ${kind}: ${code} ${message}`);
  process.exit(code === "failure" ? 1 : 0);
}

const counts = {};
const count = (what) => (counts[what] = (counts[what] ?? 0) + 1);
const failures = [];
let [next, done] = [0, 0];
let slowest = { ms: 0, number: 0 };
const start = performance.now();

function fail(number, what) {
  count("failure");
  failures.push({ number, what });
  console.error(`model ${number}: ${what}\n  again: npm run fuzz -- --seed ${seed} --only ${number}`);
}

/** One child, and another in its place where it dies, until all models are tried. */
async function work() {
  while (next < total) {
    await new Promise((resolve) => {
      const child = fork(fileURLToPath(new URL("fuzz/child.mjs", import.meta.url)), [], {
        execArgv: [`--max-old-space-size=${mostHeap}`],
        stdio: ["ignore", "ignore", "ignore", "ipc"],
      });
      let [number, stage, timer] = [-1, "library", undefined];
      const give = () => {
        clearTimeout(timer);
        if (next >= total) return void child.kill();
        [number, stage] = [next++, "library"];
        timer = setTimeout(() => {
          fail(number, `took more than ${mostSeconds} s in the ${stage}`);
          number = -1;
          child.kill("SIGKILL");
        }, mostSeconds * 1000);
        child.send({ seed, number, runs: Number(values.runtime) });
      };
      child.on("message", (message) => {
        if (message.stage) return void (stage = message.stage);
        if (message.ready) return give();
        done++;
        if (message.code === "failure") fail(number, message.message);
        else count(message.code);
        if (message.ran) count(`runtime: ${message.ran}`);
        if (message.ms > slowest.ms) slowest = message;
        if (done % 1000 === 0) console.log(`${done} models, ${failures.length} failures`);
        number = message.rss > mostMemory * 2 ** 20 ? number : -1;
        if (number >= 0) {
          fail(number, `left ${(message.rss / 2 ** 20).toFixed(0)} MB of memory in use`);
          number = -1;
          return void child.kill();
        }
        give();
      });
      child.on("exit", (code, signal) => {
        clearTimeout(timer);
        if (number >= 0) fail(number, `the process ended by ${signal ?? `code ${code}`} in the ${stage}`);
        resolve();
      });
    });
    if (failures.length >= shown * 4) next = total;
  }
}

await Promise.all(Array.from({ length: availableParallelism() }, work));
const seconds = Math.round((performance.now() - start) / 1000);
const sorted = Object.fromEntries(Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1)));
for (const [code, n] of Object.entries(sorted)) console.log(`${code.padEnd(20)} ${n}`);
if (values.record) {
  const command = `npm run fuzz -- ${total} --seed ${seed} --record`;
  const record = { date: new Date().toISOString().slice(0, 10), command, seed, models: total, counts: sorted };
  writeFileSync(new URL("../docs/results/fuzz.json", import.meta.url), `${JSON.stringify(record, undefined, 2)}\n`);
}
console.log(
  `${total} models from seed ${seed} in ${seconds} s, the slowest (${slowest.number}) ${(slowest.ms / 1000).toFixed(1)} s: ${failures.length} failures`,
);
process.exit(failures.length > 0 ? 1 : 0);
