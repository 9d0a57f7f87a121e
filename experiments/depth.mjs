/**
 * (c) Why agreement with the oracle ends where it does: the oracle of weakened units, (E - E(z_m = 1 - ε))², for growing ε. A Taylor expansion at z = 1 is
 * exact for small ε; how fast it stops to be tells how far from z = 1 the removal of a unit is for this net.
 *
 * Usage: npm run experiment:depth -- --model resnet20-cifar10.onnx --data data/cifar10 [--name resnet20] [--samples 128] [--quick] [--threads 1] [--seed 0]
 *
 * One minibatch of training images; the diagonal of the Hessian is exact.
 */

import { criteria, openOracle, prepare, readModelFile, scoreAll } from "../dist/graphs-node.js";
import { nodeRuntime } from "../dist/node.js";
import { lineChart } from "./lib/charts.mjs";
import { cifar10 } from "./lib/cifar.mjs";
import { options } from "./lib/options.mjs";
import { openRecord } from "./lib/record.mjs";
import { median, spearman } from "./lib/statistics.mjs";

const flags = options(import.meta.url, {
  model: { type: "string" },
  data: { type: "string" },
  name: { type: "string", default: "resnet20" },
  samples: { type: "string", default: "128" },
});
const [seed, threads] = [Number(flags.seed), Number(flags.threads)];
const samples = flags.quick ? 32 : Number(flags.samples);
const depths = flags.quick ? [0.1, 1] : [0.02, 0.1, 0.2, 0.4, 0.6, 0.8, 1];
const record = openRecord(`depth-${flags.name}`, flags, { samples, depths });
const { train } = await cifar10(flags.data);
const graph = prepare(await readModelFile(flags.model));
const shared = { loss: "cross-entropy", batchSize: samples, threads };

const oracle = await openOracle(nodeRuntime, graph, shared);
const changes = new Map(depths.map((depth) => [depth, []]));
let unmasked;
for await (const batch of train.batches({ batchSize: samples, shuffle: true, seed, epoch: 0, limit: 1 })) {
  const input = oracle.inputs.find(({ name }) => name !== "target");
  const minibatch = await oracle.start({ [input.name]: batch.inputs[""], target: batch.target });
  unmasked = minibatch.loss;
  for (const { name, units } of oracle.groups)
    for (const depth of depths) {
      const each = units.map((_, unit) => [unit]);
      const losses = await oracle.losses(name, each, minibatch, 1 - depth);
      changes.get(depth).push(...losses.map((loss) => loss - minibatch.loss));
      console.error(`${name}: ε ${depth}`);
    }
}
await oracle.dispose();

const names = ["taylor-fo", "taylor-fo-fg", "taylor-so-diag", "taylor-so", "magnitude"];
const scores = await scoreAll(
  nodeRuntime,
  graph,
  train,
  names.map((name) => criteria.get(name)),
  { ...shared, batches: 1, seed, probes: flags.quick ? 4 : 0 },
);
const flat = (name) => Array.from(scores.get(name).values(), (values) => Array.from(values)).flat();
for (const depth of depths) {
  const oracles = changes.get(depth).map((change) => change ** 2);
  record.add({
    depth,
    unmasked,
    medianChange: median(changes.get(depth).map(Math.abs)),
    rising: changes.get(depth).filter((change) => change > 0).length / oracles.length,
    ...Object.fromEntries(names.map((name) => [name, spearman(oracles, flat(name))])),
  });
}
await lineChart(record.path("svg"), {
  title: `How far a Taylor expansion reaches, ${flags.name}`,
  subtitle: `agreement with (E - E(z = 1 - ε))²; ε = 1 removes the unit; ${samples} training images`,
  rows: record.rows.flatMap((row) => names.map((name) => ({ series: name, x: row.depth, y: row[name] }))),
  x: "ε",
  y: "Spearman's ρ",
  points: true,
});
