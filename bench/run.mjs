/**
 * Benchmarks, most of them against PyTorch side by side: both sides compute the same thing on the same batch, checked before anything is timed, and
 * take turns.
 *
 * Usage: npm run bench -- [--only NET[,NET]] [--what score,train,analysis,latency] [--rounds 7] [--threads 2] [--python python3]
 *        [--cache DIR] [--quick]
 *
 * Results go to bench/results/NET-WHAT-tTHREADS.json, from which the tables of docs/performance.md are written; --quick takes 3 rounds and writes nothing.
 */

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, homedir } from "node:os";
import { parseArgs } from "node:util";
import { cases } from "./cases.mjs";
import { measureAnalysis } from "./lib/analysis.mjs";
import { measureLatency } from "./lib/latency.mjs";
import { openTorch } from "./lib/open.mjs";
import { measurePruning } from "./lib/pruning.mjs";
import { measureSides } from "./lib/sides.mjs";
import { writeTables } from "./lib/tables.mjs";

const { values: flags } = parseArgs({
  options: {
    only: { type: "string" },
    what: { type: "string", default: "score,train,analysis,latency" },
    rounds: { type: "string", default: "7" },
    threads: { type: "string", default: String(availableParallelism()) },
    python: { type: "string", default: "python3" },
    cache: { type: "string", default: `${homedir()}/.cache/secateur-bench` },
    quick: { type: "boolean", default: false },
  },
});
const shared = {
  folder: flags.cache,
  threads: Number(flags.threads),
  rounds: flags.quick ? 3 : Number(flags.rounds),
  python: flags.python,
  quick: flags.quick,
};
const measures = {
  score: measureSides,
  train: measureSides,
  prune: measurePruning,
  analysis: measureAnalysis,
  latency: measureLatency,
};

/** PyTorch is the peer, and it writes the networks. */
function requireTorch() {
  try {
    execFileSync(flags.python, ["-c", "import torch, torchvision, onnx"], { stdio: "pipe" });
  } catch (error) {
    const reason = String(error.stderr ?? error.message)
      .trim()
      .split("\n")
      .at(-1);
    console.error(`PyTorch is not to be had from ${flags.python}: ${reason}`);
    console.error(
      "Install it (Debian: apt install python3-torch python3-torchvision python3-onnx; elsewhere: pip install torch torchvision onnx),",
    );
    console.error("and name the interpreter that has it: npm run bench -- --python /usr/bin/python3");
    process.exit(2);
  }
}

async function writeNet(one) {
  mkdirSync(shared.folder, { recursive: true });
  if (existsSync(`${shared.folder}/${one.net}.onnx`)) return;
  console.log(`  writing ${one.net}.onnx`);
  await (await openTorch(flags.python, "export", { ...one, ...shared, what: "export" })).close();
}

const wanted = cases.filter(
  ({ net, what }) => (!flags.only || flags.only.split(",").includes(net)) && flags.what.split(",").includes(what),
);
if (wanted.length === 0) {
  console.error(`nothing to measure: --only takes ${[...new Set(cases.map(({ net }) => net))].join(", ")}`);
  process.exit(2);
}
// Analysis and latency need PyTorch for the networks only.
if (wanted.some(({ net, what }) => measures[what] === measureSides || !existsSync(`${shared.folder}/${net}.onnx`)))
  requireTorch();
let failed = 0;
for (const one of wanted) {
  console.log(`${one.net} ${one.what}: ${one.size}x${one.size}, ${shared.threads} threads`);
  try {
    await writeNet(one);
    const result = await measures[one.what]({ ...one, ...shared });
    const head = { date: new Date().toISOString().slice(0, 10), cpu: cpus()[0].model, node: process.versions.node };
    const { threads, rounds } = shared;
    const file = new URL(`results/${one.net}-${one.what}-t${threads}.json`, import.meta.url);
    if (!flags.quick)
      writeFileSync(file, `${JSON.stringify({ ...head, ...one, threads, rounds, ...result }, undefined, 1)}\n`);
  } catch (error) {
    failed++;
    console.log(`  failed: ${error.message}`);
  }
}
if (!flags.quick) writeTables();
process.exit(failed > 0 ? 1 : 0);
