/** Gradients of kernels at the sizes that decide how they are written: the same, whichever way. */

import { describe, expect, it } from "vitest";
import { differentiate } from "../../../src/autodiff/differentiate.ts";
import { sizeOf, type Shape, type Tensor } from "../../../src/graph/tensor.ts";
import { createEmitter, valueIn } from "../../../src/ops/emitter.ts";
import type { Value } from "../../../src/ops/core/define.ts";
import { newBuilder, noise, runGraph } from "../../support/graphs.ts";

interface Case {
  readonly what: string;
  /** [N, C, height, width] */
  readonly x: readonly [number, number, number, number];
  readonly outs: number;
  readonly kernel: readonly [number, number];
  readonly strides?: readonly [number, number];
  readonly dilations?: readonly [number, number];
  /** Above, left, below, right. */
  readonly pads?: readonly [number, number, number, number];
}

/** The gradient as the engine writes it, and what it gives. */
async function write({ x, outs, kernel, strides = [1, 1], dilations = [1, 1], pads = [0, 0, 0, 0] }: Case) {
  const builder = newBuilder();
  const g = createEmitter(builder);
  const input = (name: string, shape: Shape): Value =>
    valueIn(builder, builder.input(name, { dtype: "float32", shape }));
  const [X, W] = [input("X", x), input("W", [outs, x[1], ...kernel])];
  const Y = g.Conv(X, W, { strides, dilations, pads });
  const dW = differentiate(builder, [{ value: Y, seed: input("dY", Y.shape) }], ["W"]).get("W")!;
  const feeds = { X: noise(x, 1), W: noise(W.shape, 2), dY: noise(Y.shape, 3) };
  const found = (await runGraph(builder.finish([dW.name]), feeds))[dW.name]!.data as Float32Array;
  const rows = builder.nodes
    .filter(({ op }) => op === "Gemm")
    .map(({ inputs }) => builder.types.get(inputs[0]!)!.shape[1]!);
  return { pixels: x[0] * sizeOf(Y.shape.slice(2)), rows, found, expected: expected(feeds.X, feeds.dY) };

  /** ∂/∂W by its definition, in double precision. */
  function expected({ data: from }: Tensor, { data: to, shape }: Tensor): Float64Array {
    const [samples, channels, height, width] = x;
    const [, , lines, columns] = shape as [number, number, number, number];
    const result = new Float64Array(outs * channels * kernel[0] * kernel[1]);
    for (let i = 0; i < result.length; i++) {
      const [across, down] = [i % kernel[1], Math.floor(i / kernel[1]) % kernel[0]];
      const [c, m] = [
        Math.floor(i / kernel[0] / kernel[1]) % channels,
        Math.floor(i / kernel[0] / kernel[1] / channels),
      ];
      for (let n = 0; n < samples; n++)
        for (let line = 0; line < lines; line++) {
          const h = line * strides[0] + down * dilations[0] - pads[0];
          if (h < 0 || h >= height) continue;
          for (let column = 0; column < columns; column++) {
            const w = column * strides[1] + across * dilations[1] - pads[1];
            if (w < 0 || w >= width) continue;
            const value = (from as Float32Array)[((n * channels + c) * height + h) * width + w]!;
            result[i]! += value * (to as Float32Array)[((n * outs + m) * lines + line) * columns + column]!;
          }
        }
    }
    return result;
  }
}

function expectSame(found: Float32Array, expected: Float64Array): void {
  const largest = Math.max(...expected.map(Math.abs));
  expect(Math.max(...expected.map((value, i) => Math.abs(value - found[i]!)))).toBeLessThan(1e-5 * largest);
}

describe("rows that would all begin in the same sets of the cache", () => {
  const same = { kernel: [3, 3], pads: [1, 1, 1, 1] } as const;
  it.each<Case>([
    { what: "a product for each tap", x: [16, 12, 16, 16], outs: 72, ...same },
    { what: "taps along a line", x: [16, 8, 16, 16], outs: 10, ...same },
    { what: "dY is what is shifted", x: [16, 13, 16, 16], outs: 11, ...same },
    { what: "few channels by phases", x: [16, 3, 32, 32], outs: 4, ...same, strides: [2, 2] },
    {
      what: "phases, of which a stride leaves some over",
      x: [16, 11, 33, 33],
      outs: 4,
      kernel: [2, 2],
      strides: [2, 2],
    },
  ])("$what: padded, and the same", async (one) => {
    const { pixels, rows, found, expected } = await write(one);
    expect(pixels % 512).toBe(0);
    expect(rows.length).toBeGreaterThan(0);
    for (const columns of rows) expect(columns % 512).not.toBe(0);
    expectSame(found, expected);
  });

  it("stay where that would be too much more", async () => {
    const { pixels, rows, found, expected } = await write({ what: "", x: [8, 72, 8, 8], outs: 72, ...same });
    expect(new Set(rows)).toEqual(new Set([pixels]));
    expectSame(found, expected);
  });
});

describe("shifts in one piece, past the ends of axes", () => {
  it.each<Case>([
    { what: "zeros between rows", x: [2, 9, 6, 5], outs: 10, kernel: [3, 3], pads: [1, 1, 1, 1] },
    { what: "no zeros at all", x: [2, 9, 6, 5], outs: 9, kernel: [3, 2] },
    { what: "zeros on one side", x: [3, 9, 5, 4], outs: 12, kernel: [3, 3], pads: [2, 0, 0, 2] },
    { what: "zeros on the other", x: [3, 9, 5, 4], outs: 12, kernel: [3, 3], pads: [0, 2, 2, 0] },
    {
      what: "steps between taps",
      x: [2, 9, 7, 6],
      outs: 11,
      kernel: [2, 3],
      dilations: [3, 2],
      pads: [2, 1, 1, 3],
    },
    { what: "a kernel as large as the image", x: [2, 9, 4, 3], outs: 9, kernel: [5, 5], pads: [2, 2, 2, 2] },
    { what: "dY is what is shifted", x: [2, 12, 5, 6], outs: 9, kernel: [3, 3], pads: [2, 0, 1, 1] },
    { what: "one sample", x: [1, 9, 3, 2], outs: 9, kernel: [3, 3], pads: [1, 1, 1, 1] },
  ])("$what", async (one) => {
    const { pixels, rows, found, expected } = await write(one);
    expect(rows.length).toBe(one.kernel[0] * one.kernel[1]);
    expect(Math.min(...rows)).toBeGreaterThan(pixels);
    expectSame(found, expected);
  });
});
