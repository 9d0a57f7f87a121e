/**
 * (a) LeNet3 on CIFAR-10: the best of all subsets of conv1's 16 units against greedy choice (Molchanov et al. 2019, section 4.1).
 *
 * Usage: npm run experiment:lenet3 -- --data data/cifar10 [--samples 256] [--quick] [--threads 1] [--seed 0]
 *
 * The net is trained first, if .cache/lenet3.onnx is not there. All 2^16 subsets are masked in one minibatch of training images; greedy choice removes
 * the unit whose removal changes the loss least, again and again; the one-shot order is that of the first step.
 */

import { allSubsets, bestSubsets, criteria, maskedLosses, scoreAll } from "../dist/graphs-node.js";
import { nodeRuntime } from "../dist/node.js";
import { draw } from "./lib/charts.mjs";
import { accuracy, cifar10, recipe, trainedLenet3 } from "./lib/cifar.mjs";
import { options } from "./lib/options.mjs";
import { openRecord } from "./lib/record.mjs";

const flags = options(import.meta.url, { data: { type: "string" }, samples: { type: "string", default: "256" } });
const [seed, threads] = [Number(flags.seed), Number(flags.threads)];
const samples = flags.quick ? 32 : Number(flags.samples);
const group = "conv1.weight";
const record = openRecord("lenet3", flags, { samples, recipe });
const data = await cifar10(flags.data);
const started = performance.now();
const { graph, trained } = await trainedLenet3(data, { seed, threads });
const { top1, loss: testLoss } = await accuracy(graph, data.test, threads);
if (!record.find({ what: "net" }))
  record.add({ what: "net", top1, testLoss, ...(trained && { minutes: (performance.now() - started) / 60_000 }) });

const shared = { loss: "cross-entropy", batchSize: samples, batches: 1, seed, threads };
const subsets = allSubsets(16);
const began = performance.now();
const { loss, losses } = await maskedLosses(nodeRuntime, graph, data.train, group, subsets, shared);
const minutes = (performance.now() - began) / 60_000;
console.log(`${subsets.length} subsets in ${minutes.toFixed(1)} min; unmasked loss ${loss.toFixed(4)}`);
const change = losses.map((value) => value - loss);
const best = bestSubsets(change, 16);
const maskOf = (units) => units.reduce((mask, unit) => mask | (1 << unit), 0);

/** Greedy choice looks up what it would evaluate. */
function greedy() {
  const order = [];
  while (order.length < 16) {
    const rest = Array.from({ length: 16 }, (_, unit) => unit).filter((unit) => !order.includes(unit));
    const cost = (unit) => change[maskOf([...order, unit])] ** 2;
    order.push(rest.reduce((least, unit) => (cost(unit) < cost(least) ? unit : least)));
  }
  return order;
}
const single = Array.from({ length: 16 }, (_, unit) => change[1 << unit] ** 2);
const once = single.map((_, unit) => unit).sort((a, b) => single[a] - single[b]);
const names = ["taylor-fo", "taylor-fo-fg", "taylor-so-diag", "magnitude"];
const scores = await scoreAll(
  nodeRuntime,
  graph,
  data.train,
  names.map((name) => criteria.get(name)),
  shared,
);
const orders = {
  greedy: greedy(),
  "oracle, one shot": once,
  ...Object.fromEntries(
    names.map((name) => {
      const own = scores.get(name).get(group);
      return [name, [...own.keys()].sort((a, b) => own[a] - own[b])];
    }),
  ),
};

const rows = [];
for (let k = 1; k < 16; k++) {
  const all = losses.filter((_, mask) => subsets[mask].length === k);
  const at = Object.fromEntries(
    Object.entries(orders).map(([name, order]) => [name, losses[maskOf(order.slice(0, k))]]),
  );
  const row = { removed: k, combinatorial: losses[best[k]], ...at, mean: all.reduce((a, b) => a + b, 0) / all.length };
  // The place of the greedy subset among all of its size, from the best (0) to the worst (1).
  const cost = (value) => (value - loss) ** 2;
  row.greedyPlace = all.filter((value) => cost(value) < cost(row.greedy)).length / Math.max(1, all.length - 1);
  if (!record.find({ what: "subsets", removed: k })) record.add({ what: "subsets", unmasked: loss, ...row, minutes });
  for (const [series, y] of Object.entries(row))
    if (series !== "removed" && series !== "greedyPlace")
      rows.push({ series: series === "mean" ? "mean of all subsets" : series, x: k, y });
}
await draw(record.path("svg"), {
  title: {
    text: "Removing filters of conv1 of LeNet3 without fine-tuning",
    subtitle: `training loss on ${samples} images; combinatorial = the best of all subsets of that size`,
  },
  width: 560,
  height: 340,
  data: { values: rows },
  mark: { type: "line", point: true },
  encoding: {
    x: { field: "x", type: "quantitative", title: "filters removed", axis: { tickMinStep: 1 } },
    y: { field: "y", type: "quantitative", title: "loss" },
    color: { field: "series", type: "nominal", title: "choice", sort: null },
  },
});
