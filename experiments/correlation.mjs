/**
 * (c) How well criteria agree with the oracle: rank and linear correlation over all units and within layers, for each place of gates.
 *
 * Usage: npm run experiment:correlation -- --model resnet20-cifar10.onnx --data data/cifar10 [--name resnet20] [--batches 6] [--quick] [--threads 1] [--seed 0]
 *
 * All criteria see the same minibatches of training images. A removal order stands on ranks, so that Spearman and Kendall are what matters; Pearson is
 * of the importances themselves. Results go to docs/results/correlation-NAME.json, .csv and .svg (with --quick: correlation-NAME-quick).
 */

import { criteria, gatePlaces, prepare, readModelFile, scoreAll } from "../dist/graphs-node.js";
import { nodeRuntime, openDataset } from "../dist/node.js";
import { barChart } from "./lib/charts.mjs";
import { options } from "./lib/options.mjs";
import { openRecord } from "./lib/record.mjs";
import { kendall, mean, pearson, spearman } from "./lib/statistics.mjs";

const flags = options(import.meta.url, {
  model: { type: "string" },
  data: { type: "string" },
  name: { type: "string", default: "resnet20" },
  batches: { type: "string", default: "6" },
  "batch-size": { type: "string", default: "128" },
});
const batches = flags.quick ? 1 : Number(flags.batches);
const batchSize = flags.quick ? 64 : Number(flags["batch-size"]);
const name = `correlation-${flags.name}`;
const record = openRecord(name, flags, { batches, batchSize });
const normalise = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
const data = await openDataset(`cifar10:${flags.data}`, { split: "train", normalise });
const graph = prepare(await readModelFile(flags.model));

const shared = { loss: "cross-entropy", batchSize, batches, seed: Number(flags.seed), threads: Number(flags.threads) };
const score = async (list, more = {}) => {
  const progress = (done, all) => console.error(`${list.join(", ")}: minibatch ${done} of ${all}`);
  return scoreAll(
    nodeRuntime,
    graph,
    data,
    list.map((one) => criteria.get(one)),
    { ...shared, ...more, onProgress: progress },
  );
};

/** Correlations with the oracle, over the groups that both know. */
function compare(oracle, scores) {
  const groups = [...oracle.keys()].filter((group) => scores.has(group));
  const pair = (group) => [[...oracle.get(group)], [...scores.get(group)]];
  const [x, y] = [0, 1].map((side) => groups.flatMap((group) => pair(group)[side]));
  const within = (of) => mean(groups.map((group) => of(...pair(group))));
  return {
    groups: groups.length,
    units: x.length,
    pearson: pearson(x, y),
    spearman: spearman(x, y),
    kendall: kendall(x, y),
    layerPearson: within(pearson),
    layerSpearman: within(spearman),
    layerKendall: within(kendall),
  };
}

const oracle = (await score(["oracle"])).get("oracle");
const names = [...criteria.keys()].filter((one) => !["oracle", "oracle-combinatorial"].includes(one));
/** Criteria that gates have a say in. */
const gated = names.filter((one) =>
  criteria.get(one).needs?.some((need) => ["gates", "row", "diagonal"].includes(need)),
);
const firstOrder = (one) => !criteria.get(one).needs?.some((need) => ["row", "diagonal"].includes(need));

for (const place of gatePlaces) {
  const wanted = place === "after-bn" ? names : gated.filter((one) => !one.startsWith("fisher-cost"));
  for (const some of [wanted.filter(firstOrder), wanted.filter((one) => !firstOrder(one))]) {
    const list = await scorable(some, place);
    if (list.length === 0) continue;
    const scores = await score(list, { gates: place });
    for (const one of list) record.add({ criterion: one, gates: place, ...compare(oracle, scores.get(one)) });
  }
}

/** The criteria that can score the model, to be scored together; those that cannot are recorded with the reason. */
async function scorable(list, gates) {
  const fine = [];
  for (const one of list) {
    try {
      // Whether there are gates at a place is found before anything is run: one backward pass tells for second derivatives too.
      const probe = firstOrder(one) ? one : "taylor-fo";
      await scoreAll(nodeRuntime, graph, data, [criteria.get(probe)], { ...shared, gates, batches: 1 });
      fine.push(one);
    } catch (error) {
      if (error.code !== "unsupported") throw error;
      record.add({ criterion: one, gates, refused: error.message });
    }
  }
  return fine;
}

// Behind a Relu the gates after the activation are those behind BatchNormalization over again.
const rows = record.rows.filter(({ spearman: value, gates }) => value !== undefined && gates !== "after-activation");
await barChart(record.path("svg"), {
  title: `Agreement with the oracle, ${flags.name}`,
  subtitle: `Spearman's rank correlation over all units, ${batches * batchSize} training images`,
  rows: rows.map((row) => ({
    label: row.gates === "after-bn" ? row.criterion : `${row.criterion} (${row.gates})`,
    value: row.spearman,
  })),
  axis: "Spearman's ρ with the oracle",
});
