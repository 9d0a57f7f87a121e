/** VGG with batch normalisation for small images: a stack of convolutions and one fully connected layer. */

import type { Graph } from "../graph/graph.ts";
import { batchNorm, conv, finishNet, flatten, linear, maxPool, relu, startNet, type NetOptions } from "./layers.ts";

/** Output channels of the convolutions between one pooling and the next. */
const vgg11: readonly (readonly number[])[] = [[64], [128], [256, 256], [512, 512], [512, 512]];

/** VGG11. Its convolutions have no bias, which the batch normalisation behind each would take out again. */
export function buildVgg11(options: NetOptions): Graph {
  const { net, x: image } = startNet("vgg11", options, "kaiming");
  let x = image;
  let at = 0;
  const next = () => `features.${at++}`;
  for (const stage of vgg11) {
    for (const channels of stage) {
      x = conv(net, next(), x, { channels, kernel: 3, pad: 1, bias: false });
      x = relu(net, next(), batchNorm(net, next(), x));
    }
    x = maxPool(net, next(), x);
  }
  linear(net, "fc", flatten(net, "flatten", x), options.classes);
  return finishNet(net);
}
