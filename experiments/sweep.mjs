/**
 * Twelve prunings of LeNet-5 on MNIST by `secateur sweep`: on this machine alone, and by two workers of a queue, one of
 * which is killed on the way. Both have to come to the same rows and the same models.
 *
 * Usage: npm run experiment:sweep -- --mnist data/mnist [--threads 1] [--seed 0]
 *
 * It takes redis-server (Debian has it). The net is trained first, if it is not in .cache/sweep.
 */

import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parse } from "csv-parse/sync";
import { writePart } from "./lib/arrays.mjs";
import { cache } from "./lib/cifar.mjs";
import { options } from "./lib/options.mjs";
import { openRecord } from "./lib/record.mjs";
import { nets, trainedNet, trainingPart } from "./lib/safe-nets.mjs";

const flags = options(import.meta.url, { mnist: { type: "string" } });
const seed = Number(flags.seed);
const lenet = nets.find(({ name }) => name === "lenet5");
/** Images that prunings learn from, and that they are measured on. */
const parts = flags.quick ? { train: 512, test: 200 } : { train: 8192, test: 2000 };
/** What all runs have in common. Rates are named, as a trial for each run would take longer than the run. */
const shared = { epochs: 2, "learning-rate": 0.01, "prune-learning-rate": 0.003 };
const varied = { macs: [0.5, 0.3, 0.15], criterion: ["taylor-fo", "magnitude"], seed: [seed, seed + 1] };
/** Seconds without a sign of life after which a job is taken over. */
const lock = 5;
const record = openRecord("sweep-lenet", flags, { parts, trainingPart, recipe: lenet.recipe, shared, varied, lock }, [
  "mnist",
]);

const cli = new URL("../dist/cli/main.js", import.meta.url).pathname;
const kept = `${cache}sweep/`;
mkdirSync(kept, { recursive: true });
const folder = mkdtempSync(join(tmpdir(), "secateur-sweep-"));
const worded = (about) =>
  Object.entries(about).flatMap(([name, values]) => [values].flat().flatMap((value) => [`--${name}`, String(value)]));

const children = [];
function start(command, args) {
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"] });
  child.said = "";
  child.stderr.on("data", (text) => (child.said += text));
  child.ended = new Promise((resolve) => child.once("exit", resolve));
  children.push(child);
  return child;
}

/** Rows of a sweep with the digests of their models, without what was measured of time and where files lie. */
function rowsOf(dir) {
  const rows = parse(readFileSync(join(dir, "runs.csv")), { columns: true, cast: true });
  return rows.map(({ latency_ms: _latency, plan: _plan, model, ...row }) => ({
    ...row,
    sha256: createHash("sha256").update(readFileSync(model)).digest("hex"),
  }));
}

/** Sweeps, and says how many minutes that took. */
async function sweep(net, data, dir, more) {
  const words = ["sweep", net, "--data", `npz:${data}`, ...worded(shared), ...worded(varied)];
  const began = performance.now();
  const child = start(process.execPath, [cli, ...words, "--threads", flags.threads, "-o", dir, ...more]);
  const code = await child.ended;
  if (code !== 0) throw new Error(`the sweep ended with ${code}: ${child.said}`);
  return { rows: rowsOf(dir), minutes: (performance.now() - began) / 60_000, said: child.said };
}

/** Until a process has said something so many times. */
async function saying(child, pattern, times) {
  while ((child.said.match(pattern)?.length ?? 0) < times) {
    if (child.exitCode !== null) throw new Error(`a worker ended: ${child.said}`);
    await sleep(50);
  }
}

/** Two workers on a server of their own, one of which is killed in the middle of its third run. */
async function onQueue(work) {
  const port = await new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port: free } = server.address();
      server.close(() => resolve(free));
    });
  });
  const server = start("redis-server", ["--port", `${port}`, "--bind", "127.0.0.1", "--dir", folder, "--save", ""]);
  const queue = ["--queue", `redis://127.0.0.1:${port}`, "--store", join(folder, "store")];
  const workers = ["one", "two"].map((name) =>
    start(
      process.execPath,
      [cli, "worker", ...queue].concat("--cache", join(folder, name), "--threads", flags.threads, "--lock", `${lock}`),
    ),
  );
  for (const worker of workers) await saying(worker, /works for/g, 1);
  const working = work([...queue, "--cache", join(folder, "here")]);
  const [killed, left] = workers;
  const [, seconds] = await Promise.race([
    saying(killed, /done in/g, 2).then(() => /done in ([\d.]+) s/.exec(killed.said)),
    working.then(() => Promise.reject(new Error("the sweep ended before a worker was killed"))),
  ]);
  await saying(killed, /run \S+ taken/g, 3);
  await sleep(Number(seconds) * 300);
  const inHand = killed.said
    .match(/run (\S+) taken/g)
    .at(-1)
    .split(" ")[1];
  killed.kill("SIGKILL");
  const found = await working;
  server.kill();
  const done = workers.map(({ said }) => said.match(/done in/g)?.length ?? 0);
  const again = left.said.split("\n").find((line) => line.includes(`run ${inHand} done`));
  return { ...found, inHand, done, took: Number(/done in ([\d.]+) s/.exec(again)?.[1]) };
}

try {
  if (spawnSync("redis-server", ["--version"]).status !== 0) throw new Error("there is no redis-server here");
  const net = await trainedNet(lenet, `mnist:${flags.mnist}`, kept, flags);
  const data = `${kept}mnist-${parts.train}-${parts.test}`;
  await writePart(`mnist:${flags.mnist}`, data, parts);
  const alone = await sweep(net, data, join(folder, "alone"), ["--at-once", "1"]);
  const many = await onQueue((more) => sweep(net, data, join(folder, "many"), more));
  const isSame = (row, i) => JSON.stringify(row) === JSON.stringify(many.rows[i]);
  for (const [i, row] of alone.rows.entries()) record.add({ ...row, sameByQueue: isSame(row, i) });
  const { inHand, done, took, said } = many;
  record.add({
    run: "queue",
    rows: many.rows.length,
    same: alone.rows.filter(isSame).length,
    killedWith: inHand,
    lost: said.split("\n").filter((line) => /gives no sign of life/.test(line)).length,
    doneByKilled: done[0],
    doneByOther: done[1],
    secondsOfTheRunTakenOver: took,
    minutesAlone: alone.minutes,
    minutesByQueue: many.minutes,
  });
  if (many.rows.length !== alone.rows.length || !alone.rows.every(isSame)) process.exitCode = 1;
} finally {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
