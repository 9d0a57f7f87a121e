/**
 * (i) Nets of other tasks than classes, at half of their multiply-accumulates: cut at once, and pruned with fine-tuning, by the default, by magnitude and at random.
 *
 * Usage: npm run experiment:tasks -- --models DIR --data DIR [--nets a,b] [--criteria default,magnitude,random] [--macs 0.5] [--quick] [--threads 1] [--seed 0]
 *
 * The nets and what they are run on come from scripts/tasks: some are of others, some are trained there. Where a net has targets it learns from them; the others learn from the original
 * alone. "Cut" is one removal and new statistics for BatchNormalization, without learning. A stopped run goes on where it was.
 */

import { existsSync, mkdirSync } from "node:fs";
import { absoluteBudget, analyse, cutGraph, prepare, selectStep, withGraph } from "../dist/graphs-node.js";
import { compare, evaluate, load, openDataset, prune, recalibrate, save, score } from "../dist/node.js";
import { draw } from "./lib/charts.mjs";
import { options } from "./lib/options.mjs";
import { openRecord } from "./lib/record.mjs";

const flags = options(import.meta.url, {
  models: { type: "string" },
  data: { type: "string" },
  nets: { type: "string", default: "" },
  criteria: { type: "string", default: "default,magnitude,random" },
  macs: { type: "string", default: "0.5" },
});
const [seed, threads, macs] = [Number(flags.seed), Number(flags.threads), Number(flags.macs)];

/** Greedy reading of a CTC output: the largest class at each step, repeats and blanks (class 0) left out. */
const readings = ({ shape: [n, steps, classes], data }) =>
  Array.from({ length: n }, (_, sample) => {
    const best = Array.from({ length: steps }, (_unused, step) => {
      const row = data.subarray((sample * steps + step) * classes, (sample * steps + step + 1) * classes);
      return row.indexOf(Math.max(...row));
    });
    return best.filter((id, step) => id !== 0 && id !== best[step - 1]).join();
  });

/** The share of strings that are read without a mistake. */
const exact = {
  name: "strings read right",
  better: "higher",
  start() {
    let [right, count] = [0, 0];
    return {
      add({ output, target, size }) {
        const width = target.shape[1];
        readings(output).forEach((text, sample) => {
          const wanted = Array.from(target.data.slice(sample * width, (sample + 1) * width), Number);
          if (text === wanted.filter((id) => id >= 0).join()) right++;
        });
        count += size;
      },
      result: () => right / count,
    };
  },
};

/** What each net is, and how it is measured. */
const nets = [
  {
    name: "faces",
    what: "face detector, UltraFace RFB-320",
    file: "ultraface-version-RFB-320.onnx",
    data: "folder:faces",
    form: { normalise: { mean: [0.498, 0.498, 0.498], std: [0.502, 0.502, 0.502] } },
    learn: { targets: "teacher", batchSize: 16, epochs: 4 },
  },
  {
    name: "segmenter",
    what: "segmenter of generated shapes, U-Net",
    file: "segmenter-batchnorm.onnx",
    data: "npz:segmenter.npz",
    metric: "mean-iou",
    learn: { loss: "cross-entropy", batchSize: 32, epochs: 2 },
  },
  {
    name: "digit-strings",
    what: "reader of digit strings, convolutions and a GRU, CTC",
    file: "digit-strings-batchnorm.onnx",
    data: "npz:digit-strings.npz",
    metric: exact,
    learn: { loss: "ctc", batchSize: 32, epochs: 2 },
  },
  {
    name: "detector",
    what: "detector with two heads, classes and a box",
    file: "detector-batchnorm.onnx",
    data: "npz:detector.npz",
    metric: { kind: "f1", output: "scores" },
    learn: { loss: { scores: "bce", boxes: { kind: "l1", weight: 2 } }, batchSize: 32, epochs: 2 },
  },
  {
    name: "characters",
    what: "language model of characters, a transformer of two layers",
    file: "characters.onnx",
    data: "npz:characters.npz",
    metric: "perplexity",
    learn: { loss: "next-token", batchSize: 32, epochs: 2 },
  },
  {
    name: "keywords",
    what: "keyword spotter, GRU",
    file: "keywords.onnx",
    data: "npz:keywords.npz",
    metric: "top1",
    learn: { loss: "cross-entropy", batchSize: 32, epochs: 2 },
  },
  {
    name: "super-resolution",
    what: "super resolution, pixels three times as many each way",
    file: "superres-onnxzoo.onnx",
    data: "npz:triple-size.npz",
    metric: "psnr",
    learn: { targets: "teacher", batchSize: 2, epochs: 4 },
  },
  {
    name: "digit embedder",
    what: "embedder of digits, convolutions",
    file: "embedder-batchnorm.onnx",
    data: "npz:embedder.npz",
    learn: { targets: "teacher", batchSize: 32, epochs: 2 },
  },
  {
    name: "sentences",
    what: "encoder of sentences, MiniLM of six layers",
    file: "minilm.onnx",
    data: "npz:sentences.npz",
    learn: { targets: "teacher", batchSize: 16, epochs: 2 },
  },
];

/** Where the small nets are kept. */
const kept = new URL("../.cache/tasks/", import.meta.url).pathname;
mkdirSync(kept, { recursive: true });

const chosen = flags.nets === "" ? nets : nets.filter(({ name }) => flags.nets.split(",").includes(name));
const record = openRecord("tasks", flags, { macs }, ["nets", "criteria"]);

/** How good a model is: by its metric, and by what it keeps of the original's outputs. */
async function qualityOf(original, model, { metric, learn }, data) {
  const { loss, targets, batchSize } = learn;
  const measured =
    metric && targets !== "teacher"
      ? (await evaluate(model, { data, metric, loss, batchSize, threads })).metric
      : undefined;
  const { data: found } = await compare(original, model, {
    data,
    batchSize,
    threads,
    ...(metric && targets === "teacher" && { metric }),
  });
  return {
    ...(measured && { metric: measured.name, value: measured.value }),
    ...(found.metric && { metric: found.metric[1].name, value: found.metric[1].value }),
    agreement: found.agreement,
    outputs: JSON.stringify(found.outputs),
  };
}

const importance = { default: "taylor-fo", magnitude: "magnitude", random: "random" };

/** One removal down to the budget, and new statistics. */
async function cutAtOnce(model, { learn }, data, criterion) {
  const graph = prepare(model);
  const analysis = analyse(graph);
  const { loss, targets = "labels", batchSize } = learn;
  const source = targets === "teacher" ? "sampled" : "labels";
  const scores = await score(model, { data, criterion, loss, targets: source, batchSize, batches: 10, seed, threads });
  const { removal } = selectStep(analysis, scores, Infinity, absoluteBudget(graph, { macs }), { per: "macs" });
  const small = withGraph(model, cutGraph(graph, analysis, removal).graph);
  const { nodes } = small.graph;
  return nodes.some(({ op }) => op === "BatchNormalization")
    ? await recalibrate(small, { data, batchSize, seed, threads })
    : small;
}

for (const net of chosen) {
  const path = `${flags.models}/${net.file}`;
  if (!existsSync(path)) {
    console.log(`${net.name} is left out: there is no ${path}`);
    continue;
  }
  const [kind, where] = net.data.split(/:(.*)/);
  const model = await load(path);
  const open = (split) => openDataset(`${kind}:${flags.data}/${where}`, { split, ...net.form, model });
  const [train, test] = [await open("train"), await open("test")];
  const add = async (how, small, more = {}) => {
    const began = performance.now();
    if (how.how !== "dense") await save(`${kept}${net.name}-${how.how}-${how.criterion}.onnx`, small);
    const quality = await qualityOf(model, small, net, test);
    record.add({ net: net.name, ...how, ...quality, ...more, measured: (performance.now() - began) / 60_000 });
  };
  if (!record.find({ net: net.name, how: "dense" })) await add({ how: "dense", criterion: "" }, model);
  for (const criterion of flags.criteria.split(",")) {
    if (!record.find({ net: net.name, how: "cut", criterion })) {
      const small = await cutAtOnce(model, net, train, importance[criterion]);
      const share = analyse(prepare(small)).costs.macs / analyse(prepare(model)).costs.macs;
      await add({ how: "cut", criterion }, small, { macs: share });
    }
    if (!record.find({ net: net.name, how: "pruned", criterion })) {
      const began = performance.now();
      const options = { ...net.learn, budget: { macs }, criterion: importance[criterion], seed, threads };
      const { model: small, before, after, end, removals } = await prune(model, { ...options, data: train });
      const costs = { macs: after.costs.macs / before.costs.macs, params: after.costs.params / before.costs.params };
      await add({ how: "pruned", criterion }, small, {
        ...costs,
        end,
        removals,
        minutes: (performance.now() - began) / 60_000,
      });
    }
  }
}

// What was stopped is the whole net still.
const shown = record.rows.filter(({ how, end }) => how !== "dense" && end !== "diverged");
await draw(record.path("svg"), {
  title: { text: "Nets of other tasks at half of their multiply-accumulates" },
  data: {
    values: shown.map(({ net, how, criterion, value, agreement, metric }) => ({
      net: `${net}: ${metric ?? "agreement"}`,
      way: how === "cut" ? "cut, no learning" : "pruned and fine-tuned",
      criterion,
      value: value ?? agreement,
    })),
  },
  facet: {
    row: {
      field: "net",
      type: "nominal",
      title: null,
      header: { labelAngle: 0, labelAlign: "left", labelFontSize: 12 },
    },
  },
  resolve: { scale: { x: "independent" } },
  spec: {
    width: 420,
    mark: { type: "bar", height: { band: 0.8 } },
    encoding: {
      y: { field: "way", type: "nominal", title: null, axis: { labelLimit: 320 } },
      yOffset: { field: "criterion" },
      x: { field: "value", type: "quantitative", title: null },
      color: { field: "criterion", type: "nominal", title: "ranked by" },
    },
  },
});
