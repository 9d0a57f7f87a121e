/**
 * Benchmarks, most of them against a peer side by side: all sides compute the same thing on the same batch, checked before anything is timed, and
 * take turns.
 *
 * Usage: npm run bench -- [--only NET[,NET]] [--what score,train,prune,removal,ablation,profile,analysis,latency,tfjs] [--rounds 7] [--threads 2] [--python python3]
 *        [--tfjs DIR] [--cache DIR] [--device cuda] [--quick]
 *
 * With --device scoring and training are measured on it, PyTorch beside them on the same.
 * Results go to bench/results/NET-WHAT-tTHREADS.json, from which the tables of docs/performance.md are written; --quick takes 3 rounds, or 2 removals, and
 * writes nothing.
 */

import { writeFileSync } from "node:fs";
import { availableParallelism, cpus, homedir } from "node:os";
import { cases } from "./cases.mjs";
import { readFlags } from "../scripts/lib/flags.mjs";
import { measureAblation } from "./lib/ablation.mjs";
import { measureAnalysis } from "./lib/analysis.mjs";
import { measureLatency } from "./lib/latency.mjs";
import { needsTorch, writeNet } from "./lib/nets.mjs";
import { requireTfjs, requireTorch } from "./lib/peers.mjs";
import { measureProfile } from "./lib/profile.mjs";
import { measurePruning } from "./lib/pruning.mjs";
import { measureRemoval } from "./lib/removal.mjs";
import { measureSides } from "./lib/sides.mjs";
import { writeTables } from "./lib/tables.mjs";
import { measureTfjs } from "./lib/tfjs.mjs";

const measures = {
  score: measureSides,
  train: measureSides,
  prune: measurePruning,
  removal: measureRemoval,
  ablation: measureAblation,
  profile: measureProfile,
  analysis: measureAnalysis,
  latency: measureLatency,
  tfjs: measureTfjs,
};
const onDevices = new Set(["score", "train"]);
const besideTorch = new Set(["score", "train", "prune"]);

const { values: flags } = readFlags(import.meta.url, {
  options: {
    only: { type: "string" },
    what: { type: "string", default: Object.keys(measures).join(",") },
    rounds: { type: "string", default: "7" },
    threads: { type: "string", default: String(availableParallelism()) },
    python: { type: "string", default: "python3" },
    tfjs: { type: "string" },
    device: { type: "string", default: "cpu" },
    cache: { type: "string", default: `${homedir()}/.cache/secateur-bench` },
    quick: { type: "boolean", default: false },
  },
});
const shared = {
  folder: flags.cache,
  threads: Number(flags.threads),
  rounds: flags.quick ? 3 : Number(flags.rounds),
  python: flags.python,
  tfjs: flags.tfjs ?? `${flags.cache}/tfjs`,
  quick: flags.quick,
  device: flags.device,
};
const elsewhere = flags.device !== "cpu";

const wanted = cases
  .filter(
    ({ net, what }) => (!flags.only || flags.only.split(",").includes(net)) && flags.what.split(",").includes(what),
  )
  .filter(({ split, what }) => !split || what !== "train" || shared.threads > 1)
  .filter(({ split, what }) => !elsewhere || (onDevices.has(what) && !split))
  .map(({ split, ...one }) => (split ? Object.assign(one, { workers: shared.threads }) : one));
if (wanted.length === 0) {
  console.error(`nothing to measure: --only takes ${[...new Set(cases.map(({ net }) => net))].join(", ")}`);
  process.exit(2);
}
if (wanted.some((one) => besideTorch.has(one.what) || needsTorch(one, shared))) requireTorch(shared.python);
if (wanted.some(({ what }) => what === "tfjs")) requireTfjs(shared.tfjs);
let failed = 0;
for (const one of wanted) {
  const { net, what, size, workers = 1 } = one;
  const { threads, rounds, device } = shared;
  const where = elsewhere ? device : `${threads} threads${workers > 1 ? `, ${workers} workers` : ""}`;
  console.log(`${net} ${what}: ${size}x${size}, ${where}`);
  try {
    await writeNet(one, shared);
    const result = await measures[what]({ ...one, ...shared });
    const head = { date: new Date().toISOString().slice(0, 10), cpu: cpus()[0].model, node: process.versions.node };
    const place = elsewhere ? device : `t${threads}${workers > 1 ? `-w${workers}` : ""}`;
    const file = new URL(`results/${net}-${what}-${place}.json`, import.meta.url);
    if (!flags.quick)
      writeFileSync(
        file,
        `${JSON.stringify({ ...head, ...one, threads, ...(elsewhere && { device }), rounds, ...result }, undefined, 1)}\n`,
      );
  } catch (error) {
    failed++;
    console.log(`  failed: ${error.message}`);
  }
}
if (!flags.quick) writeTables();
process.exit(failed > 0 ? 1 : 0);
