/**
 * What README.md and the guides say in figures, made of the data that each figure comes from. A figure with a unit that stands in none of these
 * phrases fails the test, and so does a phrase that its page lacks: change both, or run again what the data is of.
 */

import { execFileSync } from "node:child_process";
import { table, widths } from "../../../scripts/demo/show.mjs";
import { csv, json, millions, points, share } from "./page.mjs";

const row = (file, criterion, more = () => true) =>
  json(`docs/results/${file}.json`).rows.find((one) => one.criterion === criterion && more(one));
const bench = (name) => json(`bench/results/${name}.json`);

const small = row("resnet20", "taylor-fo-fg");
const large = row("resnet56", "taylor-fo-fg", ({ epochs }) => epochs === 20);
const unpruned = { small: row("resnet20", null).top1, large: json("docs/results/resnet56.json").unpruned };
const kept = ({ before, after }) => (after.macs / before.macs).toFixed(2);

const { demo, maxDrop, compare } = json("docs/results/demo.json");
const quality = demo.data.quality.map(({ top1 }) => share(top1));

const defaults = (net) => {
  const one = json("docs/results/safe.json").rows.find(
    ({ net: name, cell, how }) => name === net && String(cell) === "0.5" && how === "default",
  );
  return `0.5 of its multiply-accumulates, defaults | ${share(one.before, 1)} | ${share(one.after, 1)} |`;
};

const [plain, held] = json("docs/results/features.json").rows;

// The rows of the simulation are what it prints.
const simulation = new URL("../../../experiments/distribute-simulation.mjs", import.meta.url).pathname;
const simulated = execFileSync(process.execPath, [simulation], { encoding: "utf8" })
  .split("\n")
  .filter((line) => line.includes("bit/s"));
const rounds = json("docs/results/queue.json").rows.map(({ seconds }) => seconds);
const both = (list, digits) => list.map((x) => x.toFixed(digits)).join(" and ");

const latency = (name, roundTo) => bench(name).rows.find((one) => one.roundTo === roundTo).latency;
const ofTime = (name, roundTo) => share(latency(name, roundTo), 0);

const nets = ["resnet56", "resnet18", "resnet50", "mobilenet_v2", "vgg11_bn"];
const scoring = [...nets.map((net) => `${net}-score-t2`), "resnet56-score-t1", "resnet18-score-t1"].map(bench);
const learning = ["resnet56", "resnet18", "resnet50", "mobilenet_v2", "vgg11_bn"].map((net) =>
  bench(`${net}-train-t2-w2`),
);
const range = (values, digits, unit) =>
  `${Math.min(...values).toFixed(digits)} to ${Math.max(...values).toFixed(digits)}${unit}`;
const ratios = (rows) => rows.map(({ ratio }) => ratio);

const written = json("docs/zoo-written.json").rows;
const exported = written.filter(({ errors }) => errors.export === undefined);
const ran = exported.filter(({ errors }) => Object.keys(errors).length === 0);

const curves = csv("docs/results/curves-resnet20.csv");
const mean = (criterion) => {
  const of = curves.filter((one) => one.criterion === criterion && one.budget === "0.5");
  return of.reduce((sum, { top1 }) => sum + Number(top1), 0) / of.length;
};
const atLimit = (criterion) =>
  Math.round(csv("docs/results/removal.csv").find((one) => one.criterion === criterion).removedAtLimit);
const averaged = csv("docs/results/averaging.csv");
const rho = (count) => Number(averaged.find(({ batches }) => batches === String(count))["taylor-fo-fg"]).toFixed(2);

const spread = json("docs/results/local-sgd-resnet20.json").rows;
const ofMachines = (run, figure) => spread.filter((one) => one.run === run).map((one) => one[figure]);
const meanOf = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const behind = (run) => points(meanOf(ofMachines("1", "top1")) - meanOf(ofMachines(run, "top1")));
const machinesRow = (name, run) => {
  const [top1, pruned] = ["top1", "pruned"].map((figure) => ofMachines(run, figure));
  const seeds = `${top1.length}`;
  const within =
    top1.length === 1
      ? ""
      : ` (${range(
          top1.map((one) => 100 * one),
          2,
          "",
        )})`;
  return `| ${name} | ${seeds} | ${share(meanOf(top1))}${within} | ${share(meanOf(pruned))} |`;
};

const swept = json("docs/results/sweep-lenet.json").rows;
const byQueue = swept.find(({ run }) => run === "queue");
const sweptRow = (name, macs) => {
  const of = (criterion) =>
    swept.filter((one) => one["--macs"] === macs && one["--criterion"] === criterion).map(({ after }) => after);
  const shown = (criterion) =>
    `${both(
      of(criterion).map((x) => 100 * x),
      2,
    )} %`;
  return `| ${name} | ${shown("taylor-fo")} | ${shown("magnitude")} |`;
};

const studio = json("bench/results/studio.json");

/** Sentences and rows of tables, by their pages. */
export const claims = {
  "README.md": [
    `fine-tuned for five epochs: ${share(small.top1)} of the test images are right, instead of ${share(unpruned.small)}`,
    `the two networks know ${share(demo.onTestDigits[0])} and ${share(demo.onTestDigits[1])}`,
    `| ${kept(large)} of its multiply-accumulates, 20 epochs | ${share(unpruned.large)} | ${share(large.top1)} |`,
    `| ${kept(small)} of its multiply-accumulates, 5 epochs | ${share(unpruned.small)} | ${share(small.top1)} |`,
    `| ${kept(demo)} of its multiply-accumulates, 3 epochs | ${quality.join(" | ")} |`,
    `${kept({ before: maxDrop.before.costs, after: maxDrop.after.costs })} of its multiply-accumulates, 1 epoch | ` +
      `${share(maxDrop.before.evaluation.top1)} | ${share(maxDrop.after.evaluation.top1)} |`,
    `small MobileNet, 2,048 digits | ${defaults("mobilenet-small")}`,
    `small vision transformer, 2,048 digits | ${defaults("vit-small")}`,
    `ResNet-50 at half of its multiply-accumulates, widths rounded | ${ofTime("resnet50-latency-t2", 16)} of the whole`,
    `MobileNetV2 at half of them, widths rounded | ${ofTime("mobilenet_v2-latency-t2", 16)} of the whole`,
    `the same, widths as they come | ${ofTime("mobilenet_v2-latency-t2", 1)} of the whole`,
    `importance of all neurons, in images per second | ${range(ratios(scoring), 1, " times PyTorch 1.13")}`,
    `a worker for each core, in images per second | ${range(ratios(learning), 1, " times PyTorch 1.13")}`,
    `${ran.length} of ${exported.length} files`,
  ],
  "docs/guide/criterion.md": [
    `magnitude was ${points(mean("taylor-fo") - mean("magnitude"))} points behind the default`,
  ],
  "docs/guide/data.md": [
    `ranks by 256 images have a correlation of ${rho(8)} with the oracle, by 1,024 images ${rho(32)}`,
  ],
  "docs/guide/detector.md": [
    `ResNet-20 keeps ${share(held.agreement)} of the original's answers, without it ${share(plain.agreement)}, and top-1 is ` +
      `${share(held.top1)} and ${share(plain.top1)}`,
    `fell from ${plain.divergence.toFixed(3)} to ${held.divergence.toFixed(3)}`,
  ],
  "docs/guide/many-machines.md": [
    ...simulated,
    "The same where a minibatch takes 100 times as long",
    `${both(
      rounds.map(({ queue }) => queue),
      1,
    )} seconds, to the same bytes`,
    `${both(
      rounds.map(({ oneProcess }) => oneProcess),
      1,
    )}, so that the queue comes to`,
    `${both(
      rounds.map(({ oneProcess, queue }) => oneProcess / queue),
      2,
    )} of its speed`,
    `two machines are ${behind("2/10x1.4142")} points behind one, and four ${behind("4/10x2")} points`,
    machinesRow("1", "1"),
    machinesRow("2, rates times 1.41", "2/10x1.4142"),
    machinesRow("4, rates times 2", "4/10x2"),
    machinesRow("2, rates as they are", "2/10"),
    machinesRow("4, rates as they are", "4/10"),
  ],
  "docs/guide/sweep.md": [
    `LeNet-5 knows ${share(swept[0].before)} of 2,000 digits`,
    `All ${byQueue.same} rows and all ${swept.filter(({ sameByQueue }) => sameByQueue).length} models are the same`,
    sweptRow("half", 0.5),
    sweptRow("0.3 of them", 0.3),
    sweptRow("0.15 of them", 0.15),
  ],
  "docs/guide/when-not.md": [
    `MobileNetV2 at half of its multiply-accumulates takes ${ofTime("mobilenet_v2-latency-t2", 1)} of its time with widths as they come, ` +
      `and ${ofTime("mobilenet_v2-latency-t2", 16)} with widths rounded to 16. ` +
      `On one thread it is ${ofTime("mobilenet_v2-latency-t1", 1)} and ${ofTime("mobilenet_v2-latency-t1", 16)}`,
    `of the 252 units of LeNet3, ${atLimit("magnitude")} could go by magnitude before the training loss passed 1.0, ` +
      `and ${atLimit("taylor-fo-fg")} by taylor-fo-fg`,
  ],
  "docs/performance.md": [
    `ResNet-50 is drawn ${studio.open.median} ms after it is dropped`,
    `in ${Math.min(...studio.figures.ms)} to ${Math.max(...studio.figures.ms)} ms`,
    `importance takes ${studio.score.ratio.toFixed(1)} times as long as in Node`,
    `learning ${studio.learn.ratio.toFixed(1)} times`,
    `${range(ratios(scoring), 2, " times as many images per second")}, in ${range(
      scoring.map(({ memoryRatio }) => memoryRatio),
      2,
      " of the memory",
    )}`,
    `${range(ratios(learning), 2, " times as many images per second")}`,
    `takes ${ofTime("mobilenet_v2-latency-t2", 16)} of its time with widths rounded to 16, and ${ofTime("mobilenet_v2-latency-t2", 1)} with widths as they come`,
    `scored at ${bench("resnet56-score-cuda").ratio.toFixed(2)} times PyTorch's rate, and trained at ${bench("resnet56-train-cuda").ratio.toFixed(2)} times`,
  ],
};

const interval = ({ low, high }, show) => `${show(low)} to ${show(high)}`;
const two = (x) => x.toFixed(2);
const thousands = (n) => (n < 1e6 ? `${(n / 1e3).toFixed(2)} k` : millions(n));
const cost = (name, before, after) => `${name} ${thousands(before)} ${thousands(after)} ${(after / before).toFixed(3)}`;
const measured = (metric) => (value) =>
  `${share(value[metric])} (${interval(value.intervals[metric], (x) => points(x))} %)`;
const lost = ({ drop, dropInterval }) =>
  `${two(-drop)} points (${interval({ low: -dropInterval.high, high: -dropInterval.low }, two)})`;
const search = ({ costs: { macs }, removals, drop, dropInterval }) =>
  `the model of ${share(macs / maxDrop.before.costs.macs)} of the MACs (${removals} removals) ` +
  `loses ${Number(two(drop))} points of top-1 (${interval(dropInterval, (x) => String(Number(two(x))))})`;

/** What README.md shows that was printed, by what its command has. */
export const prints = {
  "--macs 0.33 --round-to auto": [table(demo), widths(demo)],
  "--max-drop 1 --epochs": [
    ...maxDrop.tries.map(search),
    ...["params", "macs", "bytes"].map((key) => cost(key, maxDrop.before.costs[key], maxDrop.after.costs[key])),
    `top-1 ${[maxDrop.before, maxDrop.after].map(({ evaluation }) => measured("top1")(evaluation)).join(" ")} ${lost(maxDrop)}`,
  ],
  "npx secateur compare": [
    `top-1 ${compare.data.quality.map(measured("top1")).join(" ")} ${lost(compare.data)}`,
    `the second model loses ${compare.data.drop.toFixed(1)} points of top-1 (${interval(compare.data.dropInterval, two)})`,
  ],
};

/** Figures that nothing measured: what somebody asks for, or takes as an example. */
export const unmeasured = {
  "README.md": ["Intervals hold with 95 % confidence"],
  "docs/guide/cnn.md": ["images of 32 x 32 pixels"],
};
