/**
 * (f) What averaging does: batch size and number of samples behind an importance, and in the loop the average over removals, the minibatches between
 * them and the units of each.
 *
 * Usage: npm run experiment:averaging -- --data data/cifar10 [--quick] [--threads 1] [--seed 0]
 *
 * LeNet3 on CIFAR-10. Importances are compared with the oracle over 1,024 training images (Spearman over all units); the loop prunes to 40 % of the
 * units while it learns, and the test accuracy is taken right after, without fine-tuning.
 */

import { criteria, pruneLoop, scoreAll } from "../dist/graphs-node.js";
import { nodeRuntime } from "../dist/node.js";
import { lineChart } from "./lib/charts.mjs";
import { accuracy, cifar10, trainedLenet3 } from "./lib/cifar.mjs";
import { options } from "./lib/options.mjs";
import { openRecord } from "./lib/record.mjs";
import { spearman } from "./lib/statistics.mjs";

const flags = options(import.meta.url, { data: { type: "string" } });
const [seed, threads] = [Number(flags.seed), Number(flags.threads)];
const total = flags.quick ? 256 : 1024;
const record = openRecord("averaging", flags, { total });
const { train, test } = await cifar10(flags.data);
const { graph } = await trainedLenet3({ train }, { seed, threads });
const flat = (scores) => Array.from(scores.values(), (values) => Array.from(values)).flat();
const score = (names, batchSize, batches, own = seed) =>
  scoreAll(
    nodeRuntime,
    graph,
    train,
    names.map((name) => criteria.get(name)),
    { loss: "cross-entropy", batchSize, batches, seed: own, threads },
  );

const oracle = flat((await score(["oracle"], 256, total / 256)).get("oracle"));
const names = ["taylor-fo", "taylor-fo-fg", "taylor-2016"];
const reference = {};
for (const batchSize of flags.quick ? [16, 128] : [4, 16, 64, 256, 1024]) {
  if (record.find({ what: "batch size", batchSize })) continue;
  const scores = await score(names, batchSize, total / batchSize);
  const row = { what: "batch size", batchSize };
  for (const name of names) {
    const own = flat(scores.get(name));
    reference[name] ??= own;
    row[name] = spearman(oracle, own);
    // The same samples in other batches: FG must be the same, FO is not.
    row[`${name} change`] = Math.max(
      ...own.map((value, i) => Math.abs(value - reference[name][i]) / (reference[name][i] || 1)),
    );
  }
  record.add(row);
}
for (const batches of flags.quick ? [1, 2] : [1, 2, 4, 8, 16, 32]) {
  if (record.find({ what: "minibatches", batches })) continue;
  const scores = await score(names, 32, batches, seed + 1);
  record.add({
    what: "minibatches",
    batches,
    batchSize: 32,
    ...Object.fromEntries(names.map((name) => [name, spearman(oracle, flat(scores.get(name)))])),
  });
}

const usual = { every: 10, unitsPerStep: 5, momentum: 0.9 };
const variants = [
  ...(flags.quick ? [0, 0.9] : [0, 0.5, 0.9, 0.97]).map((momentum) => ({ momentum })),
  ...(flags.quick ? [] : [2, 5, 20]).map((every) => ({ every })),
  ...(flags.quick ? [] : [1, 2, 10, 25]).map((unitsPerStep) => ({ unitsPerStep })),
];
for (const name of flags.quick ? ["taylor-fo"] : ["taylor-fo", "taylor-fo-fg"])
  for (const variant of variants) {
    const settings = { ...usual, ...variant };
    const key = { what: "loop", criterion: name, ...settings };
    if (record.find(key)) continue;
    const result = await pruneLoop(nodeRuntime, graph, train, {
      loss: "cross-entropy",
      batchSize: 128,
      seed,
      threads,
      criterion: criteria.get(name),
      target: { units: Math.round(252 * 0.4) },
      learningRate: 0.005,
      augment: { crop: 2, flip: true },
      optimiser: { kind: "sgd", momentum: 0.9, weightDecay: 5e-4 },
      ...settings,
    });
    const { top1, loss } = await accuracy(result.graph, test, threads, flags.quick ? 5 : undefined);
    record.add({ ...key, minibatches: (result.removals.length + 1) * settings.every, top1, testLoss: loss });
  }

const sizes = record.rows.filter(({ what }) => what === "batch size");
await lineChart(record.path("svg"), {
  title: "Batch size and agreement with the oracle, LeNet3",
  subtitle: `the same ${total} training images in batches of different sizes`,
  rows: sizes.flatMap((row) => names.map((name) => ({ series: name, x: Math.log2(row.batchSize), y: row[name] }))),
  x: "log2 of the batch size",
  y: "Spearman's ρ with the oracle",
  points: true,
});
