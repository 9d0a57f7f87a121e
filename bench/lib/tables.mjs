/** The tables of docs/performance.md, from all results there are. */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { nameOf } from "./profile.mjs";
import { gigabytes, percent, rate, seconds, times } from "./numbers.mjs";

const results = new URL("../results/", import.meta.url);
const page = new URL("../../docs/performance.md", import.meta.url);
const order = ["resnet56", "resnet18", "resnet50", "mobilenet_v2", "vgg11_bn", "resnet152", "swin_t", "lenet5"];

/** Columns are the text of a cell for each row, by their heads. */
function table(columns, rows) {
  if (rows.length === 0) return "Not measured yet.";
  const line = (cells) => `| ${cells.join(" | ")} |`;
  const heads = Object.keys(columns);
  return [
    line(heads),
    line(heads.map(() => "---")),
    ...rows.map((row) => line(heads.map((head) => columns[head](row)))),
  ].join("\n");
}

const network = { network: (row) => row.net };
const threads = { threads: (row) => row.threads };

const beside = {
  ...network,
  ...threads,
  Secateur: (row) => `${rate(row.imagesPerSecond.ours)} images/s`,
  PyTorch: (row) => rate(row.imagesPerSecond.torch),
  ratio: (row) => times(row.ratio),
  aim: (row) => times(row.target),
  "without weight gradients": (row) => times(row.leanRatio),
  memory: (row) => gigabytes(row.memory.ours),
  "of PyTorch's": (row) => times(row.memoryRatio),
};

const split = { ...network, ...threads, workers: (row) => row.workers ?? 1 };
const training = { ...split, ...beside };
delete training["without weight gradients"];

const elsewhere = {
  ...network,
  what: (row) => ({ score: "scoring", train: "training step" })[row.what],
  batch: (row) => `${row.batch} of ${row.size}x${row.size}`,
  on: (row) => row.versions.gpu ?? row.device,
  Secateur: (row) => `${rate(row.imagesPerSecond.ours)} images/s`,
  PyTorch: (row) => rate(row.imagesPerSecond.torch),
  ratio: (row) => times(row.ratio),
  "without weight gradients": (row) => times(row.leanRatio),
  "memory of the process": (row) => gigabytes(row.memory.ours),
};

const prune = {
  ...split,
  removals: (row) => row.removals.length,
  "MACs left": (row) => percent(row.removals.at(-1).macs),
  Secateur: (row) => seconds(row.ms.ours, 0),
  PyTorch: (row) => seconds(row.ms.torch, 0),
  ratio: (row) => times(row.ratio),
  "first quarter": (row) => times(row.quarters.first),
  "last quarter": (row) => times(row.quarters.last),
  "removed first in common": (row) => percent(row.check.overlap),
  memory: (row) => gigabytes(row.memory.ours),
  "of PyTorch's": (row) => times(row.memoryRatio),
};

const removal = {
  ...split,
  step: (row) => seconds(row.ms.step),
  "choosing, cutting": (row) => seconds(row.ms.choose),
  "writing graphs": (row) => seconds(row.ms.write),
  loading: (row) => seconds(row.ms.load),
  "first step longer by": (row) => seconds(row.ms.start),
  "a removal": (row) => seconds(row.ms.whole),
  "of 10 minibatches": (row) => percent(row.share),
  aim: (row) => percent(row.target),
};

const ablation = {
  ...network,
  ...threads,
  change: (row) => row.trick,
  with: (row) => `${row.ms.with.toFixed(0)} ms`,
  without: (row) => `${row.ms.without.toFixed(0)} ms`,
  faster: (row) => times(row.ms.without / row.ms.with),
  memory: (row) => gigabytes(row.memory.with),
  "memory without": (row) => gigabytes(row.memory.without),
};

/** Operators that do much alike stand in one column; what is in none is the rest. */
const kinds = {
  Conv: ["Conv"],
  "Gemm, MatMul": ["Gemm", "MatMul", "FusedGemm", "FusedMatMul"],
  "shifts (Slice)": ["Slice"],
  "other copies": [
    "Pad",
    "Transpose",
    "Concat",
    "Split",
    "Gather",
    "ReorderInput",
    "ReorderOutput",
    "Reshape",
    "Expand",
  ],
};
const spent = ({ operators }, names) => names.reduce((sum, name) => sum + (operators[name] ?? 0), 0);
const all = (row) => spent(row, Object.keys(row.operators));

const profile = {
  ...network,
  what: nameOf,
  ...threads,
  ...Object.fromEntries(Object.entries(kinds).map(([kind, names]) => [kind, (row) => spent(row, names).toFixed(0)])),
  rest: (row) => (all(row) - spent(row, Object.values(kinds).flat())).toFixed(0),
  all: (row) => all(row).toFixed(0),
  "arithmetic alone": (row) => `${(row.flop / row.rate).toFixed(0)} (${percent(row.flop / row.rate / all(row))})`,
};

const analysis = {
  ...network,
  nodes: (row) => row.nodes,
  groups: (row) => row.groups,
  units: (row) => row.units,
  median: (row) => seconds(row.ms.ours),
  "first time": (row) => seconds(row.ms.first),
  aim: (row) => `${row.target} s`,
  memory: (row) => gigabytes(row.memory?.ours),
};

const latency = {
  ...network,
  ...threads,
  "rounded to": (row) => row.roundTo,
  MACs: (row) => percent(row.macs),
  latency: (row) => `${percent(row.latency)} (${row.ms.toFixed(2)} of ${row.whole.toFixed(2)} ms)`,
  "of MACs": (row) => times(row.latency / row.macs),
  memory: (row) => gigabytes(row.memory?.ours),
};

const tfjs = {
  ...network,
  ...threads,
  what: (row) => ({ infer: "inference", train: "training step" })[row.what],
  Secateur: (row) => `${rate(row.imagesPerSecond.ours)} images/s`,
  JavaScript: (row) => `${rate(row.imagesPerSecond.cpu)} (${times(row.ratios.cpu)})`,
  WebAssembly: (row) => `${rate(row.imagesPerSecond.wasm)} (${times(row.ratios.wasm)})`,
  memory: (row) => gigabytes(row.memory.ours),
  "of JavaScript's": (row) => times(row.memory.ours / row.memory.cpu),
  "of WebAssembly's": (row) => times(row.memory.ours / row.memory.wasm),
};

/** Some results have a row for each of the things that were measured in turns. */
const inner = (all) =>
  all.flatMap(({ rows, net, threads, ms, memory }) =>
    rows.map((row) => ({ net, threads, whole: ms?.whole, memory, ...row })),
  );

const forms = {
  score: (rows) => table(beside, rows),
  train: (rows) => table(training, rows),
  prune: (rows) => table(prune, rows),
  removal: (rows) => table(removal, rows),
  ablation: (rows) => table(ablation, inner(rows)),
  profile: (rows) => table(profile, inner(rows)),
  analysis: (rows) => table(analysis, rows),
  latency: (rows) => table(latency, inner(rows)),
  tfjs: (rows) => table(tfjs, inner(rows)),
};

/** A text with a table between its marks, `<!-- NAME -->` and `<!-- /NAME -->`. */
export function place(text, name, content) {
  const [from, to] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const start = text.indexOf(from);
  const end = text.indexOf(to);
  if (start < 0 || end < start) throw new Error(`docs/performance.md has no place for ${name}`);
  return `${text.slice(0, start + from.length)}\n\n${content}\n\n${text.slice(end)}`;
}

/** The page with the tables of some results. */
export function withTables(text, all) {
  const sorted = all.toSorted(
    (a, b) =>
      order.indexOf(a.net) - order.indexOf(b.net) || b.threads - a.threads || (a.workers ?? 1) - (b.workers ?? 1),
  );
  let page = text;
  const here = sorted.filter(({ device }) => device === undefined);
  for (const [what, form] of Object.entries(forms))
    page = place(page, what, form(here.filter((row) => row.what === what)));
  const others = sorted.filter(({ device }) => device !== undefined);
  return place(page, "device", table(elsewhere, others));
}

export const readAll = () =>
  readdirSync(results)
    .filter((name) => name.endsWith(".json"))
    .map((name) => JSON.parse(readFileSync(new URL(name, results), "utf8")));

export const writeTables = () => writeFileSync(page, withTables(readFileSync(page, "utf8"), readAll()));
