/**
 * Kills runs at random moments and goes on with them: every one has to end in the bytes of the run that was never stopped.
 *
 * Usage: npm run kill -- [RUNS] [--seed N] [--record]
 *
 * A run prunes and fine-tunes LeNet-5 on digits, in a few seconds, with a checkpoint after every step. It is killed at a moment drawn from the time
 * that the whole run takes, gone on with, and killed again as the coin falls. Needs npm to fetch the digits the first time.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readFlags } from "./lib/flags.mjs";
import { fetchMnist } from "../dist/data/fetch-node.js";

const { values: flags, positionals } = readFlags(import.meta.url, {
  allowPositionals: true,
  options: { seed: { type: "string", default: "1" }, record: { type: "boolean", default: false } },
});
const runs = Number(positionals[0] ?? 25);
const digits = new URL("../data/mnist/", import.meta.url).pathname;
const main = new URL("../dist/cli/main.js", import.meta.url).pathname;
await fetchMnist(digits, console.error);

/** Mulberry32: a seed repeats the moments. */
let state = Number(flags.seed);
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

const folder = mkdtempSync(join(tmpdir(), "secateur-kill-"));
const at = (name) => join(folder, name);

/** Runs the command line; kills it after so many milliseconds. Returns how it ended. */
async function secateur(argv, killAfter) {
  const child = spawn(process.execPath, [main, ...argv], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (text) => (said += text));
  const timer = killAfter === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), killAfter);
  const [code, signal] = await once(child, "close");
  clearTimeout(timer);
  if (signal !== "SIGKILL" && code !== 0) throw new Error(`${argv.join(" ")} ended with ${code ?? signal}:\n${said}`);
  return signal === "SIGKILL" ? "killed" : "done";
}

await secateur(["new", "lenet5", "--seed", "1", "-o", at("net.onnx")]);
const settings =
  "--threads 1 --batch-size 64 --macs 0.5 --every 4 --units-per-step 12 --epochs 1 --flip --checkpoint-every 0 --evaluate-every 4";
const line = (output) =>
  ["prune", at("net.onnx"), "--data", `mnist:${digits}`, "-o", output].concat(settings.split(" "));
const started = performance.now();
await secateur(line(at("whole.onnx")));
let time = performance.now() - started;
const whole = readFileSync(at("whole.onnx"));

const results = [];
for (let run = 0; run < runs; run++) {
  const output = at(`${run}.onnx`);
  const directory = at(`${run}.run`);
  const kills = [];
  for (;;) {
    const resumes = existsSync(join(directory, "config.json")) && !existsSync(join(directory, "summary.json"));
    // The first is killed in any case, and later ones half of the time.
    const killAfter = kills.length === 0 || random() < 0.5 ? random() * time : undefined;
    const begun = performance.now();
    const ended = await secateur(resumes ? ["prune", "--resume", directory] : line(output), killAfter);
    if (ended === "killed") kills.push(Math.round(killAfter));
    else if (kills.length > 0) break;
    // It was done before it could be killed: the machine has less to do than when the whole run was timed.
    else time = Math.min(time, performance.now() - begun);
  }
  const same = readFileSync(output).equals(whole);
  const left = readdirSync(directory).filter((name) => name.endsWith(".tmp"));
  results.push({ kills, same, left: left.length });
  console.error(`${run + 1} of ${runs}: killed after ${kills.join(", ")} ms: ${same ? "same bytes" : "OTHER BYTES"}`);
}
rmSync(folder, { recursive: true, force: true });

const good = results.filter(({ same, left }) => same && left === 0).length;
const all = results.reduce((n, { kills }) => n + kills.length, 0);
console.log(`${good} of ${runs} runs, killed ${all} times, ended in the bytes of the run that was never stopped`);
if (flags.record) {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  const record = {
    command: `npm run kill -- ${runs} --seed ${flags.seed} --record`,
    date: new Date().toISOString().slice(0, 10),
    version,
    wholeMilliseconds: Math.round(time),
    runs: results,
  };
  writeFileSync(new URL("../docs/results/kill.json", import.meta.url), `${JSON.stringify(record, undefined, 2)}\n`);
}
process.exitCode = good === runs ? 0 : 1;
