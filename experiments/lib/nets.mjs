/** Small nets of kinds that the zoo has none of, for images of one channel and 28 x 28 pixels, untrained. */

import { float32, int64s } from "../../dist/graph/tensor.js";
import { wrapGraph } from "../../dist/onnx/wrap.js";
import { valueIn } from "../../dist/ops/emitter.js";
import {
  addNode,
  batchNorm,
  conv,
  finishNet,
  flatten,
  linear,
  maxPool,
  parameter,
  relu,
  startNet,
  weight,
} from "../../dist/zoo/layers.js";

const options = (seed) => ({ classes: 10, input: [1, 28, 28], seed });
const constant = (net, name, tensor) => valueIn(net.builder, net.builder.constant(tensor, name));
const scalar = (net, name, value) => constant(net, name, float32([], Float32Array.of(value)));
const pooled = (net, x) => flatten(net, "flatten", addNode(net, "GlobalAveragePool", "pool", [x]));

/** VGG-11 without BatchNormalization: its eight convolutions at a quarter of the width, then 128 neurons. */
function vgg11(seed) {
  const { net, x: image } = startNet("vgg11-plain", options(seed), "kaiming");
  let x = image;
  for (const [stage, widths] of [[16], [32], [64, 64], [128, 128], [128, 128]].entries()) {
    for (const [i, channels] of widths.entries()) {
      const name = `features.${stage}.${i}`;
      x = relu(net, `${name}.relu`, conv(net, name, x, { channels, kernel: 3, pad: 1, bias: true }));
    }
    // After four times the image is one pixel.
    if (stage < 4) x = maxPool(net, `pool${stage}`, x);
  }
  x = relu(net, "relu", linear(net, "fc1", flatten(net, "flatten", x), 128));
  linear(net, "fc2", x, 10);
  return finishNet(net);
}

/** SqueezeNet 1.1 at half its width: no BatchNormalization, and a Relu behind the last convolution. */
function squeezenet(seed) {
  const { net, x: image } = startNet("squeezenet-half", options(seed), "kaiming");
  const layer = (name, x, channels, kernel) =>
    relu(net, `${name}.relu`, conv(net, name, x, { channels, kernel, pad: (kernel - 1) / 2, bias: true }));
  let x = layer("features.0", image, 32, 3);
  for (const [i, squeezed] of [8, 8, 16, 16, 24, 24, 32, 32].entries()) {
    if (i === 0 || i === 2 || i === 4) x = maxPool(net, `pool${i}`, x);
    const name = `fire${i + 2}`;
    const small = layer(`${name}.squeeze`, x, squeezed, 1);
    const parts = [1, 3].map((kernel) => layer(`${name}.expand${kernel}x${kernel}`, small, 4 * squeezed, kernel));
    x = addNode(net, "Concat", `${name}.concat`, parts, { axis: 1 });
  }
  pooled(net, layer("classifier", x, 10, 1));
  return finishNet(net);
}

/** MobileNetV2 in small: inverted residuals with depthwise convolutions and BatchNormalization. */
function mobilenet(seed) {
  const { net, x: image } = startNet("mobilenet-small", options(seed), "kaiming");
  const layer = (name, x, more, isActive = true) => {
    const y = batchNorm(net, `${name}.bn`, conv(net, name, x, { kernel: 1, bias: false, ...more }));
    const bounds = () => [scalar(net, "zero", 0), scalar(net, "six", 6)];
    return isActive ? addNode(net, "Clip", `${name}.relu6`, [y, ...bounds()]) : y;
  };
  let x = layer("stem", image, { channels: 16, kernel: 3, stride: 2, pad: 1 });
  const blocks = [
    [16, 1],
    [24, 2],
    [24, 1],
    [40, 1],
    [40, 1],
    [64, 2],
    [64, 1],
  ];
  for (const [i, [channels, stride]] of blocks.entries()) {
    const [name, width] = [`blocks.${i}`, x.shape[1]];
    const wide = layer(`${name}.expand`, x, { channels: 4 * width });
    const deep = { channels: 4 * width, kernel: 3, stride, pad: 1, group: 4 * width };
    const y = layer(`${name}.project`, layer(`${name}.depthwise`, wide, deep), { channels }, false);
    x = stride === 1 && channels === width ? addNode(net, "Add", `${name}.add`, [x, y]) : y;
  }
  linear(net, "fc", pooled(net, layer("head", x, { channels: 128 })), 10);
  return finishNet(net);
}

/** A vision transformer: 16 patches of 7 x 7 pixels, three blocks of width 48 with four heads. */
function vit(seed) {
  const { net, x: image } = startNet("vit-small", options(seed), "uniform");
  const [tokens, width, heads] = [16, 48, 4];
  const filled = (name, value) => parameter(net, name, [width], new Float32Array(width).fill(value));
  const norm = (name, x) =>
    addNode(net, "LayerNormalization", name, [x, filled(`${name}.weight`, 1), filled(`${name}.bias`, 0)], { axis: -1 });
  const dense = (name, x, to) => {
    const from = x.shape.at(-1);
    const product = addNode(net, "MatMul", name, [x, weight(net, `${name}.weight`, [from, to], from)]);
    return addNode(net, "Add", `${name}.add`, [product, parameter(net, `${name}.bias`, [to], new Float32Array(to))]);
  };
  const reshape = (name, x, sizes) => addNode(net, "Reshape", name, [x, constant(net, `${name}.shape`, int64s(sizes))]);
  const transpose = (name, x, perm) => addNode(net, "Transpose", name, [x], { perm });
  const add = (name, ...parts) => addNode(net, "Add", name, parts);
  const attention = (name, x) => {
    const [q, k, v] = ["q", "k", "v"].map((part) => {
      const split = reshape(`${name}.${part}.split`, dense(`${name}.${part}`, x, width), [0, tokens, heads, -1]);
      return transpose(`${name}.${part}.heads`, split, part === "k" ? [0, 2, 3, 1] : [0, 2, 1, 3]);
    });
    const product = addNode(net, "MatMul", `${name}.scores`, [q, k]);
    const scaled = addNode(net, "Mul", `${name}.scale`, [product, scalar(net, "scale", (width / heads) ** -0.5)]);
    const shares = addNode(net, "Softmax", `${name}.softmax`, [scaled], { axis: -1 });
    const mixed = transpose(`${name}.join`, addNode(net, "MatMul", `${name}.mix`, [shares, v]), [0, 2, 1, 3]);
    return dense(`${name}.out`, reshape(`${name}.joined`, mixed, [0, tokens, -1]), width);
  };
  const patches = conv(net, "patches", image, { channels: width, kernel: 7, stride: 7, bias: true });
  let x = transpose("tokens", reshape("patches.flat", patches, [0, 0, tokens]), [0, 2, 1]);
  x = add("position", x, weight(net, "position.weight", [1, tokens, width], 2500));
  for (let i = 0; i < 3; i++) {
    const name = `blocks.${i}`;
    x = add(`${name}.add1`, x, attention(`${name}.attention`, norm(`${name}.norm1`, x)));
    const wide = addNode(net, "Gelu", `${name}.gelu`, [dense(`${name}.fc1`, norm(`${name}.norm2`, x), 2 * width)]);
    x = add(`${name}.add2`, x, dense(`${name}.fc2`, wide, width));
  }
  const axes = constant(net, "axes", int64s([1]));
  linear(net, "head", addNode(net, "ReduceMean", "mean", [norm("norm", x), axes], { keepdims: 0 }), 10);
  return finishNet(net);
}

/** Models by name, each made from a seed. */
export const ownNets = Object.fromEntries(
  Object.entries({
    "vgg11-plain": vgg11,
    "squeezenet-half": squeezenet,
    "mobilenet-small": mobilenet,
    "vit-small": vit,
  }).map(([name, build]) => [name, (seed) => wrapGraph(build(seed))]),
);
