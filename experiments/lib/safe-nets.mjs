/** The nets of the experiment on defaults, how those without weights are trained, and what is picked by hand for each. */

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { writeModelFile } from "../../dist/graphs-node.js";
import { newModel } from "../../dist/node.js";
import { writePart } from "./arrays.mjs";
import { ownNets } from "./nets.mjs";

const sgd = ["0.03", "0.01", "0.003"];
const adamw = ["0.001", "0.0003", "0.0001"];
/** Convolutional nets are tuned by SGD and transformers by AdamW, as is usual. */
const conv = { sgd, adamw, prune: "sgd" };
const transformer = { sgd, adamw, prune: "adamw" };

const imagenet = ["--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225"];
const recipe = { epochs: 4, optimiser: "adamw", rate: "0.002" };
const own = (name, hand, more = {}) => ({
  name,
  data: "mnist",
  pixels: [],
  hand,
  make: (seed) => ownNets[name](seed),
  recipe: { ...recipe, ...more },
});

/** Images that nets are tuned on, the large ones on fewer, and images that they are measured on. */
export const parts = { train: 2048, ofLarge: 1024, test: 1000 };
/** What nets without weights are trained on. */
export const trainingPart = { train: 8192, test: 1000 };

export const nets = [
  {
    ...own("lenet5", conv, { epochs: 12 }),
    make: (seed) => newModel("lenet5", { input: [1, 28, 28], classes: 10, seed }),
  },
  own("vgg11-plain", conv, { epochs: 6, rate: "0.001" }),
  {
    ...own("resnet20", conv, { epochs: 2 }),
    isLarge: true,
    make: (seed) => newModel("resnet20", { input: [1, 28, 28], classes: 10, seed }),
  },
  own("mobilenet-small", conv),
  own("vit-small", transformer, { epochs: 8 }),
  own("squeezenet-half", { ...conv, sgd: ["0.003", "0.001", "0.01"] }, { epochs: 8, rate: "0.001" }),
  {
    name: "mnist-cntk",
    data: "mnist",
    // Pixels of 0 to 255, so that steps act as much more.
    pixels: ["--scale", "1"],
    hand: { sgd: ["0.001", "0.0001", "0.00001"], adamw, prune: "adamw" },
    file: "mnist-cntk.onnx",
  },
  {
    name: "resnet20-cifar10",
    isLarge: true,
    data: "cifar10",
    pixels: imagenet,
    hand: conv,
    file: "resnet20-cifar10.onnx",
  },
  {
    name: "resnet56-cifar10",
    isLarge: true,
    data: "cifar10",
    pixels: imagenet,
    hand: conv,
    file: "resnet56-cifar10.onnx",
  },
];

const main = new URL("../../dist/cli/main.js", import.meta.url).pathname;

/**
 * A net of these without weights, trained by its recipe; that of an earlier run where there is one.
 *
 * @param {string} spec of the data, as `--data` takes it
 * @param {string} folder that the net and its data are kept in, with a slash
 */
export async function trainedNet({ name, data, pixels, make, recipe }, spec, folder, { seed, threads }) {
  const model = `${folder}${name}-${seed}.onnx`;
  if (existsSync(model)) return model;
  const arrays = `${folder}${data}-${trainingPart.train}-${trainingPart.test}`;
  await writePart(spec, arrays, trainingPart);
  const untrained = model.replace(/\.onnx$/, "-untrained.onnx");
  await writeModelFile(untrained, make(Number(seed)));
  const { epochs, optimiser, rate } = recipe;
  const how = ["--epochs", epochs, "--optimiser", optimiser, "--learning-rate", rate, "--seed", seed, ...pixels];
  const { status } = spawnSync(
    process.execPath,
    [main, "train", untrained, "--data", `npz:${arrays}`, ...how, "--threads", threads, "-o", model, "--force"],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  if (status !== 0) process.exit(status ?? 1);
  return model;
}
