/** The data and the nets of the experiments. */

import { existsSync, mkdirSync } from "node:fs";
import {
  evaluateGraph,
  finetuneGraph,
  prepare,
  readModelFile,
  withGraph,
  writeModelFile,
} from "../../dist/graphs-node.js";
import { newModel, nodeRuntime, openDataset } from "../../dist/node.js";

/** Of ImageNet, which the CIFAR-10 nets were trained with. */
const normalise = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
export const cache = new URL("../../.cache/", import.meta.url).pathname;

/** Training and test images of CIFAR-10 as the nets take them. */
export async function cifar10(folder) {
  const [train, test] = await Promise.all(
    ["train", "test"].map((split) => openDataset(`cifar10:${folder}`, { split, normalise })),
  );
  return { train, test };
}

export const recipe = { epochs: 12, learningRate: 0.05, batchSize: 128, weightDecay: 5e-4, crop: 2 };

/** LeNet3 trained on CIFAR-10; the net of an earlier run where there is one. */
export async function trainedLenet3({ train }, { seed, threads, epochs = recipe.epochs, file = "lenet3.onnx" }) {
  const path = `${cache}${file}`;
  if (existsSync(path)) return { graph: prepare(await readModelFile(path)), path, trained: false };
  mkdirSync(cache, { recursive: true });
  const model = newModel("lenet3", { input: [3, 32, 32], classes: 10, seed });
  const graph = await finetuneGraph(nodeRuntime, prepare(model), train, {
    loss: "cross-entropy",
    batchSize: recipe.batchSize,
    seed,
    threads,
    epochs,
    learningRate: recipe.learningRate,
    augment: { crop: recipe.crop, flip: true },
    optimiser: { kind: "sgd", momentum: 0.9, weightDecay: recipe.weightDecay },
    onEvent: ({ epoch, step, steps, loss }) => {
      if (step % 500 === 0)
        console.error(`LeNet3: epoch ${epoch} of ${epochs}, step ${step} of ${steps}, loss ${loss.toFixed(3)}`);
    },
  });
  await writeModelFile(path, withGraph(model, graph));
  return { graph, path, trained: true };
}

export async function accuracy(graph, dataset, threads, limit) {
  return evaluateGraph(nodeRuntime, graph, dataset, {
    loss: "cross-entropy",
    batchSize: 200,
    threads,
    ...(limit && { limit }),
  });
}
