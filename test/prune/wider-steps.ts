/** Steps of generated networks that write one axis as several, join and split channels, or leave the image for tokens and back. */

import fc from "fast-check";
import type { Shape } from "../../src/graph/tensor.ts";
import type { Value } from "../../src/ops/core/define.ts";
import type { Emit } from "../../src/ops/core/emit.ts";

export type WiderStep =
  | { readonly step: "c2f"; readonly width: number; readonly blocks: number; readonly residual: boolean }
  | { readonly step: "pyramid"; readonly width: number; readonly pools: number }
  | { readonly step: "halves"; readonly groups: number; readonly half: number }
  | { readonly step: "twins"; readonly half: number; readonly out: number }
  | { readonly step: "itself"; readonly times: number; readonly activate: boolean }
  | { readonly step: "beside"; readonly axis: 2 | 3; readonly out: number }
  | { readonly step: "reorder"; readonly times: number }
  | { readonly step: "spatialGate" }
  | { readonly step: "toSpace"; readonly by: "views" | "views, apart" | "CRD" | "DCR"; readonly width: number }
  | { readonly step: "toDepth"; readonly by: "views" | "SpaceToDepth" }
  | { readonly step: "enlarge"; readonly by: "nearest" | "linear" | "sizes" }
  | { readonly step: "transposed"; readonly groups: number; readonly width: number }
  | {
      readonly step: "attention";
      readonly form: "merged" | "separate" | "grouped" | "batched";
      readonly heads: number;
      readonly size: number;
      readonly times: number;
    }
  | { readonly step: "mixTokens"; readonly hidden: number }
  | { readonly step: "mixChannels"; readonly hidden: number; readonly scale: boolean };

/** Steps that count what they reduce, so that cutting is not zeroing; proofs go around them. */
export type CountingStep =
  | { readonly step: "layerNorm" }
  | { readonly step: "groupNorm"; readonly groups: number }
  | { readonly step: "softmaxGate" }
  | { readonly step: "pooledGate" };

const upTo = (max: number) => fc.integer({ min: 1, max });

export const widerKinds: readonly fc.Arbitrary<WiderStep>[] = [
  fc.record({ step: fc.constant("c2f"), width: upTo(4), blocks: upTo(2), residual: fc.boolean() }),
  fc.record({ step: fc.constant("pyramid"), width: upTo(4), pools: upTo(3) }),
  fc.record({ step: fc.constant("halves"), groups: fc.constantFrom(2, 2, 3), half: upTo(4) }),
  fc.record({ step: fc.constant("twins"), half: upTo(4), out: upTo(4) }),
  fc.record({ step: fc.constant("itself"), times: upTo(2), activate: fc.boolean() }),
  fc.record({ step: fc.constant("beside"), axis: fc.constantFrom(2, 3), out: upTo(6) }),
  fc.record({ step: fc.constant("reorder"), times: upTo(2) }),
  fc.record({ step: fc.constant("spatialGate") }),
  fc.record({
    step: fc.constant("toSpace"),
    by: fc.constantFrom("views", "views, apart", "CRD", "DCR"),
    width: upTo(4),
  }),
  fc.record({ step: fc.constant("toDepth"), by: fc.constantFrom("views", "SpaceToDepth") }),
  fc.record({ step: fc.constant("enlarge"), by: fc.constantFrom("nearest", "linear", "sizes") }),
  fc.record({ step: fc.constant("transposed"), groups: upTo(3), width: upTo(3) }),
  fc.record({
    step: fc.constant("attention"),
    form: fc.constantFrom("merged", "separate", "grouped", "batched"),
    heads: upTo(3),
    size: upTo(3),
    times: upTo(3),
  }),
  fc.record({ step: fc.constant("mixTokens"), hidden: upTo(5) }),
  fc.record({ step: fc.constant("mixChannels"), hidden: upTo(6), scale: fc.boolean() }),
];

export const countingKinds: readonly fc.Arbitrary<CountingStep>[] = [
  fc.record({ step: fc.constant("layerNorm") }),
  fc.record({ step: fc.constant("groupNorm"), groups: fc.integer({ min: 2, max: 3 }) }),
  fc.record({ step: fc.constant("softmaxGate") }),
  fc.record({ step: fc.constant("pooledGate") }),
];

/** What steps are made with. */
export interface Tools {
  readonly g: Emit;
  /** Numbers in [0, 1). */
  readonly next: () => number;
  weight(base: string, shape: Shape, low: number, high: number): Value;
  /** A weight that keeps the variance of what comes in. */
  kernel(shape: Shape, fan?: number): Value;
  offset(size: number): Value | undefined;
  conv(x: Value, out: number, size: number): Value;
  /** With pads of 1. */
  convolve(x: Value, size: number, groups: number, out: number, bias: boolean): Value;
  scalar(value: number): Value;
}

/** Images larger than this do not grow further. */
const largest = 8;

/** Applies a step to an image [N, C, H, W] and gives an image. */
export function applyWider(tools: Tools, x: Value, one: WiderStep | CountingStep): Value {
  const { g, conv, kernel, offset, scalar } = tools;
  const [n, channels, height, width] = x.shape as [number, number, number, number];
  const small = Math.max(height, width) <= largest;
  const linear = (y: Value, out: number): Value =>
    g.Add(g.MatMul(y, kernel([y.shape.at(-1)!, out], y.shape.at(-1)!)), offset(out));
  const reshape = (y: Value, ...shape: number[]): Value => g.Reshape(y, g.ints(shape));
  const transpose = (y: Value, ...perm: number[]): Value => g.Transpose(y, { perm });
  const concat = (...parts: Value[]): Value => g.Concat(...parts, { axis: 1 });
  const split = (y: Value, sizes: number[], axis = 1): readonly Value[] =>
    g.many("Split", [y, g.ints(sizes)], { axis }, sizes.length);
  const shuffle = (y: Value, groups: number): Value => {
    const [, c, h, w] = y.shape as [number, number, number, number];
    return reshape(transpose(reshape(y, n, groups, c / groups, h, w), 0, 2, 1, 3, 4), n, c, h, w);
  };
  const toTokens = (y: Value): Value => transpose(reshape(y, n, channels, height * width), 0, 2, 1);
  const toImage = (y: Value): Value => reshape(transpose(y, 0, 2, 1), n, channels, height, width);

  switch (one.step) {
    case "c2f": {
      const parts = [...split(g.Relu(conv(x, 2 * one.width, 1)), [one.width, one.width])];
      for (let i = 0; i < one.blocks; i++) {
        const worked = g.Relu(conv(parts.at(-1)!, one.width, 3));
        parts.push(one.residual ? g.Add(parts.at(-1)!, worked) : worked);
      }
      return conv(concat(...parts), channels, 1);
    }
    case "pyramid": {
      const parts = [conv(x, one.width, 1)];
      for (let i = 0; i < one.pools; i++)
        parts.push(g.MaxPool(parts.at(-1)!, { kernel_shape: [3, 3], strides: [1, 1], pads: [1, 1, 1, 1] }));
      return conv(concat(...parts), channels, 1);
    }
    case "halves": {
      // ShuffleNet v2: one part passes, the others are worked on, and all are shuffled.
      const whole = channels % one.groups === 0 ? x : conv(x, one.groups * one.half, 1);
      const part = whole.shape[1]! / one.groups;
      const [first, ...others] = split(
        whole,
        Array.from({ length: one.groups }, () => part),
      ) as [Value, ...Value[]];
      const worked = others.map((y) => conv(tools.convolve(conv(y, part, 1), 3, part, part, true), part, 1));
      return shuffle(concat(first, ...worked), one.groups);
    }
    case "twins": {
      const whole = channels % 2 === 0 ? x : conv(x, 2 * one.half, 1);
      const half = whole.shape[1]! / 2;
      const same = kernel([one.out, half, 1, 1]);
      const [a, b] = split(whole, [half, half]) as [Value, Value];
      return concat(g.Conv(a, same, { kernel_shape: [1, 1] }), g.Relu(g.Conv(b, same, { kernel_shape: [1, 1] })));
    }
    case "itself": {
      const y = one.activate ? g.Relu(x) : x;
      return channels > 12 ? y : concat(x, ...Array.from({ length: one.times }, () => y));
    }
    case "beside": {
      if (!small) return x;
      return g.Concat(conv(x, one.out, 3), g.Relu(conv(x, one.out, 1)), { axis: one.axis });
    }
    case "reorder": {
      const order = Array.from({ length: channels }, (_, i) => (i * (one.times + 1) + 1) % channels);
      return g.Gather(x, g.ints(order), { axis: 1 });
    }
    case "spatialGate":
      return g.Mul(x, g.Sigmoid(conv(x, 1, 3)));
    case "toSpace": {
      if (!small) return x;
      const y = conv(x, 4 * one.width, 1);
      if (one.by === "CRD" || one.by === "DCR") return g.DepthToSpace(y, { blocksize: 2, mode: one.by });
      const apart =
        one.by === "views"
          ? transpose(reshape(y, n, one.width, 2, 2, height, width), 0, 1, 4, 2, 5, 3)
          : transpose(reshape(y, n, 2, 2, one.width, height, width), 0, 3, 4, 1, 5, 2);
      return reshape(apart, n, one.width, 2 * height, 2 * width);
    }
    case "toDepth": {
      if ((height % 2) + (width % 2) > 0 || channels > 6) return x;
      if (one.by === "SpaceToDepth") return g.SpaceToDepth(x, { blocksize: 2 });
      const apart = transpose(reshape(x, n, channels, height / 2, 2, width / 2, 2), 0, 1, 3, 5, 2, 4);
      return reshape(apart, n, 4 * channels, height / 2, width / 2);
    }
    case "enlarge": {
      if (!small) return x;
      if (one.by === "sizes") return g.Resize(x, undefined, undefined, g.ints([n, channels, 2 * height, 2 * width]));
      const scales = g.constant({ dtype: "float32", shape: [4], data: Float32Array.of(1, 1, 2, 2) });
      return g.Resize(x, undefined, scales, { mode: one.by, coordinate_transformation_mode: "asymmetric" });
    }
    case "transposed": {
      if (!small) return x;
      const groups = channels % one.groups === 0 ? one.groups : 1;
      const by = kernel([channels, one.width, 2, 2], channels / groups);
      return g.ConvTranspose(x, by, offset(groups * one.width), {
        kernel_shape: [2, 2],
        strides: [2, 2],
        group: groups,
      });
    }
    case "attention": {
      if (!small) return x;
      const t = height * width;
      const { heads, size } = one;
      const y = toTokens(x);
      const queries = one.form === "grouped" ? heads * one.times : heads;
      const split3 = (): Value[] => {
        const all = transpose(reshape(linear(y, 3 * heads * size), n, t, 3, heads, size), 2, 0, 3, 1, 4);
        return split(all, [1, 1, 1], 0).map((part) => g.Squeeze(part, g.ints([0])));
      };
      const apart = (count: number): Value =>
        transpose(reshape(linear(y, count * size), n, t, count, size), 0, 2, 1, 3);
      // As PyTorch's module: time first, and heads beside the batch.
      const batched = (): Value =>
        transpose(reshape(transpose(linear(y, heads * size), 1, 0, 2), t, n * heads, size), 1, 0, 2);
      const repeated = (z: Value): Value => {
        const copies = g.Expand(g.Unsqueeze(z, g.ints([2])), g.ints([n, heads, one.times, t, size]));
        return reshape(copies, n, queries, t, size);
      };
      const [q, k, v] = (
        one.form === "merged"
          ? split3()
          : one.form === "batched"
            ? [batched(), batched(), batched()]
            : one.form === "grouped"
              ? [apart(queries), repeated(apart(heads)), repeated(apart(heads))]
              : [apart(heads), apart(heads), apart(heads)]
      ) as [Value, Value, Value];
      const last = one.form === "batched" ? [0, 2, 1] : [0, 1, 3, 2];
      const scores = g.Softmax(g.MatMul(g.Mul(q, scalar(size ** -0.5)), transpose(k, ...last)), { axis: -1 });
      const mixed = g.MatMul(scores, v);
      const back =
        one.form === "batched"
          ? transpose(reshape(transpose(mixed, 1, 0, 2), t, n, heads * size), 1, 0, 2)
          : reshape(transpose(mixed, 0, 2, 1, 3), n, t, queries * size);
      return toImage(g.Add(y, linear(back, channels)));
    }
    case "mixTokens": {
      if (!small) return x;
      const rows = reshape(x, n, channels, height * width);
      const mixed = linear(g.Relu(linear(rows, one.hidden)), height * width);
      return reshape(g.Add(rows, mixed), n, channels, height, width);
    }
    case "mixChannels": {
      const last = transpose(x, 0, 2, 3, 1);
      const worked = linear(g.Relu(linear(last, one.hidden)), channels);
      const scaled = one.scale ? g.Mul(worked, tools.weight("gamma", [channels], 0.5, 1.5)) : worked;
      return g.Add(x, transpose(scaled, 0, 3, 1, 2));
    }
    case "layerNorm": {
      const [scale, shift] = [tools.weight("scale", [channels], 0.5, 1.5), offset(channels)];
      return transpose(g.LayerNormalization(transpose(x, 0, 2, 3, 1), scale, shift, { axis: -1 }), 0, 3, 1, 2);
    }
    case "groupNorm": {
      const groups = channels % one.groups === 0 ? one.groups : 1;
      const scale = tools.weight("scale", [channels], 0.5, 1.5);
      return g.GroupNormalization(x, scale, offset(channels), { num_groups: groups });
    }
    case "softmaxGate":
      return g.Mul(x, g.Softmax(conv(g.GlobalAveragePool(x), channels, 1), { axis: 1 }));
    case "pooledGate":
      return g.Mul(x, g.Sigmoid(g.ReduceMean(x, g.ints([1]), { keepdims: 1 })));
  }
}
