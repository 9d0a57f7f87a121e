/**
 * (d) Pruning curves with fine-tuning: test accuracy against multiply-accumulates, ranking by ranking under one schedule, several seeds.
 *
 * Usage: npm run experiment:curves -- --model resnet20-cifar10.onnx --data data/cifar10 [--net resnet20] [--criteria a,a+mean,a+lamp+unit] [--budgets 0.5,0.25,0.125]
 *        [--seeds 0,1,2] [--epochs 2] [--every 10] [--distil 0.9] [--quick] [--threads 1] [--device cuda]
 *
 * A ranking is a criterion, `:sampled` behind it where classes are drawn from the model's own probabilities, and behind + what its importances are normalised by and counted per (default multiply-accumulates). One run of pruning goes through all budgets, the largest first;
 * what meets one is fine-tuned beside it. Only training data is used until the end; the test set is looked at once for each model. A stopped run goes on where it was, and
 * runs of other rankings, budgets or seeds add their rows to the same record, also side by side; a row says what device it comes from where that is not the CPU.
 */

import {
  criteria,
  evaluateGraph,
  finetuneGraph,
  normalisations,
  pers,
  prepare,
  pruneLoop,
  readModelFile,
  absoluteBudget,
  analyse,
} from "../dist/graphs-node.js";
import { nodeRuntime } from "../dist/node.js";
import { lineChart } from "./lib/charts.mjs";
import { cifar10 } from "./lib/cifar.mjs";
import { options } from "./lib/options.mjs";
import { openRecord } from "./lib/record.mjs";
import { deviation, mean } from "./lib/statistics.mjs";

const flags = options(import.meta.url, {
  model: { type: "string" },
  data: { type: "string" },
  net: { type: "string", default: "resnet20" },
  criteria: { type: "string", default: "taylor-fo,taylor-fo-fg,magnitude,random" },
  budgets: { type: "string", default: "0.5,0.25,0.125" },
  seeds: { type: "string", default: "0,1,2" },
  epochs: { type: "string", default: "2" },
  every: { type: "string", default: "10" },
  distil: { type: "string", default: "0" },
  device: { type: "string", default: "cpu" },
});
const budgets = (flags.quick ? ["0.5"] : flags.budgets.split(",")).map(Number).sort((a, b) => b - a);
const seeds = (flags.quick ? ["0"] : flags.seeds.split(",")).map(Number);
const [epochs, distil] = [flags.quick ? 0 : Number(flags.epochs), Number(flags.distil)];
const settings = {
  batchSize: 128,
  pruneLearningRate: 0.01,
  learningRate: 0.03,
  weightDecay: 0.0005,
  crop: 4,
  flip: true,
};
const record = openRecord(`curves-${flags.net}-${distil > 0 ? "distilled" : "labels"}`, flags, settings, [
  "criteria",
  "budgets",
  "seeds",
  "device",
]);
const { train, test } = await cifar10(flags.data);
const start = prepare(await readModelFile(flags.model));
const shared = {
  loss: "cross-entropy",
  batchSize: settings.batchSize,
  threads: Number(flags.threads),
  device: flags.device,
};

const evaluate = async (graph) => {
  const { top1, loss } = await evaluateGraph(nodeRuntime, graph, test, { ...shared, batchSize: 200 });
  return { top1, testLoss: loss };
};

if (!record.find({ criterion: "unpruned" }))
  record.add({ criterion: "unpruned", budget: 1, ...(await evaluate(start)) });

const before = analyse(start).costs;

/** Prunes to one budget after the other, and fine-tunes at each. */
async function measureAll(ranking, seed) {
  const missing = budgets.filter((budget) => !record.find({ criterion: ranking, budget, seed }));
  const [asked, ...more] = ranking.split("+");
  const [name, targets] = asked.split(":");
  const choice = { per: more.find((word) => pers.includes(word)) ?? "macs" };
  choice.normalise = more.find((word) => normalisations.includes(word)) ?? "none";
  const learning = {
    ...shared,
    seed,
    augment: { crop: settings.crop, flip: settings.flip },
    optimiser: { kind: "sgd", momentum: 0.9, weightDecay: settings.weightDecay },
  };
  let from;
  let graph = start;
  for (const budget of budgets) {
    if (missing.length === 0 || budget < missing.at(-1)) return;
    const began = performance.now();
    const target = absoluteBudget(start, { macs: budget });
    const pruned = await pruneLoop(nodeRuntime, start, train, {
      ...learning,
      ...choice,
      criterion: criteria.get(name),
      targets,
      target,
      every: flags.quick ? 5 : Number(flags.every),
      learningRate: settings.pruneLearningRate,
      from: from && { ...from, met: false },
      onPoint: async (point) => (from = point),
    });
    ({ graph } = pruned);
    const minutes = (performance.now() - began) / 60_000;
    if (!missing.includes(budget)) continue;
    const tuned = await finetuneGraph(nodeRuntime, graph, train, {
      ...learning,
      epochs,
      firstEpoch: 1_000_000,
      learningRate: settings.learningRate,
      teacher: distil > 0 ? { graph: start, weight: distil, temperature: 4 } : undefined,
      onDiverged: ({ loss }) => console.error(`fine-tuning ended at a loss of ${loss}`),
    });
    const { costs } = analyse(tuned);
    record.add({
      criterion: ranking,
      budget,
      seed,
      ...(await evaluate(tuned)),
      pruned: (await evaluate(graph)).top1,
      macs: costs.macs / before.macs,
      params: costs.params / before.params,
      removals: pruned.removals.length,
      ...(pruned.end !== "met" && { end: pruned.end }),
      pruneMinutes: minutes,
      minutes: (performance.now() - began) / 60_000,
      version: record.version,
      ...(flags.device !== "cpu" && { device: flags.device }),
    });
    if (pruned.end !== "met") return;
  }
}

for (const seed of seeds) for (const ranking of flags.criteria.split(",")) await measureAll(ranking, seed);

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
  subtitle: `${epochs} epoch${epochs === 1 ? "" : "s"}, ${fewest < most ? "up to " : ""}${most} seed${most > 1 ? "s, bars one standard deviation" : ""}`,
  rows: [...points, ...series.map((name) => ({ series: name, x: 1, y: unpruned * 100, e: 0 }))],
  x: "multiply-accumulates, share of the original",
  y: "top-1 on the test set, %",
  points: true,
});
