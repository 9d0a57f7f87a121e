/**
 * (g) One removal without learning: what the ranking counts. Criteria, their samples and targets, normalisations within a group, and what importance is counted per.
 *
 * Usage: npm run experiment:oneshot -- --model resnet20-cifar10.onnx --data data/cifar10 [--net resnet20] [--criteria a,a:sampled] [--batches 4,16] [--normalise none,mean]
 *        [--per unit,macs] [--budgets 0.8,0.65,0.5] [--images 10000] [--quick] [--threads 1] [--seed 0]
 *
 * Importances are of minibatches of 128 training images; `:sampled` behind a criterion draws the classes from the model's own probabilities. The same draws are taken for all. A stopped run
 * goes on where it was.
 */

import {
  criteria,
  cutGraph,
  evaluateGraph,
  groupLosses,
  normalisations,
  prepare,
  readModelFile,
  groupScales,
  scoreAll,
  selectStep,
  absoluteBudget,
  analyse,
} from "../dist/graphs-node.js";
import { nodeRuntime } from "../dist/node.js";
import { cifar10 } from "./lib/cifar.mjs";
import { options } from "./lib/options.mjs";
import { openRecord } from "./lib/record.mjs";

const flags = options(import.meta.url, {
  model: { type: "string" },
  data: { type: "string" },
  net: { type: "string", default: "resnet20" },
  criteria: {
    type: "string",
    default: "taylor-fo,taylor-fo:sampled,taylor-fo-fg,taylor-fo-fg:sampled,taylor-2016,magnitude,magnitude-l1,random",
  },
  batches: { type: "string", default: "4,16" },
  normalise: { type: "string", default: normalisations.join(",") },
  per: { type: "string", default: "unit,macs" },
  budgets: { type: "string", default: "0.8,0.65,0.5" },
  images: { type: "string", default: "10000" },
});
const list = (text, short) => (flags.quick ? [text.split(",").at(short)] : text.split(","));
const [seed, threads] = [Number(flags.seed), Number(flags.threads)];
const batchSize = 250;
const images = flags.quick ? batchSize : Number(flags.images);
const choosing = ["criteria", "batches", "normalise", "per", "budgets"];
const record = openRecord(`oneshot-${flags.net}`, flags, { images }, choosing);
const { train, test } = await cifar10(flags.data);
const graph = prepare(await readModelFile(flags.model));
const groups = analyse(graph);
const accuracy = async (smaller) =>
  (
    await evaluateGraph(nodeRuntime, smaller, test, {
      loss: "cross-entropy",
      batchSize,
      limit: images / batchSize,
      threads,
    })
  ).top1;

if (!record.find({ criterion: "unpruned" })) record.add({ criterion: "unpruned", top1: await accuracy(graph) });
for (const asked of list(flags.criteria, 0)) {
  const [name, targets = "labels"] = asked.split(":");
  const criterion = criteria.get(name);
  for (const batches of criterion.kind === "data" ? list(flags.batches, 0).map(Number) : [0]) {
    let scores, scales;
    for (const normalise of list(flags.normalise, 0))
      for (const per of list(flags.per, -1))
        for (const budget of list(flags.budgets, 0).map(Number)) {
          const of = { criterion: asked, batches, normalise, per, budget };
          if (record.find(of)) continue;
          const options = { loss: "cross-entropy", batchSize: 128, batches: batches || 1, targets, seed, threads };
          scores ??= (await scoreAll(nodeRuntime, graph, train, [criterion], options)).get(name);
          if (normalise === "loss")
            scales ??= groupScales(await groupLosses(nodeRuntime, graph, train, scores, options), scores);
          const target = absoluteBudget(graph, { macs: budget });
          const { removal } = selectStep(groups, scores, Infinity, target, { normalise, per, scales });
          const smaller = cutGraph(graph, groups, removal).graph;
          record.add({ ...of, top1: await accuracy(smaller) });
        }
  }
}
