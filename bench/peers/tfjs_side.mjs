/**
 * The side of TensorFlow.js: LeNet-5 with the weights of the case. The same lines as torch_side.py.
 *
 * Usage: node bench/peers/tfjs_side.mjs CASE.json
 *
 * CASE.json: { what: "infer" | "train", backend: "cpu" | "wasm", tfjs, weights, samples, channels, size, classes, files, folder }; `tfjs` is the folder that the
 * packages are installed in, `weights` the file of weights with their names, shapes and sizes.
 */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { readResults, readTensor, writeResults } from "../lib/arrays.mjs";

const side = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { what, backend, samples, channels, size, classes, files, folder } = side;
const require = createRequire(`${resolve(side.tfjs)}/`);
const tf = require("@tensorflow/tfjs");
const versions = { tfjs: tf.version_core };
if (backend === "wasm") versions["tfjs-backend-wasm"] = require("@tensorflow/tfjs-backend-wasm").version_wasm;
tf.enableProdMode();
if (!(await tf.setBackend(backend))) throw new Error(`TensorFlow.js has no backend ${backend}`);

/** Channels stand last here: what each weight is in ONNX's order and in TensorFlow's, and the way there and back. */
const orders = new Map(
  side.weights.names.map((name, i) => {
    const shape = side.weights.shapes[i];
    if (shape.length === 1) return [name, { into: (w) => w, back: (w) => w }];
    // The first fully connected layer reads 16 channels of 5x5.
    const onnx = name === "fc1.weight" ? [shape[0], 16, 5, 5] : shape;
    const kernel = onnx.length === 4;
    const tensorflow = kernel ? [onnx[2], onnx[3], onnx[1], onnx[0]] : [onnx[1], onnx[0]];
    const stored = name === "fc1.weight" ? [shape[1], shape[0]] : tensorflow;
    return [
      name,
      {
        into: (w) =>
          w
            .reshape(onnx)
            .transpose(kernel ? [2, 3, 1, 0] : [1, 0])
            .reshape(stored),
        back: (w) => w.reshape(tensorflow).transpose(kernel ? [3, 2, 0, 1] : [1, 0]),
      },
    ];
  }),
);
const start = new Map(
  [...readResults(side.weights)].map(([name, data], i) => [
    name,
    orders.get(name).into(tf.tensor(data, side.weights.shapes[i])),
  ]),
);
const weights = new Map([...start].map(([name, value]) => [name, tf.variable(value, true, name)]));
const x = tf.tensor(readTensor(files.x, "float32").data, [samples, channels, size, size]).transpose([0, 2, 3, 1]);
const labels = tf.oneHot(tf.tensor1d(Int32Array.from(readTensor(files.y, "int64").data, Number), "int32"), classes);

const convolve = (input, kernel, pad) => tf.conv2d(input, kernel, 1, pad);

/** The wasm backend has no gradient of the kernel of conv2d, but of conv3d it has: the same convolution, of depth 1. */
const convolveDeep = (input, kernel, pad) => tf.conv3d(input.expandDims(1), kernel.expandDims(0), 1, pad).squeeze([1]);

function forward(conv) {
  const of = (name) => weights.get(name);
  let y = x;
  for (const [name, pad] of [
    ["conv1", "same"],
    ["conv2", "valid"],
  ])
    y = tf.maxPool(
      conv(y, of(`${name}.weight`), pad)
        .add(of(`${name}.bias`))
        .relu(),
      2,
      2,
      "valid",
    );
  y = y.reshape([samples, -1]);
  for (const name of ["fc1", "fc2"])
    y = y
      .matMul(of(`${name}.weight`))
      .add(of(`${name}.bias`))
      .relu();
  return y.matMul(of("fc3.weight")).add(of("fc3.bias"));
}

const optimiser = tf.train.momentum(0.01, 0.9, true);
let logits;
const steps = {
  infer() {
    logits = tf.tidy(() => forward(convolve).dataSync());
    return {};
  },
  train() {
    const conv = backend === "wasm" ? convolveDeep : convolve;
    const cost = optimiser.minimize(() => tf.losses.softmaxCrossEntropy(labels, forward(conv)), true);
    const [loss] = cost.dataSync();
    cost.dispose();
    return { loss };
  },
};
const results = {
  infer: () => [["logits", logits]],
  train: () =>
    [...weights].map(([name, value]) => [
      name,
      tf.tidy(() =>
        orders
          .get(name)
          .back(value.sub(start.get(name)))
          .dataSync(),
      ),
    ]),
};

const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
say({ ...versions, node: process.version.slice(1) });
for await (const line of createInterface({ input: process.stdin })) {
  const { do: todo } = JSON.parse(line);
  if (todo === "step") {
    const begin = performance.now();
    const answer = steps[what]();
    say({ ms: performance.now() - begin, ...answer });
  } else if (todo === "results") {
    say(writeResults(`${folder}/tfjs-${backend}-${what}.bin`, results[what]()));
  } else if (todo === "memory") {
    say({ bytes: process.resourceUsage().maxRSS * 1024 });
  }
}
