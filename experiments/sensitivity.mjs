/**
 * (e) Sensitivity of each layer before and after pruning: importances sorted within each group, and the loss when a share of one group alone is masked.
 *
 * Usage: npm run experiment:sensitivity -- --data data/cifar10 --before resnet20-cifar10.onnx --after pruned.onnx [--quick] [--threads 1] [--seed 0]
 *
 * `after` is a model that secateur prune has written; experiments/resnet20.mjs leaves some in .cache/resnet20.
 */

import { criteria, maskedLosses, prepare, readModelFile, scoreAll } from "../dist/graphs-node.js";
import { nodeRuntime } from "../dist/node.js";
import { draw } from "./lib/charts.mjs";
import { cifar10 } from "./lib/cifar.mjs";
import { options } from "./lib/options.mjs";
import { openRecord } from "./lib/record.mjs";

const flags = options(import.meta.url, {
  data: { type: "string" },
  before: { type: "string" },
  after: { type: "string" },
  criterion: { type: "string", default: "taylor-fo-fg" },
});
const [seed, threads] = [Number(flags.seed), Number(flags.threads)];
const { before, after, ...shown } = flags;
const batches = flags.quick ? 2 : 20;
const shares = flags.quick ? [0.5] : [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
const record = openRecord("sensitivity", shown, { batches, shares });
const { train } = await cifar10(flags.data);
const shared = { loss: "cross-entropy", batchSize: 128, seed, threads };
const criterion = criteria.get(flags.criterion);

for (const [when, path] of [
  ["before", before],
  ["after", after],
]) {
  const graph = prepare(await readModelFile(path));
  const scores = (await scoreAll(nodeRuntime, graph, train, [criterion], { ...shared, batches })).get(criterion.name);
  for (const [group, values] of scores) {
    if (record.find({ when, group })) continue;
    const order = [...values.keys()].sort((a, b) => values[a] - values[b]);
    const subsets = shares.map((share) => order.slice(0, Math.round(share * order.length)));
    const masked = await maskedLosses(nodeRuntime, graph, train, group, subsets, {
      ...shared,
      batches: Math.min(2, batches),
    });
    record.add({
      when,
      group,
      units: values.length,
      importance: order.map((unit) => +values[unit].toPrecision(4)),
      unmasked: masked.loss,
      shares,
      losses: [...masked.losses].map((loss) => +loss.toFixed(4)),
    });
  }
}

const order = { before: 0, after: 1 };
await draw(record.path("svg"), {
  title: {
    text: "Importance of the units of each layer, sorted within it",
    subtitle: `${flags.criterion}, before and after pruning; layers left to right from the input`,
  },
  data: {
    values: record.rows.flatMap(({ when, group, importance }) =>
      importance.map((y, i) => ({
        when,
        group,
        x: (i + 0.5) / importance.length,
        y: Math.max(y, 1e-5),
        order: order[when],
      })),
    ),
  },
  facet: {
    column: {
      field: "group",
      type: "nominal",
      title: null,
      sort: null,
      header: { labelAngle: -45, labelAlign: "right", labelFontSize: 10, labelOrient: "bottom" },
    },
  },
  spacing: 4,
  spec: {
    width: 58,
    height: 300,
    mark: { type: "line", strokeWidth: 2 },
    encoding: {
      x: { field: "x", type: "quantitative", axis: null },
      y: { field: "y", type: "quantitative", scale: { type: "log" }, title: "importance" },
      color: {
        field: "when",
        type: "nominal",
        title: "pruning",
        sort: ["before", "after"],
        scale: { range: ["#8c959f", "#2f7d4f"] },
      },
    },
  },
});
