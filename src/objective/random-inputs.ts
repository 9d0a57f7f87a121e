/** Random numbers that graphs take in, so that a seed decides them. */

import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import { randomStream } from "../graph/random.ts";
import { sizeOf, type Shape, type Tensor } from "../graph/tensor.ts";

/** What numbers are drawn for, so that no two streams of a seed are the same. */
const purposes = { targets: 0x6e6f6973, learning: 0x64726f70, mixing: 0x6d697875 } as const;

/** The distributions of numbers that targets are drawn with. */
export type NoiseKind = "gumbel" | "uniform" | "normal";

const draws: Readonly<Record<NoiseKind, (stream: RandomGenerator) => number>> = {
  gumbel: (stream) => -Math.log(-Math.log(positive(stream))),
  uniform: uniformFloat64,
  normal: (stream) => normal(stream),
};

/** Independent draws for minibatch `index`; `input` tells apart the inputs of a graph. */
export function targetNoise(kind: NoiseKind, shape: Shape, seed: number, index: number, input: number): Tensor {
  const stream =
    input === 0 ? randomStream(seed, index, purposes.targets) : randomStream(seed, index, input, purposes.targets);
  return { dtype: "float32", shape, data: Float32Array.from({ length: sizeOf(shape) }, () => draws[kind](stream)) };
}

/** Uniform numbers of [0, 1) for an input of a step; `input` tells apart the inputs of a graph. */
export function uniformNoise(shape: Shape, seed: number, step: number, input: number): Tensor {
  const stream = randomStream(seed, step, input, purposes.learning);
  const data = new Float32Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) data[i] = (stream.next() >>> 8) / 2 ** 24;
  return { dtype: "float32", shape, data };
}

/** What decides how a step mixes its batch. */
export const mixingStream = (seed: number, step: number): RandomGenerator => randomStream(seed, step, purposes.mixing);

/**
 * A draw from Beta(α, α): x / (x + y) for independent x and y from Gamma(α), by
 * logarithms, as a small α makes both vanish.
 */
export function drawBeta(stream: RandomGenerator, alpha: number): number {
  const [x, y] = [logGamma(stream, alpha), logGamma(stream, alpha)];
  return 1 / (1 + Math.exp(y - x));
}

/**
 * The logarithm of a draw from Gamma(α): d v with v = (1 + c z)³ for a normal z (Marsaglia and Tsang 2000, "A Simple
 * Method for Generating Gamma Variables", section 2). For α < 1 it is that of a draw of Gamma(α + 1) times u^(1/α)
 * (section 6).
 */
function logGamma(stream: RandomGenerator, alpha: number): number {
  if (alpha < 1) return logGamma(stream, alpha + 1) + Math.log(positive(stream)) / alpha;
  const d = alpha - 1 / 3;
  for (;;) {
    const z = normal(stream);
    const v = (1 + z / Math.sqrt(9 * d)) ** 3;
    if (v > 0 && Math.log(positive(stream)) < z ** 2 / 2 + d * (1 - v + Math.log(v))) return Math.log(d * v);
  }
}

/** A normal number (Box and Muller 1958). */
const normal = (stream: RandomGenerator): number =>
  Math.sqrt(-2 * Math.log(positive(stream))) * Math.cos(2 * Math.PI * uniformFloat64(stream));

/** A uniform number of (0, 1). */
const positive = (stream: RandomGenerator): number => uniformFloat64(stream) || Number.MIN_VALUE;
