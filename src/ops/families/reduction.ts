/** Reductions over axes. */

import { fail } from "../../graph/error.ts";
import { int64s, sizeOf, toNumbers, type Shape, type Tensor } from "../../graph/tensor.ts";
import type { Channels } from "../core/channels.ts";
import { defineOp, int, type Op, type Sample, type Value } from "../core/define.ts";
import { computed, eachIndex, elementsOf, asFloat } from "../core/elementwise.ts";
import type { Emit } from "../core/emit.ts";
import { integers, positive } from "../core/indexing.ts";
import type { OpName } from "../core/names.ts";

/** The axes of a reduction, non-negative; all of them where none are given. */
function reducedAxes(data: Value, axes: Value | undefined, noop: number): number[] {
  if (axes === undefined) return noop ? [] : data.shape.map((_, i) => i);
  if (axes.constant === undefined) fail("unsupported", "the axes of the reduction are not a constant");
  const list = integers(axes).map((axis) => positive(axis, data.shape.length));
  return list.length === 0 ? (noop ? [] : data.shape.map((_, i) => i)) : list;
}

function reducedShape(shape: Shape, axes: readonly number[], keepdims: number): number[] {
  return shape.flatMap((dim, i) => (axes.includes(i) ? (keepdims ? [1] : []) : [dim]));
}

/** The elements that each element of the result is made of, for constants. */
function foldGroups(data: Tensor, axes: readonly number[], apply: (group: readonly number[]) => number): number[] {
  const kept = reducedShape(data.shape, axes, 1);
  const groups: number[][] = Array.from({ length: sizeOf(kept) }, () => []);
  const places = eachIndex(data.shape, [kept], ([at]) => at!);
  toNumbers(data).forEach((value, i) => groups[places[i]!]!.push(value));
  return groups.map(apply);
}

interface ReductionRules {
  readonly since: number;
  /** dX, given dY and Y shaped so that they broadcast over X, and what is reduced. */
  readonly gradient: (g: Emit, dy: Value, x: Value, y: Value, axes: readonly number[]) => Value;
  /** Why removing zeros from a reduced axis changes the result, where it does. */
  readonly seesZeros?: string;
  /** Whether the result of `count` zeros is zero; default: it is. */
  readonly keepsZero?: (count: number) => boolean;
  readonly fold?: (group: readonly number[]) => number;
  /** Where the values of the samples are drawn from. */
  readonly range?: readonly [number, number];
}

/** How many elements are reduced to one. */
const countOf = (shape: Shape, axes: readonly number[]): number => axes.reduce((n, axis) => n * shape[axis]!, 1);

interface Folding {
  readonly noop_with_empty_axes: number;
}

function reduction(name: OpName, rules: ReductionRules): Op {
  const { fold, range, keepsZero } = rules;
  return defineOp({
    name,
    since: rules.since,
    inputs: ["data", "axes?"],
    attributes: { keepdims: int(1), noop_with_empty_axes: int(0) },
    shape: ({ data, axes }, { keepdims, noop_with_empty_axes }) =>
      reducedShape(data.shape, reducedAxes(data, axes, noop_with_empty_axes), keepdims),
    gradient(g, dy, { data, axes }, { noop_with_empty_axes }, y) {
      const reduced = reducedAxes(data, axes, noop_with_empty_axes);
      const kept = reducedShape(data.shape, reduced, 1);
      return {
        data: () => rules.gradient(g, g.reshaped(dy, kept), data, g.reshaped(y, kept), reduced),
      };
    },
    channels(c, { data, axes }, [Y], { keepdims, noop_with_empty_axes }) {
      coupleKept(c, data, Y!, reducedAxes(data, axes, noop_with_empty_axes), keepdims, rules.seesZeros);
    },
    // Over no axes the kernels of webgpu and cuda copy, where this is the function of each
    // element by itself (onnxruntime 1.30).
    deviceFallback(g, { data, axes }, { noop_with_empty_axes }) {
      if (!noop_with_empty_axes || reducedAxes(data, axes, noop_with_empty_axes).length > 0) return undefined;
      const last = g.ints([data.shape.length]);
      return [g[name](g.Unsqueeze(data, last), last, { keepdims: 0 })];
    },
    zero: ({ data, axes }, { noop_with_empty_axes }) =>
      (keepsZero?.(countOf(data.shape, reducedAxes(data, axes, noop_with_empty_axes))) ?? true) ? "any" : undefined,
    ...(fold && {
      fold: ({ data, axes }: { data: Value; axes: Value | undefined }, attributes: Folding, [Y]: readonly Value[]) =>
        elementsOf(data) &&
        computed(
          data.dtype,
          Y!.shape,
          foldGroups(data.constant!, reducedAxes(data, axes, attributes.noop_with_empty_axes), fold),
        ),
    }),
    samples: cases.map(([inputs, attributes]) => ({ inputs, attributes, range: range ?? [-1, 1] })),
  });
}

const cases: readonly (readonly [Sample["inputs"], Record<string, number>])[] = [
  [[[2, 3, 4], int64s([1])], {}],
  [[[2, 3, 4], int64s([0, -1])], { keepdims: 0 }],
  [[[2, 3]], {}],
  [[[2, 3]], { keepdims: 0 }],
  [[[2, 3, 4], int64s([-3])], { keepdims: 0 }],
  [[[2, 3], int64s([])], {}],
  [[[2, 3]], { noop_with_empty_axes: 1 }],
  [[[2, 3], int64s([])], { noop_with_empty_axes: 1, keepdims: 0 }],
  [[[2, 3], int64s([-1])], { noop_with_empty_axes: 1 }],
  [[[2, 1, 3], int64s([1])], { keepdims: 0 }],
];

function coupleKept(
  c: Channels,
  x: Value,
  y: Value,
  axes: readonly number[],
  keepdims: number,
  seesZeros: string | undefined,
): void {
  let at = 0;
  x.shape.forEach((_, i) => {
    if (!axes.includes(i)) c.same(c.axis(x, i), c.axis(y, at++));
    else {
      const reduced = c.axis(x, i);
      if (seesZeros) c.inexact(reduced, seesZeros);
      if (keepdims) at++;
    }
  });
}

/** https://onnx.ai/onnx/operators/onnx__ReduceSum.html */
export const ReduceSum = reduction("ReduceSum", {
  since: 13,
  gradient: (_g, dy) => dy,
  fold: (group) => group.reduce((a, b) => a + b, 0),
});

/** https://onnx.ai/onnx/operators/onnx__ReduceMean.html — a mean counts what it averages, zeros too */
export const ReduceMean = reduction("ReduceMean", {
  since: 18,
  gradient: (g, dy, x, _y, axes) => g.Mul(dy, g.scalar(1 / countOf(x.shape, axes), dy)),
  seesZeros: "it counts what it reduces, zeros too",
});

/** dX = dY / n at each of the n elements that equal Y: ties share the gradient, as in PyTorch's amax and amin. */
function toWinners(g: Emit, dy: Value, x: Value, y: Value, axes: readonly number[]): Value {
  const wins = asFloat(g, g.Equal(x, y), dy);
  return g.Mul(g.Div(dy, g.summed(wins, axes, true)), wins);
}

/** https://onnx.ai/onnx/operators/onnx__ReduceMax.html */
export const ReduceMax = reduction("ReduceMax", {
  since: 20,
  gradient: toWinners,
  seesZeros: "the largest of negative numbers and a zero is the zero",
  fold: (group) => group.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY),
});

/** https://onnx.ai/onnx/operators/onnx__ReduceMin.html */
export const ReduceMin = reduction("ReduceMin", {
  since: 20,
  gradient: toWinners,
  seesZeros: "the smallest of positive numbers and a zero is the zero",
  fold: (group) => group.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY),
});

/** https://onnx.ai/onnx/operators/onnx__ReduceProd.html — dX = dY · the product of the others */
export const ReduceProd = reduction("ReduceProd", {
  since: 18,
  gradient(g, dy, x, _y, axes) {
    const isZero = g.Equal(x, g.scalar(0, x));
    const zeros = asFloat(g, isZero, dy);
    const others = g.Sub(g.summed(zeros, axes, true), zeros);
    const nonzero = g.Where(isZero, g.scalar(1, x), x);
    const product = axes.length === 0 ? nonzero : g.ReduceProd(nonzero, g.ints(axes), { keepdims: 1 });
    const rest = g.Where(g.Greater(others, g.scalar(0, x)), g.scalar(0, x), g.Div(product, nonzero));
    return g.Mul(dy, rest);
  },
  seesZeros: "one zero makes the product zero",
  fold: (group) => group.reduce((a, b) => a * b, 1),
});

/** https://onnx.ai/onnx/operators/onnx__ReduceL1.html — Y = Σ |X|, dX = dY · sign X */
export const ReduceL1 = reduction("ReduceL1", {
  since: 18,
  gradient: (g, dy, x) => g.Mul(dy, g.Sign(x)),
});

/** https://onnx.ai/onnx/operators/onnx__ReduceL2.html — Y = √Σ X², dX = dY · X / Y; 0 where Y is, as PyTorch has it */
export const ReduceL2 = reduction("ReduceL2", {
  since: 18,
  gradient(g, dy, x, y) {
    const length = g.Where(g.Equal(y, g.scalar(0, y)), g.scalar(1, y), y);
    return g.Mul(g.Div(dy, length), x);
  },
});

/** https://onnx.ai/onnx/operators/onnx__ReduceSumSquare.html — Y = Σ X², dX = 2 dY · X */
export const ReduceSumSquare = reduction("ReduceSumSquare", {
  since: 18,
  gradient: (g, dy, x) => g.Mul(dy, g.Add(x, x)),
});

/** https://onnx.ai/onnx/operators/onnx__ReduceLogSum.html — Y = ln Σ X, dX = dY / exp Y */
export const ReduceLogSum = reduction("ReduceLogSum", {
  since: 18,
  gradient: (g, dy, _x, y) => g.Div(dy, g.Exp(y)),
  keepsZero: () => false,
  range: [0.2, 1.2],
});

/** https://onnx.ai/onnx/operators/onnx__ReduceLogSumExp.html — Y = ln Σ exp X, dX = dY · exp(X - Y) */
export const ReduceLogSumExp = reduction("ReduceLogSumExp", {
  since: 18,
  gradient: (g, dy, x, y) => g.Mul(dy, g.Exp(g.Sub(x, y))),
  seesZeros: "a zero counts as e⁰",
  keepsZero: (count) => count === 1,
});
