/** Networks built from lists of steps, and removals drawn at random. */

import fc from "fast-check";
import type { Graph } from "../../src/graph/graph.ts";
import { int64s, sizeOf, type Shape, type Tensor } from "../../src/graph/tensor.ts";
import type { Value } from "../../src/ops/core/define.ts";
import { createEmitter, valueIn } from "../../src/ops/emitter.ts";
import type { Analysis } from "../../src/prune/coupling/analysis.ts";
import { whyNotWhole } from "../../src/prune/cut/whole.ts";
import { newBuilder, random, shuffled } from "../support/graphs.ts";
import { applyWider, countingKinds, widerKinds, type CountingStep, type Tools, type WiderStep } from "./wider-steps.ts";

/** One step of a network. Every number fits every network: it is taken modulo what is possible. */
export type Step =
  | {
      readonly step: "conv";
      readonly out: number;
      readonly kernel: 1 | 3;
      readonly stride: 1 | 2;
      readonly bias: boolean;
    }
  | { readonly step: "depthwise"; readonly times: number; readonly bias: boolean }
  | { readonly step: "grouped"; readonly groups: number; readonly width: number }
  | { readonly step: "normalise" }
  | { readonly step: "activate"; readonly by: "Relu" | "Clip" | "Sigmoid" | "LeakyRelu" }
  | { readonly step: "pool"; readonly by: "MaxPool" | "AveragePool" }
  | { readonly step: "residual"; readonly inner: number; readonly normalise: boolean }
  | { readonly step: "project"; readonly out: number }
  | { readonly step: "widen"; readonly before: number; readonly after: number }
  | { readonly step: "concat"; readonly out: number; readonly first: boolean }
  | { readonly step: "squeeze"; readonly inner: number }
  | { readonly step: "split"; readonly at: number; readonly swap: boolean }
  | { readonly step: "shared"; readonly bias: boolean }
  | { readonly step: "shuffle"; readonly groups: number }
  | WiderStep
  | CountingStep;

export type Head = "gemm" | "gemm-transposed" | "mean" | "convolution" | "matmul";

export interface Net {
  readonly size: number;
  readonly steps: readonly Step[];
  readonly head: Head;
  readonly seed: number;
}

const upTo = (max: number) => fc.integer({ min: 1, max });
const bias = fc.boolean();

const stepKinds: readonly fc.Arbitrary<Step>[] = [
  fc.record({
    step: fc.constant("conv"),
    out: upTo(8),
    kernel: fc.constantFrom(1, 3),
    stride: fc.constantFrom(1, 2),
    bias,
  }),
  fc.record({ step: fc.constant("depthwise"), times: upTo(2), bias }),
  fc.record({ step: fc.constant("grouped"), groups: fc.integer({ min: 2, max: 3 }), width: upTo(3) }),
  fc.record({ step: fc.constant("normalise") }),
  fc.record({ step: fc.constant("activate"), by: fc.constantFrom("Relu", "Clip", "Sigmoid", "LeakyRelu") }),
  fc.record({ step: fc.constant("pool"), by: fc.constantFrom("MaxPool", "AveragePool") }),
  fc.record({ step: fc.constant("residual"), inner: upTo(6), normalise: fc.boolean() }),
  fc.record({ step: fc.constant("project"), out: upTo(8) }),
  fc.record({
    step: fc.constant("widen"),
    before: fc.integer({ min: 0, max: 2 }),
    after: fc.integer({ min: 0, max: 3 }),
  }),
  fc.record({ step: fc.constant("concat"), out: upTo(5), first: fc.boolean() }),
  fc.record({ step: fc.constant("squeeze"), inner: upTo(4) }),
  fc.record({ step: fc.constant("split"), at: upTo(7), swap: fc.boolean() }),
  fc.record({ step: fc.constant("shared"), bias }),
  fc.record({ step: fc.constant("shuffle"), groups: fc.integer({ min: 2, max: 3 }) }),
];

const netsOf = (kinds: readonly fc.Arbitrary<Step>[]): fc.Arbitrary<Net> =>
  fc.record({
    size: fc.integer({ min: 4, max: 8 }),
    // Convolutions are as frequent as four other kinds: without them there is nothing to remove.
    steps: fc.array(fc.oneof(...Array.from({ length: 3 }, () => stepKinds[0]!), ...kinds), {
      minLength: 1,
      maxLength: 9,
    }),
    head: fc.constantFrom<Head>("gemm", "gemm-transposed", "mean", "convolution", "matmul"),
    seed: fc.nat(1_000_000),
  });

/** Networks in which cutting is zeroing everywhere. */
export const nets = netsOf([...stepKinds, ...widerKinds]);
/** Networks with normalisations and the like in between. */
export const countingNets = netsOf([...stepKinds, ...widerKinds, ...countingKinds, ...countingKinds, ...countingKinds]);

/** Builds the network: one input [2, 3, size, size], one output [2, 4]. */
export function buildNet(net: Net): { graph: Graph; feeds: Record<string, Tensor> } {
  const next = random(net.seed + 1);
  const builder = newBuilder();
  const g = createEmitter(builder);
  const floats = (shape: Shape, low: number, high: number): Tensor => ({
    dtype: "float32",
    shape,
    data: Float32Array.from({ length: sizeOf(shape) }, () => low + next() * (high - low)),
  });
  const weight = (base: string, shape: Shape, low: number, high: number): Value => {
    const name = builder.fresh(base);
    const value = floats(shape, low, high);
    builder.initializers.set(name, value);
    builder.types.set(name, { dtype: value.dtype, shape });
    return valueIn(builder, name);
  };
  /** Keeps the variance of what comes in. */
  const kernel = (shape: Shape, fan = sizeOf(shape.slice(1))): Value => {
    const bound = Math.sqrt(3 / fan);
    return weight("weight", shape, -bound, bound);
  };
  const offset = (size: number, wanted = true) => (wanted ? weight("bias", [size], -0.5, 0.5) : undefined);
  const conv = (x: Value, out: number, size: number, stride = 1, withBias = true): Value =>
    g.Conv(x, kernel([out, x.shape[1]!, size, size]), offset(out, withBias), {
      kernel_shape: [size, size],
      strides: [stride, stride],
      pads: [0, 0, 0, 0].map(() => (size - 1) / 2),
    });
  const normalise = (x: Value): Value => {
    const n = x.shape[1]!;
    const [scale, shift] = [weight("scale", [n], 0.5, 1.5), weight("shift", [n], -0.5, 0.5)];
    return g.BatchNormalization(x, scale, shift, weight("mean", [n], -0.5, 0.5), weight("var", [n], 0.5, 1.5));
  };
  const convolve = (x: Value, size: number, groups: number, out: number, withBias: boolean): Value =>
    g.Conv(x, kernel([out, x.shape[1]! / groups, size, size]), offset(out, withBias), {
      kernel_shape: [size, size],
      pads: [1, 1, 1, 1],
      group: groups,
    });
  const scalar = (value: number) => g.constant({ dtype: "float32", shape: [], data: Float32Array.of(value) });
  const tools: Tools = { g, next, weight, kernel, offset, conv, convolve, scalar };

  const apply = (x: Value, one: Step): Value => {
    const [n, channels, height, width] = x.shape as [number, number, number, number];
    switch (one.step) {
      case "conv":
        return conv(x, one.out, one.kernel, one.stride, one.bias);
      case "depthwise":
        return convolve(x, 3, channels, channels * one.times, one.bias);
      case "grouped": {
        const groups = channels % one.groups === 0 ? one.groups : 1;
        return convolve(x, 3, groups, groups * one.width, true);
      }
      case "normalise":
        return normalise(x);
      case "activate":
        return one.by === "Clip" ? g.Clip(x, scalar(0), scalar(6)) : g[one.by](x);
      case "pool":
        return Math.min(height, width) < 2 ? x : g[one.by](x, { kernel_shape: [2, 2], strides: [2, 2] });
      case "residual": {
        const inner = g.Relu(one.normalise ? normalise(conv(x, one.inner, 3)) : conv(x, one.inner, 3));
        return g.Relu(g.Add(x, conv(inner, channels, 3)));
      }
      case "project":
        return g.Relu(g.Add(conv(x, one.out, 1, 2), normalise(conv(x, one.out, 3, 2))));
      case "widen": {
        // ResNet's shortcut without weights: every other position, and zeros for the channels that are new.
        const toTheEnd = g.constant({ dtype: "int64", shape: [2], data: new BigInt64Array(2).fill(2n ** 63n - 1n) });
        const apart = g.Slice(x, int64(0, 0), toTheEnd, int64(2, 3), int64(2, 2));
        const shortcut = g.Pad(apart, int64(0, one.before, 0, 0, 0, one.after, 0, 0));
        return g.Relu(g.Add(normalise(conv(x, channels + one.before + one.after, 3, 2)), shortcut));
      }
      case "concat": {
        const more = g.Relu(conv(x, one.out, 3));
        return one.first ? g.Concat(more, x, { axis: 1 }) : g.Concat(x, more, { axis: 1 });
      }
      case "squeeze": {
        const inner = g.Relu(conv(g.GlobalAveragePool(x), one.inner, 1));
        return g.Mul(x, g.Sigmoid(conv(inner, channels, 1)));
      }
      case "split": {
        if (channels < 2) return x;
        const at = 1 + (one.at % (channels - 1));
        const [left, right] = g.many("Split", [x, int64(at, channels - at)], { axis: 1 }, 2) as [Value, Value];
        const worked = g.Relu(conv(right, right.shape[1]!, 3));
        return one.swap ? g.Concat(worked, left, { axis: 1 }) : g.Concat(left, worked, { axis: 1 });
      }
      case "shared": {
        const same = kernel([channels, channels, 3, 3]);
        const shift = offset(channels, one.bias);
        const once = (y: Value) => g.Relu(g.Conv(y, same, shift, { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }));
        return once(once(x));
      }
      case "shuffle": {
        if (channels % one.groups !== 0 || channels === one.groups) return x;
        const apart = g.Reshape(x, int64(n, one.groups, channels / one.groups, height, width));
        return g.Reshape(g.Transpose(apart, { perm: [0, 2, 1, 3, 4] }), int64(n, channels, height, width));
      }
      default:
        return applyWider(tools, x, one);
    }
  };
  const int64 = (...values: number[]): Value => g.constant(int64s(values));

  const head = (x: Value): Value => {
    switch (net.head) {
      case "gemm": {
        const flat = g.Flatten(x);
        return g.Gemm(flat, kernel([flat.shape[1]!, 4], flat.shape[1]!), offset(4));
      }
      case "gemm-transposed": {
        const flat = g.Flatten(g.Relu(x));
        return g.Gemm(flat, kernel([4, flat.shape[1]!]), offset(4), { transB: 1 });
      }
      case "mean":
        return g.Gemm(g.ReduceMean(x, int64(2, 3), { keepdims: 0 }), kernel([4, x.shape[1]!]), offset(4), {
          transB: 1,
        });
      case "convolution":
        return g.Flatten(conv(g.GlobalAveragePool(x), 4, 1));
      case "matmul": {
        const flat = g.Reshape(x, int64(0, -1));
        return g.Add(g.MatMul(flat, kernel([flat.shape[1]!, 4], flat.shape[1]!)), offset(4));
      }
    }
  };

  const input = builder.input("input", { dtype: "float32", shape: [2, 3, net.size, net.size] });
  const x = net.steps.reduce(apply, valueIn(builder, input));
  const graph = builder.finish([head(x).name]);
  return { graph, feeds: { [input]: floats([2, 3, net.size, net.size], -1.5, 1.5) } };
}

/** Adds whole groups to a removal, as many as can go beside each other, in an order drawn at random. Gives their names. */
export function addWholes(groups: Analysis, removal: Map<string, number[]>, seed: number): string[] {
  const wholes: string[] = [];
  for (const at of shuffled(groups.groups.length, random(seed + 5))) {
    const { name, units } = groups.groups[at]!;
    if (whyNotWhole(groups, [...wholes, name]) !== undefined) continue;
    wholes.push(name);
    removal.set(
      name,
      units.map((_, unit) => unit),
    );
  }
  return wholes;
}

/** Of every group a random part of its units, never all. */
export function drawRemoval(groups: Analysis, seed: number): Map<string, number[]> {
  const next = random(seed + 1);
  const removal = new Map<string, number[]>();
  for (const { name, units } of groups.groups) {
    const count = Math.floor(next() * units.length);
    if (count > 0) removal.set(name, shuffled(units.length, next).slice(0, count));
  }
  return removal;
}
