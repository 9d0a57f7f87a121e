/**
 * Benchmarks against PyTorch, side by side: both sides compute the same thing on the same batch, checked before anything is timed, and take turns.
 *
 * Usage: npm run bench -- [--only NET[,NET]] [--what score,train] [--rounds 7] [--threads 2] [--python python3] [--cache DIR] [--quick]
 *
 * Results go to bench/results/NET-WHAT.json and the tables of docs/performance.md are written anew from all of them (npm run bench:table).
 */

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, homedir } from "node:os";
import { parseArgs } from "node:util";
import { cases } from "./cases.mjs";
import { openChild } from "./lib/child.mjs";
import { compareGates, compareUpdates } from "./lib/compare.mjs";
import { writeBatch } from "./lib/batch.mjs";
import { median, spread } from "./lib/numbers.mjs";

const { values: flags } = parseArgs({
  options: {
    only: { type: "string" },
    what: { type: "string", default: "score,train" },
    rounds: { type: "string", default: "7" },
    threads: { type: "string", default: String(availableParallelism()) },
    python: { type: "string", default: "python3" },
    cache: { type: "string", default: `${homedir()}/.cache/secateur-bench` },
    quick: { type: "boolean", default: false },
  },
});
const path = (name) => new URL(name, import.meta.url).pathname;
const threads = Number(flags.threads);
const rounds = flags.quick ? 3 : Number(flags.rounds);

function requirePeer() {
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

const describe = (name, folder, settings) => {
  const file = `${folder}/${name}.json`;
  writeFileSync(file, JSON.stringify({ ...settings, folder }));
  return file;
};

async function prepareFolder(one) {
  const folder = flags.cache;
  mkdirSync(folder, { recursive: true });
  if (!existsSync(`${folder}/${one.net}.onnx`)) {
    console.log(`  writing ${one.net}.onnx`);
    const child = await openChild(flags.python, [
      path("peers/torch_side.py"),
      describe("export", folder, { ...one, what: "export", threads }),
    ]);
    await child.close();
  }
  writeBatch(folder, one);
  return folder;
}

async function measure(one) {
  const folder = await prepareFolder(one);
  const open = {
    ours: () => openChild(process.execPath, [path("ours.mjs"), describe("ours", folder, { ...one, threads })]),
    torch: () => openChild(flags.python, [path("peers/torch_side.py"), describe("torch", folder, { ...one, threads })]),
    ...(one.what === "score" && {
      lean: () =>
        openChild(flags.python, [
          path("peers/torch_side.py"),
          describe("lean", folder, { ...one, what: "score-lean", threads }),
        ]),
    }),
  };
  const sides = {};
  try {
    for (const [name, start] of Object.entries(open)) sides[name] = await start();
    const first = {};
    for (const name in sides) first[name] = await sides[name].ask("step");
    const check = (one.what === "train" ? compareUpdates : compareGates)(
      await sides.ours.ask("results"),
      await sides.torch.ask("results"),
    );
    const difference = Math.abs(first.ours.loss - first.torch.loss) / Math.abs(first.torch.loss);
    console.log(
      `  same: loss within ${difference.toExponential(1)}, ${check.what} within ${check.error.toExponential(1)} (${check.compared})`,
    );
    if (!(difference < 1e-3 && check.error < 2e-2 && check.compared > 0))
      throw new Error("the sides do not compute the same");
    const times = Object.fromEntries(Object.keys(sides).map((name) => [name, []]));
    // The first rounds grow pools of memory.
    for (let round = -2; round < rounds; round++)
      for (const name in sides) {
        const { ms } = await sides[name].ask("step");
        if (round >= 0) times[name].push(ms);
      }
    const memory = {};
    for (const name in sides) memory[name] = (await sides[name].ask("memory")).bytes;
    const ms = Object.fromEntries(Object.entries(times).map(([name, all]) => [name, median(all)]));
    return {
      ...one,
      threads,
      rounds,
      check: { loss: difference, ...check },
      ms,
      spread: Object.fromEntries(Object.entries(times).map(([name, all]) => [name, spread(all)])),
      imagesPerSecond: Object.fromEntries(
        Object.entries(ms).map(([name, value]) => [name, (one.batch / value) * 1000]),
      ),
      ratio: ms.torch / ms.ours,
      ...(ms.lean && { leanRatio: ms.lean / ms.ours }),
      memory,
      memoryRatio: memory.ours / memory.torch,
      versions: { ...sides.ours.versions, ...sides.torch.versions },
    };
  } finally {
    for (const name in sides) await sides[name].close().catch(() => {});
  }
}

requirePeer();
const wanted = cases.filter(
  ({ net, what }) => (!flags.only || flags.only.split(",").includes(net)) && flags.what.split(",").includes(what),
);
if (wanted.length === 0) {
  console.error(`nothing to measure: --only takes ${[...new Set(cases.map(({ net }) => net))].join(", ")}`);
  process.exit(2);
}
let failed = 0;
for (const one of wanted) {
  console.log(`${one.net} ${one.what}: batch ${one.batch} of ${one.size}x${one.size}, ${threads} threads`);
  try {
    const result = await measure(one);
    const { ours, torch } = result.imagesPerSecond;
    const goal = one.target ? ` (aim ${one.target})` : "";
    const lean = result.leanRatio ? `, ${result.leanRatio.toFixed(2)}x of PyTorch without weight gradients` : "";
    console.log(
      `  ${ours.toFixed(1)} images/s, PyTorch ${torch.toFixed(1)}: ${result.ratio.toFixed(2)}x${goal}${lean}; memory ${result.memoryRatio.toFixed(2)}x`,
    );
    const file = path(`results/${one.net}-${one.what}.json`);
    const head = { date: new Date().toISOString().slice(0, 10), cpu: cpus()[0].model };
    if (!flags.quick) writeFileSync(file, `${JSON.stringify({ ...head, ...result }, undefined, 1)}\n`);
  } catch (error) {
    failed++;
    console.log(`  failed: ${error.message}`);
  }
}
if (!flags.quick && existsSync(path("table.mjs")))
  execFileSync(process.execPath, [path("table.mjs")], { stdio: "inherit" });
process.exit(failed > 0 ? 1 : 0);
