/** Random numbers that graphs take in, so that a seed decides them. */

import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { randomStream } from "../graph/random.ts";
import { sizeOf, type Shape, type Tensor } from "../graph/tensor.ts";

/** What numbers are drawn for, so that no two streams of a seed are the same. */
const purposes = { targets: 0x6e6f6973, learning: 0x64726f70 } as const;

/** Independent draws -log(-log u) from Gumbel's distribution, for minibatch `index`. */
export function gumbelNoise(shape: Shape, seed: number, index: number): Tensor {
  const stream = randomStream(seed, index, purposes.targets);
  const draw = (): number => {
    const u = uniformFloat64(stream);
    return -Math.log(-Math.log(u > 0 ? u : Number.MIN_VALUE));
  };
  return { dtype: "float32", shape, data: Float32Array.from({ length: sizeOf(shape) }, draw) };
}

/** Uniform numbers of [0, 1) for an input of a step; `input` tells apart the inputs of a graph. */
export function uniformNoise(shape: Shape, seed: number, step: number, input: number): Tensor {
  const stream = randomStream(seed, step, input, purposes.learning);
  const data = new Float32Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) data[i] = (stream.next() >>> 8) / 2 ** 24;
  return { dtype: "float32", shape, data };
}
