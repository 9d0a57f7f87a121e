/** The layers that the networks of the zoo are made of, with initial weights and the names that PyTorch gives them. */

import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import { GraphBuilder } from "../graph/builder.ts";
import type { Graph, ValueInfo } from "../graph/graph.ts";
import { randomStream } from "../graph/random.ts";
import { float32, sizeOf, type Shape } from "../graph/tensor.ts";
import type { Value } from "../ops/core/define.ts";
import { emitNode, valueIn } from "../ops/emitter.ts";
import type { OpName } from "../ops/core/names.ts";

/** What is asked of a network: the number of classes, the shape [C, H, W] of one image, and the seed of its weights. */
export interface NetOptions {
  readonly classes: number;
  readonly input: readonly [number, number, number];
  readonly seed: number;
}

/**
 * How weights start: `uniform` within ±1/sqrt(fan_in), which is PyTorch's default, or `kaiming`, normal with standard
 * deviation sqrt(2/fan_in). Biases are uniform in both.
 */
export type Initialisation = "uniform" | "kaiming";

/** A network under construction, at a batch of 1. */
export interface Net {
  readonly builder: GraphBuilder;
  readonly initialisation: Initialisation;
  readonly random: RandomGenerator;
}

export interface ConvOptions {
  readonly channels: number;
  readonly kernel: number;
  readonly stride?: number;
  readonly pad?: number;
  /** Default 1. */
  readonly group?: number;
  readonly bias: boolean;
}

// Keeps the weights apart from other streams of the same seed.
const purpose = 0x2007;
const inputName = "input";
const outputName = "logits";

/** An empty network and its input [1, C, H, W]. */
export function startNet(name: string, options: NetOptions, initialisation: Initialisation): { net: Net; x: Value } {
  const builder = GraphBuilder.empty(name);
  const x = builder.input(inputName, { dtype: "float32", shape: [1, ...options.input] }, true);
  return {
    net: { builder, initialisation, random: randomStream(options.seed, purpose) },
    x: valueIn(builder, x),
  };
}

/** The graph whose output is that of the last layer, with an open batch. */
export function finishNet({ builder }: Net): Graph {
  const last = builder.nodes.at(-1)!;
  const graph = builder.finish(last.outputs);
  const open = ({ dtype, shape }: ValueInfo, name: string): ValueInfo => ({
    name,
    dtype,
    shape: ["batch", ...shape!.slice(1)],
  });
  return {
    ...graph,
    nodes: [...graph.nodes.slice(0, -1), { ...last, outputs: [outputName] }],
    inputs: graph.inputs.map((value) => open(value, value.name)),
    outputs: graph.outputs.map((value) => open(value, outputName)),
  };
}

/** Appends a node that bears the name of its layer, as does the value it computes. */
export function addNode(
  net: Net,
  op: OpName,
  name: string,
  inputs: readonly Value[],
  attributes: Readonly<Record<string, unknown>> = {},
): Value {
  return emitNode(net.builder, op, inputs, attributes, 1, name)[0]!;
}

/** A convolution with a square kernel: `NAME.weight` [channels, C / group, k, k] and, where asked, `NAME.bias`. */
export function conv(net: Net, name: string, x: Value, options: ConvOptions): Value {
  const { channels, kernel, stride = 1, pad = 0, group = 1, bias } = options;
  const shape = [channels, x.shape[1]! / group, kernel, kernel];
  const fanIn = sizeOf(shape.slice(1));
  const inputs = [x, weight(net, `${name}.weight`, shape, fanIn)];
  if (bias) inputs.push(parameter(net, `${name}.bias`, [channels], uniform(net, channels, fanIn)));
  return addNode(net, "Conv", name, inputs, {
    kernel_shape: [kernel, kernel],
    strides: [stride, stride],
    pads: [pad, pad, pad, pad],
    ...(group > 1 && { group }),
  });
}

/** A batch normalisation that starts as the identity: weight 1, bias 0, mean 0, variance 1. */
export function batchNorm(net: Net, name: string, x: Value): Value {
  const channels = x.shape[1]!;
  const filled = (suffix: string, value: number) =>
    parameter(net, `${name}.${suffix}`, [channels], new Float32Array(channels).fill(value));
  const inputs = [x, filled("weight", 1), filled("bias", 0), filled("running_mean", 0), filled("running_var", 1)];
  return addNode(net, "BatchNormalization", name, inputs);
}

/** A fully connected layer on [batch, features]: `NAME.weight` [out, in] and `NAME.bias`. */
export function linear(net: Net, name: string, x: Value, features: number): Value {
  const fanIn = x.shape[1]!;
  const inputs = [
    x,
    weight(net, `${name}.weight`, [features, fanIn], fanIn),
    parameter(net, `${name}.bias`, [features], uniform(net, features, fanIn)),
  ];
  return addNode(net, "Gemm", name, inputs, { transB: 1 });
}

export function relu(net: Net, name: string, x: Value): Value {
  return addNode(net, "Relu", name, [x]);
}

/** The maximum of each 2 x 2 square. */
export function maxPool(net: Net, name: string, x: Value): Value {
  return addNode(net, "MaxPool", name, [x], { kernel_shape: [2, 2], strides: [2, 2] });
}

/** [batch, C, H, W] to [batch, C * H * W]. */
export function flatten(net: Net, name: string, x: Value): Value {
  return addNode(net, "Flatten", name, [x], { axis: 1 });
}

/**
 * A further initializer.
 *
 * @public experiments make nets of it
 */
export function parameter(net: Net, name: string, shape: Shape, data: Float32Array): Value {
  const { builder } = net;
  builder.claim(name);
  builder.initializers.set(name, float32(shape, data));
  builder.types.set(name, { dtype: "float32", shape });
  return valueIn(builder, name);
}

/**
 * A further initializer with random values.
 *
 * @public experiments make nets of it
 */
export function weight(net: Net, name: string, shape: Shape, fanIn: number): Value {
  const size = sizeOf(shape);
  return parameter(
    net,
    name,
    shape,
    net.initialisation === "kaiming" ? normal(net, size, fanIn) : uniform(net, size, fanIn),
  );
}

function uniform({ random }: Net, size: number, fanIn: number): Float32Array {
  const bound = 1 / Math.sqrt(fanIn);
  return Float32Array.from({ length: size }, () => (2 * uniformFloat64(random) - 1) * bound);
}

/** By the transform of Box and Muller, two numbers at a time. */
function normal({ random }: Net, size: number, fanIn: number): Float32Array {
  const deviation = Math.sqrt(2 / fanIn);
  const values = new Float32Array(size);
  for (let i = 0; i < size; i += 2) {
    // 1 - u lies in (0, 1], so that the logarithm is finite.
    const radius = deviation * Math.sqrt(-2 * Math.log(1 - uniformFloat64(random)));
    const angle = 2 * Math.PI * uniformFloat64(random);
    values[i] = radius * Math.cos(angle);
    if (i + 1 < size) values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}
