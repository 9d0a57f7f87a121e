/** Where the time of a scoring pass or a training step goes, operator by operator, as onnxruntime's profiler has it. */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { analyse, directRuntime } from "../../dist/graphs-node.js";
import { encodeModel } from "../../dist/node.js";
import { wrapGraph } from "../../dist/onnx/wrap.js";
import { median } from "../lib/numbers.mjs";
import { halve } from "./halve.mjs";
import { readNet } from "./net.mjs";
import { runtimeWith } from "./runtime.mjs";
import { openScoring } from "./score.mjs";
import { openTraining } from "./train.mjs";

const openers = { score: openScoring, train: openTraining };
/** Networks over the network itself: once forward, once for the gradients of activations, and in training once for those of weights. */
const passes = { score: 2, train: 3 };
const warmUp = 2;
/** Of the matrices in a product that nothing in a network outdoes. */
const size = 1536;

export async function open(side) {
  const { of, half, folder, batch, threads, rounds } = side;
  const graph = half ? halve(await readNet(side), 1).graph : await readNet(side);
  const files = mkdtempSync(`${folder}/profile-`);
  let sessions = 0;
  const profiled = () => ({ enableProfiling: true, profileFilePrefix: `${files}/${sessions++}` });
  const runtime = runtimeWith(profiled, threads);
  const opened = await openers[of]({ ...side, runtime, graph, workers: 1 });
  const floor = { flop: 2 * analyse(graph).costs.macs * batch * passes[of], rate: await bestRate(threads) };
  return {
    /** Milliseconds of each operator in one run, and how many floating-point operations a run takes at least. */
    async step() {
      for (let round = -warmUp; round < rounds; round++) await opened.step();
      await opened.close();
      const events = readdirSync(files).map((name) => JSON.parse(readFileSync(`${files}/${name}`, "utf8")));
      rmSync(files, { recursive: true });
      // Others see what kernels there are.
      const [longest] = events.toSorted((a, b) => b.length - a.length);
      return { ...operatorsOf(longest, rounds), ...floor };
    },
  };
}

/** The medians over the last runs. */
function operatorsOf(events, rounds) {
  const runs = events.filter(({ name }) => name === "model_run").slice(-rounds);
  const kernels = events.filter(({ name }) => name?.endsWith("_kernel_time"));
  const each = runs.map(({ ts, dur }) => {
    const sums = {};
    for (const kernel of kernels)
      if (kernel.ts >= ts && kernel.ts < ts + dur)
        sums[kernel.args.op_name] = (sums[kernel.args.op_name] ?? 0) + kernel.dur / 1000;
    return sums;
  });
  const names = [...new Set(each.flatMap(Object.keys))];
  const operators = Object.fromEntries(names.map((name) => [name, median(each.map((sums) => sums[name] ?? 0))]));
  return { operators, whole: median(runs.map(({ dur }) => dur / 1000)) };
}

/** Floating-point operations a millisecond in the product of two large matrices. */
async function bestRate(threads) {
  const info = (name) => ({ name, dtype: "float32", shape: [size, size] });
  const node = { op: "MatMul", domain: "", name: "product", inputs: ["a", "b"], outputs: ["y"], attributes: {} };
  const ends = { name: "product", inputs: [info("a"), info("b")], outputs: [info("y")] };
  const graph = { ...ends, nodes: [node], initializers: new Map(), info: new Map() };
  const session = await directRuntime.load(encodeModel(wrapGraph(graph)), { threads });
  const data = new Float32Array(size * size).fill(0.5);
  const matrix = { dtype: "float32", shape: [size, size], data };
  const times = await session.time({ a: matrix, b: matrix }, 20);
  await session.dispose();
  return (2 * size ** 3) / Math.min(...times);
}
