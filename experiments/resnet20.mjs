/**
 * ResNet-20 on CIFAR-10 at half its multiply-accumulates, criterion by criterion under one schedule.
 *
 * Usage: npm run experiment:resnet20 -- --model resnet20-cifar10.onnx --data data/cifar10 [--criteria a,b] [--epochs 5] [--threads 1]
 *
 * The model takes (x/255 - mean)/std with the mean and deviation below. Only training data is used until the end; the test set is
 * looked at once for each model. Results go to docs/results/resnet20.json; the models to a folder that git ignores.
 */

import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { readFlags } from "../scripts/lib/flags.mjs";

const { values } = readFlags(import.meta.url, {
  options: {
    model: { type: "string" },
    data: { type: "string" },
    criteria: { type: "string", default: "taylor-fo-fg,taylor-fo,magnitude,random" },
    epochs: { type: "string", default: "5" },
    threads: { type: "string", default: String(cpus().length) },
    seed: { type: "string", default: "0" },
  },
});
if (values.model === undefined || values.data === undefined) {
  console.error("give --model resnet20-cifar10.onnx and --data DIR (secateur data cifar10 DIR fetches it)");
  process.exit(2);
}

const main = new URL("../dist/cli/main.js", import.meta.url).pathname;
const models = new URL("../.cache/resnet20/", import.meta.url).pathname;
const results = new URL("../docs/results/resnet20.json", import.meta.url);
mkdirSync(models, { recursive: true });

const data = ["--data", `cifar10:${values.data}`, "--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225"];
const schedule = [
  "--macs 0.5 --per macs --every 20 --prune-learning-rate 0.01",
  `--epochs ${values.epochs} --learning-rate 0.03 --weight-decay 0.0005 --crop 4 --flip`,
  `--distil 0.9 --temperature 4 --seed ${values.seed} --threads ${values.threads}`,
]
  .join(" ")
  .split(" ");

/** Runs a command, its progress passed through; what it printed as JSON. */
function secateur(...argv) {
  const { status, stdout } = spawnSync(process.execPath, [main, ...argv], { stdio: ["ignore", "pipe", "inherit"] });
  if (status !== 0) process.exit(status ?? 1);
  return JSON.parse(stdout);
}

const evaluate = (model) => secateur("eval", model, ...data, "--json");

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
const rows = [];
/** Adds a row; what has been measured stands in the file even if a later run is stopped. */
function add(row) {
  rows.push(row);
  const date = new Date().toISOString().slice(0, 10);
  const record = { date, version, node: process.version, schedule: schedule.join(" "), rows };
  writeFileSync(results, `${JSON.stringify(record, undefined, 2)}\n`);
  console.log(`${row.criterion ?? "unpruned"}: top-1 ${(row.top1 * 100).toFixed(2)} %, loss ${row.loss.toFixed(4)}`);
}

add({ criterion: null, ...evaluate(values.model) });
for (const criterion of values.criteria.split(",")) {
  const output = `${models}${criterion}.onnx`;
  const started = performance.now();
  const argv = [values.model, ...data, ...schedule, "--criterion", criterion];
  const { output: _, ...reached } = secateur("prune", ...argv, "--json", "-o", output);
  add({ criterion, minutes: (performance.now() - started) / 60_000, ...reached, ...evaluate(output) });
}
