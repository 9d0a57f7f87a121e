/** The tables of the documentation, and what their data makes of them. */

import { csv, json, millions, points, rowsOf, share, whole } from "./page.mjs";

const round = (digits) => (x) => (x === "" || x === undefined ? "" : Number(x).toFixed(digits));
const three = round(3);
const by = (key) => (value) => (row) => String(row[key]) === String(value);

const resultOf = ({ criterion, top1, loss, macs, params, before, after, removals, removed = removals ?? "" }) => [
  criterion ?? "unpruned",
  share(top1),
  loss.toFixed(4),
  millions(macs ?? after?.macs ?? before.macs),
  whole(params ?? after?.params ?? before.params),
  String(removed),
];

/** Of a run of ResNet-20 the first row is the net as it was; what it costs stands with the others. */
function resnet20(file) {
  const { rows } = json(`docs/results/${file}.json`);
  const [{ before = { macs: 40551040, params: 269722 } }] = rows.slice(1);
  return rows.map((row) => resultOf({ before, ...row }));
}

function resnet56() {
  const { rows, unpruned } = json("docs/results/resnet56.json");
  const [{ before }] = rows;
  const first = ["unpruned", "", share(unpruned), "", millions(before.macs), whole(before.params)];
  const others = rows.map(({ criterion, epochs, how = "", after = rows[0].after, top1, loss }) => [
    criterion,
    how.startsWith("the model of the first row") ? "4 + 5" : String(epochs),
    share(top1),
    loss.toFixed(4),
    millions(after.macs),
    whole(after.params),
  ]);
  return [first, ...others];
}

const correlations = csv("docs/results/correlation-resnet20.csv")
  .filter(({ gates }) => gates !== "after-activation")
  .map((row) => [
    row.criterion,
    row.gates,
    ...["pearson", "spearman", "kendall", "layerPearson", "layerSpearman", "layerKendall"].map((key) =>
      three(row[key]),
    ),
  ]);

const depths = ["resnet20", "lenet3"].flatMap((net) =>
  csv(`docs/results/depth-${net}.csv`).map((row) => [
    { resnet20: "ResNet-20", lenet3: "LeNet3" }[net],
    row.depth,
    ...["taylor-fo", "taylor-fo-fg", "taylor-so-diag", "taylor-so", "magnitude"].map((key) => three(row[key])),
    share(row.rising, 0),
  ]),
);

const subsets = csv("docs/results/lenet3.csv")
  .filter(by("what")("subsets"))
  .map((row) => [
    row.removed,
    ...["combinatorial", "greedy"].map((key) => three(row[key])),
    Number(row.greedyPlace) === 0 ? "0" : share(row.greedyPlace, 1),
    ...["oracle, one shot", "taylor-fo-fg", "taylor-so-diag", "magnitude", "taylor-fo", "mean"].map((key) =>
      three(row[key]),
    ),
  ]);

const averaging = csv("docs/results/averaging.csv");
const aggregated = averaging
  .filter(({ what }) => what !== "loop")
  .map((row) => [
    row.what === "batch size"
      ? `the same 1,024 images in batches of ${row.batchSize}`
      : `${row.batches} minibatch${row.batches === "1" ? "" : "es"} of 32 other images`,
    ...["taylor-fo", "taylor-fo-fg", "taylor-2016"].map((key) => three(row[key])),
  ]);
const loops = averaging
  .filter(by("criterion")("taylor-fo"))
  .map(({ every, unitsPerStep, momentum, minibatches, top1 }) => {
    const other = averaging.find(
      (row) =>
        row.criterion === "taylor-fo-fg" &&
        row.every === every &&
        row.unitsPerStep === unitsPerStep &&
        row.momentum === momentum,
    );
    return [every, unitsPerStep, momentum, minibatches, share(top1), share(other.top1)];
  });

/** Removal: three tables beside each other, read column by column. */
const removed = csv("docs/results/removal.csv")
  .filter(({ removedAtLimit }) => removedAtLimit !== "")
  .map(({ criterion, removedAtLimit }) => `${criterion} ${Math.round(Number(removedAtLimit))}`)
  .sort();

const normalisations = ["none", "mean", "max", "sum", "standardised", "lamp", "loss"];
function oneshot() {
  const rows = csv("docs/results/oneshot-resnet20.csv").slice(1);
  const cell = (criterion, normalise) => {
    const of = (per) =>
      rows.find((row) => row.criterion === criterion && row.normalise === normalise && row.per === per);
    return of("unit") ? `${points(of("unit").top1, 1)} / ${points(of("macs").top1, 1)}` : "";
  };
  const criteria = [...new Set(rows.map(({ criterion }) => criterion))];
  return criteria.map((criterion) => [criterion, ...normalisations.map((each) => cell(criterion, each))]).sort();
}

/** Top-1 of the seeds, their mean, and what parameters are left. */
function seeds(file, budgets) {
  const rows = csv(`docs/results/${file}.csv`).slice(1);
  return ["taylor-fo", "taylor-fo-fg", "magnitude", "random"].map((criterion) => [
    criterion,
    ...budgets.flatMap((budget) => {
      const of = rows
        .filter((row) => row.criterion === criterion && row.budget === budget)
        .toSorted((a, b) => a.seed - b.seed);
      const top1 = of.map((row) => Number(row.top1));
      const left = of.map(({ params }) => Number(params).toFixed(2)).sort();
      return [
        `${top1.map((x) => points(x)).join(", ")} %`,
        share(top1.reduce((a, b) => a + b) / top1.length),
        left[0] === left.at(-1) ? left[0] : `${left[0]} to ${left.at(-1)}`,
      ];
    }),
  ]);
}

const rankings = {
  "taylor-fo": "taylor-fo (default)",
  "taylor-fo+loss": "taylor-fo, loss",
  "taylor-fo+mean": "taylor-fo, mean",
  "taylor-fo+max": "taylor-fo, max",
  "taylor-fo+sum": "taylor-fo, sum",
  "taylor-fo+standardised": "taylor-fo, standardised",
  "taylor-fo+unit": "taylor-fo, per unit",
  "magnitude+max+unit": "magnitude, max per unit",
  magnitude: "magnitude",
  random: "random",
};
/** Of each ranking that was measured the mean of its seeds, and from where to where they go. */
function labels() {
  const rows = csv("docs/results/curves-resnet20-labels.csv");
  return Object.entries(rankings).flatMap(([criterion, name]) => {
    const own = rows.filter((row) => row.criterion === criterion);
    if (own.length === 0) return [];
    const cells = ["0.5", "0.25", "0.125"].map((budget) => {
      const top1 = own.filter((row) => row.budget === budget).map((row) => Number(row.top1));
      if (top1.length === 0) return "";
      const mean = share(top1.reduce((a, b) => a + b) / top1.length);
      return top1.length === 1 ? mean : `${mean} (${points(Math.min(...top1))} to ${points(Math.max(...top1))})`;
    });
    return [[name, String(new Set(own.map(({ seed }) => seed)).size), ...cells]];
  });
}

/** Of every cell the default, beside the best by hand. */
function safe() {
  const { rows } = json("docs/results/safe.json");
  const names = { finetune: "one epoch", 0.8: "`--macs 0.8`", 0.5: "`--macs 0.5`" };
  return rows
    .filter(by("how")("default"))
    .map((row) => {
      const hand = rows.filter(({ net, cell, how }) => net === row.net && cell === row.cell && how === "by hand");
      const best = hand.toSorted((a, b) => b.after - a.after)[0];
      const found = [row.foundPruning, row.found].filter((rate) => rate !== undefined).map(decimal);
      const after = best ? points(best.after, 1) : "not run";
      const picked = best ? `${best.optimiser} ${decimal(best.rate)}` : "";
      return [
        row.net,
        names[row.cell],
        points(row.before, 1),
        points(row.after, 1),
        after,
        picked,
        found.join(", then "),
      ];
    })
    .sort();
}
const decimal = (x) => Number(x).toFixed(7).replace(/0+$/, "");

function rates() {
  const { rows } = json("docs/results/safe-rates.json");
  const cell = ({ ruined, after, losses }) =>
    ruined ? `undone after ${ruined === true ? losses.length : ruined} steps` : points(after, 1);
  return rows
    .filter(by("how")("found"))
    .map((row) => {
      const other = (how) =>
        rows.find(
          (one) => one.net === row.net && one.batch === row.batch && one.optimiser === row.optimiser && one.how === how,
        );
      const [ten, hundred] = ["ten times as high", "a hundred times as high"].map(other);
      return [
        row.net,
        String(row.batch),
        row.optimiser,
        decimal(row.rate),
        points(row.before, 1),
        points(row.after, 1),
        cell(ten),
        cell(hundred),
      ];
    })
    .sort();
}

/** Rankings without labels: agreement with the oracle, criteria beside each other. */
function draws() {
  const rows = csv("docs/results/draws.csv");
  const criteria = ["taylor-fo-fg:sampled", "taylor-fo:sampled", "magnitude", "activation-mean", "random"];
  return [...new Set(rows.map(({ net }) => net))].map((net) => {
    const own = rows.filter(by("net")(net));
    const of = (criterion) => Number(own.find((row) => row.criterion === criterion).spearman).toFixed(2);
    return [net, own[0].units, ...criteria.map(of)];
  });
}

/** How the value of a metric is told. */
const told = ({ metric, value, agreement }) =>
  ["psnr", "perplexity", "loss"].includes(metric) ? Number(value).toFixed(2) : points(value ?? agreement, 1);

/** Nets of other tasks: whole, cut at once, and pruned with fine-tuning, by three rankings. */
function tasks() {
  const { rows } = json("docs/results/tasks.json");
  return [...new Set(rows.map(({ net }) => net))].map((net) => {
    const own = rows.filter(by("net")(net));
    const of = (how, criterion) => {
      const row = own.find((one) => one.how === how && one.criterion === criterion);
      return row === undefined ? "not run" : row.end === "diverged" ? "stopped" : told(row);
    };
    const cells = ["cut", "pruned"].flatMap((how) =>
      ["default", "magnitude", "random"].map((criterion) => of(how, criterion)),
    );
    return [net, of("dense", ""), ...cells];
  });
}

const rowsBy = (page, ...heads) => rowsOf(page, ...heads).toSorted();

/** What a page says, and what the data says. */
export const tables = {
  "docs/results.md, distillation": () => [rowsOf("docs/results.md", "criterion", "top-1"), resnet20("resnet20")],
  "docs/paper.md, correlation": () => [rowsOf("docs/paper.md", "criterion", "gates"), correlations],
  "docs/paper.md, expansion": () => [rowsOf("docs/paper.md", "net", "ε"), depths],
  "docs/paper.md, removal": () => [
    rowsOf("docs/paper.md", "criterion", "units")
      .flatMap((row) => [row.slice(0, 2), row.slice(2, 4), row.slice(4, 6)].map((pair) => pair.join(" ").trim()))
      .filter((pair) => pair !== "")
      .sort(),
    removed,
  ],
  "docs/paper.md, subsets": () => [rowsOf("docs/paper.md", "removed", "best subset"), subsets],
  "docs/paper.md, averaging": () => [rowsOf("docs/paper.md", "what", "taylor-fo"), aggregated],
  "docs/paper.md, loop": () => [rowsOf("docs/paper.md", "minibatches between removals"), loops],
  "docs/paper.md, one removal": () => [rowsBy("docs/paper.md", "criterion", "`none`"), oneshot()],
  "docs/paper.md, ResNet-56": () => [rowsOf("docs/paper.md", "criterion", "epochs"), resnet56()],
  "docs/paper.md, curves of ResNet-20": () => [
    rowsOf("docs/paper.md", "criterion", "0.5 of the multiply-accumulates"),
    seeds("curves-resnet20", ["0.5", "0.7"]),
  ],
  "docs/paper.md, curves of ResNet-56": () => [
    rowsOf("docs/paper.md", "criterion", "seeds 0, 1, 2"),
    seeds("curves-resnet56", ["0.5"]),
  ],
  "docs/paper.md, labels alone": () => [rowsOf("docs/paper.md", "ranking", "seeds"), labels()],
  "docs/safe-defaults.md, cells": () => [rowsBy("docs/safe-defaults.md", "net", "what"), safe()],
  "docs/tasks.md, draws": () => [rowsOf("docs/tasks.md", "network", "units"), draws()],
  "docs/tasks.md, nets": () => [rowsOf("docs/tasks.md", "network", "whole"), tasks()],
  "docs/safe-defaults.md, rates": () => [rowsBy("docs/safe-defaults.md", "net", "batch"), rates()],
};
