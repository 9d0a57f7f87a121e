/** ResNets for small images: three stages of 16, 32 and 64 channels, with shortcuts that have no weights. */

import type { Graph } from "../graph/graph.ts";
import { int64s } from "../graph/tensor.ts";
import type { Value } from "../ops/core/define.ts";
import { valueIn } from "../ops/emitter.ts";
import {
  addNode,
  batchNorm,
  conv,
  finishNet,
  flatten,
  linear,
  relu,
  startNet,
  type Net,
  type NetOptions,
} from "./layers.ts";

/** A ResNet of 6 * `blocks` + 2 layers: two convolutions in a block, `blocks` blocks in a stage. */
function buildResNet(name: string, blocks: number, options: NetOptions): Graph {
  const { net, x: image } = startNet(name, options, "kaiming");
  let x = relu(net, "relu", batchNorm(net, "bn1", conv3(net, "conv1", image, 16, 1)));
  for (const [stage, channels] of [16, 32, 64].entries()) {
    for (let block = 0; block < blocks; block++)
      x = addBlock(net, `layer${stage + 1}.${block}`, x, channels, stage > 0 && block === 0 ? 2 : 1);
  }
  x = flatten(net, "flatten", addNode(net, "GlobalAveragePool", "avgpool", [x]));
  linear(net, "fc", x, options.classes);
  return finishNet(net);
}

export function buildResNet20(options: NetOptions): Graph {
  return buildResNet("resnet20", 3, options);
}

export function buildResNet56(options: NetOptions): Graph {
  return buildResNet("resnet56", 9, options);
}

function addBlock(net: Net, name: string, x: Value, channels: number, stride: number): Value {
  let y = batchNorm(net, `${name}.bn1`, conv3(net, `${name}.conv1`, x, channels, stride));
  y = relu(net, `${name}.relu1`, y);
  y = batchNorm(net, `${name}.bn2`, conv3(net, `${name}.conv2`, y, channels, 1));
  const skipped = stride === 1 ? x : shortcut(net, `${name}.shortcut`, x, channels);
  return relu(net, `${name}.relu2`, addNode(net, "Add", `${name}.add`, [y, skipped]));
}

function conv3(net: Net, name: string, x: Value, channels: number, stride: number): Value {
  return conv(net, name, x, { channels, kernel: 3, stride, pad: 1, bias: false });
}

/** Every other row and column, with zero channels on both sides: option A of the paper on residual networks. */
function shortcut(net: Net, name: string, x: Value, channels: number): Value {
  const { builder } = net;
  const ints = (suffix: string, values: readonly number[]) =>
    valueIn(builder, builder.constant(int64s(values), `${name}.${suffix}`));
  const [, known, height, width] = x.shape as [number, number, number, number];
  const sampled = addNode(net, "Slice", `${name}.slice`, [
    x,
    ints("starts", [0, 0]),
    ints("ends", [height, width]),
    ints("axes", [2, 3]),
    ints("steps", [2, 2]),
  ]);
  const side = (channels - known) / 2;
  return addNode(net, "Pad", `${name}.pad`, [sampled, ints("pads", [0, side, 0, 0, 0, side, 0, 0])]);
}
