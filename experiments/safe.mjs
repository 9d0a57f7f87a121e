/**
 * Whether the defaults ruin nothing: nets are fine-tuned for an epoch without removal, and pruned to 80 and 50 % of their multiply-accumulates, with no option but the data;
 * beside it the same with learning rates and optimisers picked by hand.
 *
 * Usage: npm run experiment:safe -- --mnist data/mnist [--cifar10 data/cifar10] [--models DIR] [--nets a,b] [--cells finetune,0.8,0.5,rates] [--threads 1]
 *
 * Nets without weights are trained first, into .cache/safe. Those with weights, mnist-cntk.onnx and resnet20-cifar10.onnx and resnet56-cifar10.onnx, are looked for in --models, and left
 * out where it is not given. Rows are added one by one: a stopped run goes on, and runs of other nets or cells add to the same record. With --cells= the tables and the picture are made
 * of the rows that there are.
 */

import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { writePart } from "./lib/arrays.mjs";
import { draw } from "./lib/charts.mjs";
import { cache } from "./lib/cifar.mjs";
import { options } from "./lib/options.mjs";
import { openRecord } from "./lib/record.mjs";
import { nets, parts, trainedNet, trainingPart } from "./lib/safe-nets.mjs";
import { mean } from "./lib/statistics.mjs";

const flags = options(import.meta.url, {
  mnist: { type: "string" },
  cifar10: { type: "string", optional: true },
  models: { type: "string", optional: true },
  nets: { type: "string", default: nets.map(({ name }) => name).join(",") },
  cells: { type: "string", default: "finetune,rates,0.8,0.5" },
});
const chosen = flags.nets.split(",").map((name) => nets.find((net) => net.name === name) ?? name);
const cells = flags.cells.split(",").filter(Boolean);
const unknown = [
  ...chosen.filter((net) => typeof net === "string"),
  ...cells.filter((cell) => !["finetune", "rates", "0.8", "0.5"].includes(cell)),
];
if (unknown.length > 0) {
  console.error(`there is no ${unknown.join(" and no ")}; the nets are ${nets.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}
const choosing = ["nets", "cells", "mnist", "cifar10"];
const table = openRecord("safe", flags, { parts, trainingPart }, choosing);
const steps = openRecord("safe-rates", flags, { parts, trainingPart }, choosing);
const folder = `${cache}safe/`;
mkdirSync(folder, { recursive: true });
const main = new URL("../dist/cli/main.js", import.meta.url).pathname;
const shared = ["--seed", flags.seed, "--threads", flags.threads];

/** Runs a command that leaves a record, and reads it. One that ruined the model or missed the budget ends with 1. */
function run(command, model, argv) {
  const output = `${folder}work.onnx`;
  const began = performance.now();
  const { status } = spawnSync(
    process.execPath,
    [main, command, model, ...argv, ...shared, "-o", output, "--force", "--json"],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  if (status !== 0 && status !== 1) process.exit(status ?? 1);
  const read = (name) => readFileSync(`${folder}work.run/${name}`, "utf8");
  const events = read("events.jsonl").trimEnd().split("\n").map(JSON.parse);
  return { ...JSON.parse(read("summary.json")), events, minutes: (performance.now() - began) / 60_000 };
}

const rateOf = (events, phase) => events.find((event) => event.kind === "rate" && event.phase === phase);
const isRuined = (events) => events.some(({ kind }) => kind === "diverged");

/** The model of a net, and the options that its data takes. */
async function open(net) {
  const { name, data, isLarge, pixels, file } = net;
  const spec = flags[data] && `${data}:${flags[data]}`;
  if (spec === undefined || (file && flags.models === undefined)) {
    console.log(`${name} is left out: it takes ${file ? "--models and " : ""}--${data}`);
    return undefined;
  }
  const [train, { test }] = [isLarge ? parts.ofLarge : parts.train, parts];
  const arrays = `${folder}${data}-${train}-${test}`;
  await writePart(spec, arrays, { train, test });
  const given = ["--data", `npz:${arrays}`, ...pixels];
  if (file) return { model: `${flags.models}/${file}`, given };
  return { model: await trainedNet(net, spec, folder, flags), given };
}

/** What the rates that are found are compared with. */
const higher = { "ten times as high": 10, "a hundred times as high": 100 };

/** Rates while pruning are lower: they do not fall. */
const whilePruning = (rate) => String(Number((Number(rate) / 3).toPrecision(1)));

/** The ways in which a cell is tried: with no option, and with each that is picked by hand. */
function waysOf(cell, { hand }) {
  const picked = (cell === "finetune" ? ["sgd", "adamw"] : [hand.prune]).flatMap((optimiser) =>
    // Two of them are enough of what takes longest.
    hand[optimiser].slice(0, cell === "finetune" ? 3 : 2).map((rate) => ({
      how: "by hand",
      optimiser,
      rate: Number(rate),
      argv: ["--optimiser", optimiser, "--learning-rate", rate].concat(
        cell === "finetune" ? [] : ["--prune-learning-rate", whilePruning(rate)],
      ),
    })),
  );
  return [{ how: "default", argv: [] }, ...picked];
}

for (const net of chosen) {
  const opened = cells.length > 0 && (await open(net));
  if (!opened) continue;
  const { model, given } = opened;
  for (const cell of cells.filter((one) => one !== "rates"))
    for (const { how, argv, ...told } of waysOf(cell, net)) {
      if (table.find({ net: net.name, cell, how, ...told })) continue;
      const isPruning = cell !== "finetune";
      const task = isPruning ? ["prune", ["--macs", cell]] : ["finetune", ["--epochs", "1"]];
      const done = run(task[0], model, [...given, ...task[1], ...argv]);
      const { before, after, events, minutes } = done;
      const [start, end] = isPruning ? [before.evaluation, after.evaluation] : [before, after];
      const found = rateOf(events, "finetune");
      table.add({
        net: net.name,
        cell,
        how,
        ...(how === "default" && { found: found?.learningRate, foundPruning: rateOf(events, "prune")?.learningRate }),
        ...told,
        before: start.top1,
        after: end.top1,
        lossBefore: start.loss,
        lossAfter: end.loss,
        ...(isPruning && { macs: after.costs.macs / before.costs.macs, removals: done.removals, end: done.end }),
        ...(isRuined(events) && { ruined: true }),
        minutes,
        version: table.version,
      });
    }
  // Only nets without BatchNormalization: their losses are the steepest.
  if (cells.includes("rates") && ["squeezenet-half", "vgg11-plain"].includes(net.name))
    for (const batch of [16, 128])
      for (const optimiser of ["sgd", "adamw"]) {
        const fields = { net: net.name, batch, optimiser };
        const learn = ["--epochs", "1", "--batch-size", batch, "--optimiser", optimiser];
        const add = (how, { events, before, after, minutes }, rate, minibatches) =>
          steps.add({
            ...fields,
            how,
            rate,
            minibatches,
            before: before.top1,
            after: after.top1,
            ...(isRuined(events) && { ruined: true }),
            minutes,
            version: steps.version,
            losses: events.filter(({ kind }) => kind === "step").map(({ loss }) => Number(loss.toPrecision(4))),
          });
        if (!steps.find({ ...fields, how: "found" })) {
          const done = run("finetune", model, [...given, ...learn]);
          const { learningRate, minibatches } = rateOf(done.events, "finetune");
          add("found", done, learningRate, minibatches);
        }
        const { rate: found } = steps.find({ ...fields, how: "found" });
        for (const [how, factor] of Object.entries(higher)) {
          if (steps.find({ ...fields, how })) continue;
          const rate = Number((found * factor).toPrecision(1));
          add(how, run("finetune", model, [...given, ...learn, "--learning-rate", rate]), rate);
        }
      }
}

const percent = (share) => (share * 100).toFixed(1);

/** A row of the table for each net and cell: defaults beside the best that was picked by hand. */
function summary() {
  const lines = [
    "| net | what | before | after, defaults | after, best by hand | picked | rate found |",
    "| --- | --- | --- | --- | --- | --- | --- |",
  ];
  for (const { name } of nets)
    for (const cell of ["finetune", "0.8", "0.5"]) {
      const rows = table.rows.filter((row) => row.net === name && row.cell === cell);
      const own = rows.find(({ how }) => how === "default");
      const picked = rows.filter(({ how, ruined }) => how !== "default" && !ruined);
      if (!own) continue;
      const best = picked.reduce((one, other) => (other.after > (one?.after ?? 0) ? other : one), undefined);
      const what = cell === "finetune" ? "one epoch" : `\`--macs ${cell}\``;
      const isShort = best !== undefined && own.after < best.after - 0.02;
      const found = [own.foundPruning, own.found].filter((rate) => rate !== undefined).join(", then ");
      const shown = [percent(own.before), isShort ? `**${percent(own.after)}**` : percent(own.after)];
      shown.push(...(best ? [percent(best.after), `${best.optimiser} ${best.rate}`] : ["not run", ""]));
      lines.push(`| ${[name, what, ...shown, found].join(" | ")} |`);
    }
  return lines.join("\n");
}

console.log(summary());

/** A row for each net, batch and optimiser: what the rate that is found comes to, and higher ones. */
function ratesSummary() {
  const titles = ["net", "batch", "optimiser", "rate found", "before", "after", ...Object.keys(higher)];
  const lines = [titles, titles.map(() => "---")].map((cells) => `| ${cells.join(" | ")} |`);
  for (const { net, batch, optimiser, rate, before, after } of steps.rows.filter(({ how }) => how === "found")) {
    const others = Object.keys(higher).map((how) => {
      const row = steps.rows.find(
        (one) => one.net === net && one.batch === batch && one.optimiser === optimiser && one.how === how,
      );
      return !row ? "" : row.ruined ? `undone after ${row.losses.length} steps` : percent(row.after);
    });
    lines.push(`| ${[net, batch, optimiser, rate, percent(before), percent(after), ...others].join(" | ")} |`);
  }
  return lines.join("\n");
}
console.log(ratesSummary());

/** Minibatches are easy and hard: each point is the mean of so many before it. */
const averaged = 8;
const shown = steps.rows.flatMap(({ net, batch, optimiser, how, losses }) =>
  losses.map((_loss, i) => ({
    of: `${net}, batch ${batch}, ${optimiser === "sgd" ? "SGD" : "AdamW"}`,
    how: how === "found" ? "as found" : how,
    step: i + 1,
    loss: Math.max(1e-3, mean(losses.slice(Math.max(0, i + 1 - averaged), i + 1))),
  })),
);
await draw(steps.path("svg"), {
  title: {
    text: "Nets without BatchNormalization: the loss by step, at the rate that is found and above it",
    subtitle: `one epoch of fine-tuning on ${parts.train} digits, means of ${averaged} steps; where a line ends early, learning did harm and was undone`,
  },
  data: { values: shown },
  facet: { field: "of", type: "nominal", title: null, sort: null },
  columns: 4,
  resolve: { scale: { x: "independent" } },
  spec: {
    width: 190,
    height: 150,
    mark: { type: "line", strokeWidth: 1.5, clip: true },
    encoding: {
      x: { field: "step", type: "quantitative", title: "step" },
      y: { field: "loss", type: "quantitative", title: "loss", scale: { type: "log", domain: [0.005, 20] } },
      color: {
        field: "how",
        type: "nominal",
        title: "learning rate",
        sort: null,
        scale: { range: ["#4e79a7", "#f28e2b", "#e15759"] },
      },
    },
  },
});
