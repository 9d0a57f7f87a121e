/** LeNets: two convolutions of 5 x 5 and three fully connected layers. */

import type { Graph } from "../graph/graph.ts";
import { conv, finishNet, flatten, linear, maxPool, relu, startNet, type NetOptions } from "./layers.ts";

interface LeNet {
  /** Output channels of the two convolutions. */
  readonly channels: readonly [number, number];
  /** Padding of the first convolution. */
  readonly pad: number;
}

function buildLeNet(name: string, { channels, pad }: LeNet, options: NetOptions): Graph {
  const { net, x: image } = startNet(name, options, "uniform");
  let x = image;
  for (const [i, n] of channels.entries()) {
    x = conv(net, `conv${i + 1}`, x, { channels: n, kernel: 5, pad: i === 0 ? pad : 0, bias: true });
    x = relu(net, `relu${i + 1}`, x);
    x = maxPool(net, `pool${i + 1}`, x);
  }
  x = flatten(net, "flatten", x);
  x = relu(net, "relu3", linear(net, "fc1", x, 120));
  x = relu(net, "relu4", linear(net, "fc2", x, 84));
  linear(net, "fc3", x, options.classes);
  return finishNet(net);
}

/** Two convolutions of 16 and 32 channels without padding, then 120 and 84 neurons. */
export function buildLeNet3(options: NetOptions): Graph {
  return buildLeNet("lenet3", { channels: [16, 32], pad: 0 }, options);
}

/** Two convolutions of 6 and 16 channels, the first padded by 2, then 120 and 84 neurons. */
export function buildLeNet5(options: NetOptions): Graph {
  return buildLeNet("lenet5", { channels: [6, 16], pad: 2 }, options);
}
