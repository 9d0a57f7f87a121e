/**
 * (b) LeNet3 on CIFAR-10: the loss while units are removed one by one without fine-tuning, criterion by criterion (Molchanov et al. 2019, figure 2).
 *
 * Usage: npm run experiment:removal -- --data data/cifar10 [--samples 256] [--criteria a,b] [--quick] [--threads 1] [--seed 0]
 *
 * Before each removal all units that are left are scored anew on one minibatch of training images; the loss is that of a fixed set of training
 * images. The number that tells a criterion is how many units are gone when the loss passes 1.0.
 */

import { analyse, criteria, cutGraph, evaluateGraph, scoreAll, selectStep } from "../dist/graphs-node.js";
import { nodeRuntime } from "../dist/node.js";
import { lineChart } from "./lib/charts.mjs";
import { cifar10, trainedLenet3 } from "./lib/cifar.mjs";
import { options } from "./lib/options.mjs";
import { openRecord } from "./lib/record.mjs";

const flags = options(import.meta.url, {
  data: { type: "string" },
  samples: { type: "string", default: "256" },
  criteria: { type: "string", optional: true },
});
const [seed, threads] = [Number(flags.seed), Number(flags.threads)];
const samples = flags.quick ? 64 : Number(flags.samples);
/** Units that go at once. */
const step = flags.quick ? 8 : 4;
/** The loss at which a criterion has done what it can. */
const limit = 1;
/** Curves end a little above it. */
const end = 2;
const record = openRecord("removal", flags, { samples, step });
const { train } = await cifar10(flags.data);
const { graph: start } = await trainedLenet3({ train }, { seed, threads });

/** Second derivatives of every unit, one by one, after every removal take hours; 16 directions estimate them. */
const probes = 16;
const names = flags.criteria?.split(",") ?? [...criteria.keys()].filter((name) => name !== "oracle-combinatorial");
const lossOf = async (graph) =>
  (
    await evaluateGraph(nodeRuntime, graph, train, {
      loss: "cross-entropy",
      batchSize: 256,
      limit: flags.quick ? 1 : 4,
      threads,
    })
  ).loss;

async function removeAll(name) {
  let graph = start;
  let removed = 0;
  const curve = [[0, await lossOf(graph)]];
  while (curve.at(-1)[1] < end) {
    const options = { loss: "cross-entropy", batchSize: samples, batches: 1, seed: seed + removed, threads, probes };
    const scores = (await scoreAll(nodeRuntime, graph, train, [criteria.get(name)], options)).get(name);
    const groups = analyse(graph);
    const { removal } = selectStep(groups, scores, step, { units: 0 });
    const count = [...removal.values()].reduce((n, units) => n + units.length, 0);
    if (count === 0) break;
    graph = cutGraph(graph, groups, removal).graph;
    removed += count;
    curve.push([removed, await lossOf(graph)]);
  }
  return curve;
}

for (const name of names) {
  if (record.find({ criterion: name })) continue;
  try {
    const curve = await removeAll(name);
    const passed = curve.find(([, loss]) => loss > limit);
    const before = passed && curve[curve.indexOf(passed) - 1];
    // Between two removals the loss is taken as a straight line.
    const removedAtLimit =
      passed && before[0] + ((limit - before[1]) / (passed[1] - before[1])) * (passed[0] - before[0]);
    record.add({
      criterion: name,
      removedAtLimit,
      removed: curve.map(([count]) => count),
      loss: curve.map(([, loss]) => +loss.toFixed(4)),
    });
  } catch (error) {
    if (error.code !== "unsupported") throw error;
    record.add({ criterion: name, refused: error.message });
  }
}

const done = record.rows
  .filter(({ loss }) => loss)
  .sort((a, b) => (b.removedAtLimit ?? 1e9) - (a.removedAtLimit ?? 1e9));
await lineChart(record.path("svg"), {
  title: "LeNet3: loss against units removed, without fine-tuning",
  subtitle: `training loss; behind each name the units removed when it passes ${limit}`,
  rows: done.flatMap(({ criterion, removedAtLimit, removed, loss }) =>
    loss.map((y, i) => ({
      series: `${criterion}  ${removedAtLimit?.toFixed(0) ?? "-"}`,
      x: removed[i],
      y: Math.min(y, end),
    })),
  ),
  x: "units removed of 252",
  y: "loss",
});
