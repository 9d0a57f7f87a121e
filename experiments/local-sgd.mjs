/**
 * Pruning and fine-tuning by several machines that average what they have learned now and then (local SGD): test accuracy against that of one machine after the same number of samples.
 *
 * Usage: npm run experiment:local-sgd -- --model resnet20-cifar10.onnx --data data/cifar10 [--net resnet20] [--runs 1,2/10,4/10,4/10x2,4/10+outer] [--seeds 0]
 *        [--images 50000] [--epochs 2] [--batch 128] [--budget 0.5] [--share 0.02] [--quick] [--threads 1]
 *
 * A run is a number of machines, behind / the minibatches of each between two averagings while fine-tuning, behind x what all learning rates are multiplied by, behind w the steps of fine-tuning
 * over which the rate rises at first, and behind + the outer step of DiLoCo instead of the mean. While pruning all machines average before each removal. The machines are workers of this process,
 * one after the other with --threads 1. Only training data is used until the end; the test set is looked at once for each model. A stopped run goes on where it was, and other runs add their rows.
 */

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import {
  absoluteBudget,
  analyse,
  criteria,
  evaluateGraph,
  finetuneGraph,
  machinesHere,
  prepare,
  pruneLoop,
  readModelFile,
} from "../dist/graphs-node.js";
import { decodeCheckpoint, encodeCheckpoint } from "../dist/loop/checkpoint.js";
import { nodeRuntime, take } from "../dist/node.js";
import { cache, cifar10 } from "./lib/cifar.mjs";
import { options } from "./lib/options.mjs";
import { openRecord } from "./lib/record.mjs";

const flags = options(import.meta.url, {
  model: { type: "string" },
  data: { type: "string" },
  net: { type: "string", default: "resnet20" },
  runs: { type: "string", default: "1,2/10,4/10,4/10x2,4/10+outer" },
  seeds: { type: "string", default: "0" },
  images: { type: "string", default: "50000" },
  epochs: { type: "string", default: "2" },
  batch: { type: "string", default: "128" },
  budget: { type: "string", default: "0.5" },
  share: { type: "string", default: "0.02" },
});
const [images, epochs, batchSize, budget, share] = (
  flags.quick ? [640, 1, 32, 0.7, 0.1] : [flags.images, flags.epochs, flags.batch, flags.budget, flags.share]
).map(Number);
const settings = { pruneLearningRate: 0.01, learningRate: 0.03, weightDecay: 0.0005, crop: 4, flip: true, every: 10 };
const outer = { outerRate: 0.7, outerMomentum: 0.9 };
const record = openRecord(`local-sgd-${flags.net}`, flags, settings, ["runs", "seeds"]);
const data = await cifar10(flags.data);
const train = take(data.train, images);
const start = prepare(await readModelFile(flags.model));
const before = analyse(start).costs;
const shared = { loss: "cross-entropy", batchSize, threads: Number(flags.threads) };
mkdirSync(cache, { recursive: true });

const evaluate = async (graph) =>
  evaluateGraph(nodeRuntime, graph, flags.quick ? take(data.test, 400) : data.test, { ...shared, batchSize: 200 });

if (!record.find({ run: "unpruned" })) {
  const { top1, loss } = await evaluate(start);
  record.add({ run: "unpruned", top1, testLoss: loss });
}

/** What a word such as 4/20x2w50+outer asks for. */
function runOf(word) {
  const [, machines, every = "10", times = "1", warmUp = "0", step] =
    /^(\d+)(?:\/(\d+))?(?:x([\d.]+))?(?:w(\d+))?(\+outer)?$/.exec(word) ?? [];
  if (machines === undefined) throw new Error(`"${word}" is no run`);
  return {
    machines: Number(machines),
    averageEvery: Number(every),
    times: Number(times),
    warmUp: Number(warmUp),
    outer: step !== undefined,
  };
}

/** Checkpoints of a phase in a file, which is gone when the phase has ended. */
function checkpointsOf(name) {
  const path = `${cache}${name}.safetensors`;
  return {
    from: existsSync(path) ? decodeCheckpoint(readFileSync(path), start, path) : undefined,
    save(checkpoint) {
      writeFileSync(`${path}.part`, Buffer.concat(encodeCheckpoint({ note: {}, ...checkpoint })));
      renameSync(`${path}.part`, path);
    },
    end: () => rmSync(path, { force: true }),
  };
}

async function measure(word, seed) {
  const { machines, averageEvery, times, warmUp, outer: steps } = runOf(word);
  const own = { ...shared, seed, augment: { crop: settings.crop, flip: settings.flip } };
  const spread = {
    machines: machinesHere(nodeRuntime, machines, { threads: shared.threads }),
    averageEvery,
    ...(steps && outer),
  };
  const learning = { ...own, optimiser: { kind: "sgd", momentum: 0.9, weightDecay: settings.weightDecay }, spread };
  const checkpoints = checkpointsOf(`${flags.net}-${images}-${batchSize}-${word.replace("/", "-")}-${seed}`);
  const { pruned, note, point, graph } = await pruneOrFind(checkpoints, learning, settings.pruneLearningRate * times);
  let [last, isRuined] = [performance.now(), false];
  const tuned = await finetuneGraph(nodeRuntime, graph, train, {
    ...learning,
    epochs,
    firstEpoch: 1_000_000,
    learningRate: settings.learningRate * times,
    warmUp,
    from: point,
    onPoint: async (takePoint) => {
      if (performance.now() - last < 20_000) return;
      last = performance.now();
      checkpoints.save({ point: await takePoint(), pruned, note });
    },
    onDiverged: () => (isRuined = true),
  });
  const { top1, loss } = await evaluate(tuned);
  const { costs } = analyse(tuned);
  record.add({
    run: word,
    machines,
    averageEvery,
    rateTimes: times,
    warmUp,
    outer: steps,
    seed,
    top1,
    testLoss: loss,
    pruned: note.top1,
    macs: costs.macs / before.macs,
    params: costs.params / before.params,
    removals: pruned.removals.length,
    end: isRuined ? "diverged" : pruned.end,
    version: record.version,
  });
  checkpoints.end();
}

/** The pruned graph, with where fine-tuning of it stands if it has begun. */
async function pruneOrFind({ from, save }, learning, learningRate) {
  if (from?.pruned) return { ...from, graph: from.point.graph };
  const { graph, removals, end } = await pruneLoop(nodeRuntime, start, train, {
    ...learning,
    criterion: criteria.get("taylor-fo"),
    target: absoluteBudget(start, { macs: budget }),
    per: "macs",
    every: settings.every,
    unitsPerStep: Math.round(analyse(start).units * share),
    learningRate,
    from: from?.point,
    onPoint: async (point) => save({ point }),
  });
  return { graph, pruned: { removals, end }, note: { top1: (await evaluate(graph)).top1 } };
}

for (const seed of flags.seeds.split(",").map(Number))
  for (const word of flags.runs.split(",")) if (!record.find({ run: word, seed })) await measure(word, seed);
