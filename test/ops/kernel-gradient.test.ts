/** Gradients of kernels at sizes whose rows would all begin in the same sets of the cache: padded, and the same. */

import { expect, it } from "vitest";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import { sizeOf, type Tensor } from "../../src/graph/tensor.ts";
import { createEmitter, valueIn } from "../../src/ops/emitter.ts";
import { newBuilder, noise, runGraph } from "../support/graphs.ts";

interface Case {
  readonly what: string;
  readonly x: readonly [number, number, number, number];
  readonly outs: number;
  readonly kernel: number;
  readonly stride: number;
  readonly pad: number;
  /** Whether there is more to compute. */
  readonly padded: boolean;
}

const cases: readonly Case[] = [
  { what: "a product for each tap", x: [16, 12, 16, 16], outs: 12, kernel: 3, stride: 1, pad: 1, padded: true },
  { what: "taps along a line", x: [16, 9, 16, 16], outs: 10, kernel: 3, stride: 1, pad: 1, padded: true },
  { what: "dY is what is shifted", x: [16, 13, 16, 16], outs: 11, kernel: 3, stride: 1, pad: 1, padded: true },
  { what: "few channels by phases", x: [16, 3, 32, 32], outs: 4, kernel: 3, stride: 2, pad: 1, padded: true },
  {
    what: "phases, of which a stride leaves some over",
    x: [16, 11, 33, 33],
    outs: 4,
    kernel: 2,
    stride: 2,
    pad: 0,
    padded: true,
  },
  { what: "too much more", x: [8, 12, 8, 8], outs: 12, kernel: 3, stride: 1, pad: 1, padded: false },
];

/** ∂/∂W by its definition, in double precision. */
function expected({ x: [samples, channels, height, width], outs, kernel, stride, pad }: Case, x: Tensor, dy: Tensor) {
  const [rows, columns] = dy.shape.slice(2) as [number, number];
  const [from, to] = [x.data as Float32Array, dy.data as Float32Array];
  const result = new Float64Array(outs * channels * kernel * kernel);
  for (let i = 0; i < result.length; i++) {
    const [across, down] = [i % kernel, Math.floor(i / kernel) % kernel];
    const [c, m] = [Math.floor(i / kernel ** 2) % channels, Math.floor(i / kernel ** 2 / channels)];
    for (let n = 0; n < samples; n++)
      for (let row = 0; row < rows; row++) {
        const h = row * stride + down - pad;
        if (h < 0 || h >= height) continue;
        for (let column = 0; column < columns; column++) {
          const w = column * stride + across - pad;
          if (w < 0 || w >= width) continue;
          const value = from[((n * channels + c) * height + h) * width + w]!;
          result[i]! += value * to[((n * outs + m) * rows + row) * columns + column]!;
        }
      }
  }
  return result;
}

it.each(cases)("$what", async (one) => {
  const { x, outs, kernel, stride, pad } = one;
  const builder = newBuilder();
  const g = createEmitter(builder);
  const [X, W] = [
    valueIn(builder, builder.input("X", { dtype: "float32", shape: x })),
    valueIn(builder, builder.input("W", { dtype: "float32", shape: [outs, x[1], kernel, kernel] })),
  ];
  const Y = g.Conv(X, W, { strides: [stride, stride], pads: [pad, pad, pad, pad] });
  expect((x[0] * sizeOf(Y.shape.slice(2))) % 512).toBe(0);
  const seed = valueIn(builder, builder.input("dY", { dtype: "float32", shape: Y.shape }));
  const dW = differentiate(builder, [{ value: Y, seed }], ["W"]).get("W")!;
  const rows = builder.nodes
    .filter(({ op }) => op === "Gemm")
    .map(({ inputs }) => builder.types.get(inputs[0]!)!.shape);
  expect(rows.length).toBeGreaterThan(0);
  for (const [, columns] of rows) expect(columns! % 512 !== 0).toBe(one.padded);
  const feeds = { X: noise(x, 1), W: noise(W.shape, 2), dY: noise(Y.shape, 3) };
  const found = (await runGraph(builder.finish([dW.name]), feeds))[dW.name]!.data as Float32Array;
  const reference = expected(one, feeds.X, feeds.dY);
  const largest = Math.max(...reference.map(Math.abs));
  expect(Math.max(...reference.map((value, i) => Math.abs(value - found[i]!)))).toBeLessThan(1e-5 * largest);
});
