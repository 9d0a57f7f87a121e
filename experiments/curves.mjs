/**
 * (d) Pruning curves with fine-tuning: test accuracy against multiply-accumulates, criterion by criterion under one schedule, several seeds.
 *
 * Usage: npm run experiment:curves -- --model resnet20-cifar10.onnx --data data/cifar10 [--net resnet20] [--criteria a,b] [--budgets 0.8,0.65,0.5]
 *        [--seeds 0,1,2] [--epochs 3] [--quick] [--threads 1] [--device cuda]
 *
 * Only training data is used until the end; the test set is looked at once for each model. A stopped run goes on where it was, and runs of other criteria,
 * budgets or seeds add their rows to the same record, also side by side; a row says what device it comes from where that is not the CPU.
 */

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { lineChart } from "./lib/charts.mjs";
import { cache } from "./lib/cifar.mjs";
import { options } from "./lib/options.mjs";
import { openRecord } from "./lib/record.mjs";
import { deviation, mean } from "./lib/statistics.mjs";

const flags = options(import.meta.url, {
  model: { type: "string" },
  data: { type: "string" },
  net: { type: "string", default: "resnet20" },
  criteria: { type: "string", default: "taylor-fo,taylor-fo-fg,magnitude,random" },
  budgets: { type: "string", default: "0.8,0.65,0.5" },
  seeds: { type: "string", default: "0,1,2" },
  epochs: { type: "string", default: "3" },
  per: { type: "string", default: "macs" },
  device: { type: "string", default: "cpu" },
});
const budgets = flags.quick ? ["0.5"] : flags.budgets.split(",");
const seeds = flags.quick ? ["0"] : flags.seeds.split(",");
const epochs = flags.quick ? "0" : flags.epochs;
const schedule = [
  `--per ${flags.per} --every ${flags.quick ? 5 : 20} --prune-learning-rate 0.01 --epochs ${epochs} --learning-rate 0.03`,
  `--weight-decay 0.0005 --distil 0.9 --temperature 4 --crop 4 --flip --threads ${flags.threads}`,
].join(" ");
const record = openRecord(`curves-${flags.net}`, flags, { schedule }, ["criteria", "budgets", "seeds", "device"]);
const main = new URL("../dist/cli/main.js", import.meta.url).pathname;
const folder = `${cache}curves/`;
mkdirSync(folder, { recursive: true });
const data = ["--data", `cifar10:${flags.data}`, "--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225"];
data.push("--device", flags.device);

function secateur(...argv) {
  const { status, stdout } = spawnSync(process.execPath, [main, ...argv], { stdio: ["ignore", "pipe", "inherit"] });
  if (status !== 0) process.exit(status ?? 1);
  return JSON.parse(stdout);
}
const evaluate = (model) => secateur("eval", model, ...data, "--threads", flags.threads, "--json");

if (!record.find({ criterion: "unpruned" })) {
  const { top1, loss } = evaluate(flags.model);
  record.add({ criterion: "unpruned", budget: 1, top1, testLoss: loss });
}
for (const budget of budgets)
  for (const seed of seeds)
    for (const criterion of flags.criteria.split(",")) {
      if (record.find({ criterion, budget: Number(budget), seed: Number(seed) })) continue;
      const output = `${folder}${flags.net}-${criterion}-${budget}-${seed}.onnx`;
      const started = performance.now();
      const run = output.replace(/onnx$/, "run");
      const argv = [flags.model, ...data, ...schedule.split(" "), "--macs", budget, "--seed", seed, "-o", output];
      const how = existsSync(`${run}/checkpoint.safetensors`) ? ["--resume", run] : [...argv, "--criterion", criterion];
      const { before, after, removals } = secateur("prune", ...how, "--json");
      const { top1, loss } = evaluate(output);
      record.add({
        criterion,
        budget: Number(budget),
        seed: Number(seed),
        top1,
        testLoss: loss,
        macs: after.macs / before.macs,
        params: after.params / before.params,
        removals,
        minutes: (performance.now() - started) / 60_000,
        version: record.version,
        ...(flags.device !== "cpu" && { device: flags.device }),
      });
    }

const groups = new Map();
for (const row of record.rows.filter(({ seed }) => seed !== undefined)) {
  const key = `${row.criterion} ${row.budget}`;
  groups.set(key, [...(groups.get(key) ?? []), row]);
}
const counts = Array.from(groups.values(), (rows) => rows.length);
const [fewest, most] = [Math.min(...counts), Math.max(...counts)];
const unpruned = record.find({ criterion: "unpruned" }).top1;
const points = [...groups.values()].map((rows) => ({
  series: rows[0].criterion,
  x: mean(rows.map(({ macs }) => macs)),
  y: mean(rows.map(({ top1 }) => top1)) * 100,
  e: rows.length > 1 ? deviation(rows.map(({ top1 }) => top1)) * 100 : 0,
}));
const series = [...new Set(points.map((point) => point.series))];
await lineChart(record.path("svg"), {
  title: `${flags.net}: accuracy after pruning and fine-tuning`,
  subtitle: `${epochs} epoch${epochs === "1" ? "" : "s"}, ${fewest < most ? "up to " : ""}${most} seed${most > 1 ? "s, bars one standard deviation" : ""}`,
  rows: [...points, ...series.map((name) => ({ series: name, x: 1, y: unpruned * 100, e: 0 }))],
  x: "multiply-accumulates, share of the original",
  y: "top-1 on the test set, %",
  points: true,
});
