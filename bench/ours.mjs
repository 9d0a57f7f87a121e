/**
 * Secateur's side of a benchmark; the same lines as peers/torch_side.py.
 *
 * Usage: node bench/ours.mjs CASE.json
 */

import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { nodeRuntime, prepare, readModelFile } from "../dist/node.js";
import { openPass } from "../dist/train/source.js";
import { Trainer } from "../dist/train/trainer.js";
import { producersOf } from "../dist/graph/graph.js";
import { findGates } from "../dist/prune/gates.js";

const side = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { net, what, batch, size, classes, threads, folder } = side;
const bufferOf = (path) => {
  const { buffer, byteOffset, byteLength } = readFileSync(path);
  return buffer.slice(byteOffset, byteOffset + byteLength);
};
const x = {
  dtype: "float32",
  shape: [batch, 3, size, size],
  data: new Float32Array(bufferOf(`${folder}/x-${size}-${batch}.bin`)),
};
const y = { dtype: "int64", shape: [batch], data: new BigInt64Array(bufferOf(`${folder}/y-${classes}-${batch}.bin`)) };
const graph = prepare(await readModelFile(`${folder}/${net}.onnx`));
const loss = "cross-entropy";
const { step, results } = what === "train" ? await openTraining() : await openScoring();

async function openTraining() {
  const optimiser = { kind: "sgd", momentum: 0.9, weightDecay: 1e-4, nesterov: true };
  const trainer = await Trainer.create(nodeRuntime, graph, { batch, loss, optimiser, threads });
  return {
    step: async () => (await trainer.step({ inputs: { input: x }, target: y, size: batch, indices: [] }, 0.01)).loss,
    async results() {
      const { initializers } = (await trainer.state()).graph;
      return [...graph.initializers].flatMap(([name, { data }]) => {
        const now = initializers.get(name).data;
        return data instanceof Float32Array ? [[name, now.map((value, i) => value - data[i])]] : [];
      });
    },
  };
}

async function openScoring() {
  const pass = await openPass(nodeRuntime, graph, ["gates"], { batchSize: batch, loss, threads });
  let found;
  return {
    async step() {
      const result = await pass.measure({ input: x, target: y });
      found = result.findings;
      return result.loss;
    },
    /** The gates of groups that have one place, behind a BatchNormalization: by the name of the weight of the convolution before it. */
    results() {
      const gates = findGates(pass.groups);
      const producers = producersOf(pass.groups.coupling.traced.graph);
      return pass.groups.groups.flatMap((group) => {
        const own = found.get(group.name)?.gates;
        const places = gates.get(group.name);
        if (own === undefined || places.length !== 1) return [];
        const convolution = producers.get(producers.get(places[0].value)?.inputs[0]);
        return convolution ? [[convolution.inputs[1], own]] : [];
      });
    },
  };
}

const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
const runtime = JSON.parse(
  readFileSync(new URL("../node_modules/onnxruntime-node/package.json", import.meta.url), "utf8"),
);
say({ secateur: version, "onnxruntime-node": runtime.version, node: process.version.slice(1) });
for await (const line of createInterface({ input: process.stdin })) {
  const todo = JSON.parse(line).do;
  if (todo === "step") {
    const start = performance.now();
    const value = await step();
    say({ ms: performance.now() - start, loss: value });
  } else if (todo === "results") {
    const all = await results();
    const path = `${folder}/ours-${what}.bin`;
    writeFileSync(path, Buffer.concat(all.map(([, data]) => new Uint8Array(Float32Array.from(data).buffer))));
    say({ path, names: all.map(([name]) => name), sizes: all.map(([, data]) => data.length) });
  } else if (todo === "memory") {
    say({ bytes: process.resourceUsage().maxRSS * 1024 });
  }
}
