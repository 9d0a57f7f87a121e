/** The network of a case, and the samples that all sides run. */

import { prepare, readModelFile } from "../../dist/graphs-node.js";
import { readTensor } from "../lib/arrays.mjs";

export const readNet = async ({ net, folder }) => prepare(await readModelFile(`${folder}/${net}.onnx`));

export const readSamples = ({ samples, channels, size, files }) => ({
  x: readTensor(files.x, "float32", [samples, channels, size, size]),
  y: readTensor(files.y, "int64", [samples]),
});

/** Minibatches in the order of the samples, the same on all sides, again and again. */
export async function* minibatches({ x, y }, { batch, samples }) {
  const each = x.data.length / samples;
  for (let from = 0; ; from = (from + batch) % samples)
    yield {
      inputs: {
        "": { ...x, shape: [batch, ...x.shape.slice(1)], data: x.data.subarray(from * each, (from + batch) * each) },
      },
      target: { ...y, shape: [batch], data: y.data.subarray(from, from + batch) },
      size: batch,
    };
}

/** How the loop of a case learns. */
export const loopOf = ({ batch, every, learningRate, threads, workers }) => ({
  loss: "cross-entropy",
  batchSize: batch,
  optimiser: { kind: "sgd", momentum: 0.9, weightDecay: 1e-4, nesterov: true },
  learningRate,
  every,
  seed: 0,
  threads,
  workers,
});
