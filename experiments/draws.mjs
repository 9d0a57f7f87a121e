/**
 * (h) How well criteria rank units without labels: rank correlation with the oracle, which is the squared change of the distance from the model's own outputs when a unit is masked.
 *
 * Usage: npm run experiment:draws -- --model net.onnx --data npz:net --net NAME [--criteria a,a:sampled] [--outputs a,b] [--sigmoid a] [--batches 8] [--batch-size 16]
 *        [--quick] [--threads 1] [--seed 0]
 *
 * The distance is the mean squared error of each output in units of its spread, and for outputs that end in a Sigmoid binary cross-entropy. With `:sampled` behind a criterion targets
 * are drawn from the model's own prediction: normal numbers around outputs, and yes or no by their probabilities. Without it, gradients are of the distance itself, which is zero.
 */

import * as ort from "onnxruntime-node";
import { criteria, prepare, readModelFile, scoreAll } from "../dist/graphs-node.js";
import { nodeRuntime, openDataset } from "../dist/node.js";
import { options } from "./lib/options.mjs";
import { openRecord } from "./lib/record.mjs";
import { kendall, mean, spearman } from "./lib/statistics.mjs";

const flags = options(import.meta.url, {
  model: { type: "string" },
  data: { type: "string" },
  net: { type: "string" },
  criteria: {
    type: "string",
    default: "taylor-fo-fg:sampled,taylor-fo:sampled,taylor-fo-fg,magnitude,magnitude-l1,activation-mean,random",
  },
  batches: { type: "string", default: "8" },
  "batch-size": { type: "string", default: "16" },
  outputs: { type: "string", default: "" },
  sigmoid: { type: "string", default: "" },
});
const batches = flags.quick ? 1 : Number(flags.batches);
const batchSize = Number(flags["batch-size"]);
const [seed, threads] = [Number(flags.seed), Number(flags.threads)];
const listed = new Set(flags.outputs.split(",").filter(Boolean));
const sigmoids = new Set(flags.sigmoid.split(",").filter(Boolean));
const record = openRecord("draws", flags, {}, ["net", "criteria", "outputs", "sigmoid", "batches", "batch-size"]);
const graph = prepare(await readModelFile(flags.model));
const data = await openDataset(flags.data, { split: "train" });
const session = await ort.InferenceSession.create(flags.model, { logSeverityLevel: 3, intraOpNumThreads: threads });

/** What the model itself makes of a batch, by output; outputs of one stand as the only target. */
async function answers({ inputs }) {
  const named = Object.entries(inputs).map(([name, { dtype, shape, data: values }]) => [
    name === "" ? session.inputNames[0] : name,
    new ort.Tensor(dtype, values, shape),
  ]);
  const results = await session.run(Object.fromEntries(named));
  return Object.entries(results).map(([name, { dims, data: values }]) => [
    name,
    { dtype: "float32", shape: dims, data: values },
  ]);
}

/** The data with the model's own outputs for targets. */
const own = {
  name: `${data.name} by ${flags.net}`,
  size: data.size,
  async *batches(asked) {
    for await (const batch of data.batches(asked)) {
      const found = await answers(batch);
      yield found.length === 1
        ? { inputs: batch.inputs, size: batch.size, target: found[0][1] }
        : { inputs: batch.inputs, size: batch.size, targets: Object.fromEntries(found) };
    }
  },
};

const variance = (values) => {
  const all = Array.from(values);
  const middle = mean(all);
  return mean(all.map((value) => (value - middle) ** 2));
};
/** Where there are several targets each is named as its output. */
const named = (output) => (session.outputNames.length > 1 ? { target: output } : {});
const shuffled = data.batches({ batchSize, shuffle: true, seed, limit: 1 });
const { value: first } = await shuffled[Symbol.asyncIterator]().next();
const loss = (await answers(first))
  .filter(([output]) => listed.size === 0 || listed.has(output))
  .map(([output, { data: values }]) =>
    sigmoids.has(output)
      ? { kind: "bce", output, ...named(output) }
      : { kind: "mse", output, ...named(output), weight: 1 / variance(values) },
  );

async function score(name, targets) {
  const scores = await scoreAll(nodeRuntime, graph, own, [criteria.get(name)], {
    loss,
    targets,
    batchSize,
    batches,
    seed,
    threads,
    onProgress: (done, all) => console.error(`${name}: minibatch ${done} of ${all}`),
  });
  return scores.get(name);
}

const oracle = await score("oracle", "labels");
for (const one of flags.criteria.split(",")) {
  if (record.rows.some((row) => row.net === flags.net && row.criterion === one)) continue;
  const [name, source] = one.split(":");
  const scores = await score(name, source === "sampled" ? "sampled" : "labels");
  const groups = [...oracle.keys()].filter((group) => scores.has(group) && oracle.get(group).some((one) => one > 0));
  const pair = (group) => [[...oracle.get(group)], [...scores.get(group)]];
  const [x, y] = [0, 1].map((side) => groups.flatMap((group) => pair(group)[side]));
  record.add({
    net: flags.net,
    criterion: one,
    batches,
    batchSize,
    groups: groups.length,
    units: x.length,
    spearman: spearman(x, y),
    kendall: kendall(x, y),
    layerSpearman: mean(groups.map((group) => spearman(...pair(group)))),
  });
}
await session.release();
