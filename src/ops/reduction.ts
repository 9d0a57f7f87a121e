/** Reductions over axes. */

import { sizeOf, toNumbers, type Shape } from "../graph/tensor.ts";
import type { Channels } from "./channels.ts";
import { defineOp, int, type Op, type Value } from "./define.ts";
import type { Emit } from "./emit.ts";
import { fail } from "../graph/error.ts";

/** The axes of a reduction, non-negative; all of them where none are given. */
function reducedAxes(data: Value, axes: Value | undefined, noop: number): number[] {
  if (axes === undefined) return noop ? [] : data.shape.map((_, i) => i);
  if (axes.constant === undefined) fail("unsupported", "the axes of the reduction are not a constant");
  const list = toNumbers(axes.constant).map((axis) => (axis < 0 ? axis + data.shape.length : axis));
  return list.length === 0 ? (noop ? [] : data.shape.map((_, i) => i)) : list;
}

function reducedShape(shape: Shape, axes: readonly number[], keepdims: number): number[] {
  return shape.flatMap((dim, i) => (axes.includes(i) ? (keepdims ? [1] : []) : [dim]));
}

interface ReductionRules {
  /** dX, given dY shaped so that it broadcasts over X. */
  readonly gradient: (g: Emit, dy: Value, x: Value, y: Value, count: number) => Value;
  /** Whether removing zeros from a reduced axis leaves the result as it is. */
  readonly ignoresZeros: boolean;
  readonly since: number;
}

function reduction(name: string, rules: ReductionRules): Op {
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
      const count = sizeOf(data.shape) / sizeOf(kept);
      return {
        data: () => rules.gradient(g, g.reshaped(dy, kept), data, g.reshaped(y, kept), count),
      };
    },
    channels(c, { data, axes }, [Y], { keepdims, noop_with_empty_axes }) {
      coupleKept(c, data, Y!, reducedAxes(data, axes, noop_with_empty_axes), keepdims, rules.ignoresZeros);
    },
    zero: "any",
    samples: [
      { inputs: [[2, 3, 4], { dtype: "int64", shape: [1], data: BigInt64Array.of(1n) }] },
      {
        inputs: [[2, 3, 4], { dtype: "int64", shape: [2], data: BigInt64Array.of(0n, -1n) }],
        attributes: { keepdims: 0 },
      },
      { inputs: [[2, 3]] },
    ],
  });
}

function coupleKept(
  c: Channels,
  x: Value,
  y: Value,
  axes: readonly number[],
  keepdims: number,
  ignoresZeros: boolean,
): void {
  let at = 0;
  x.shape.forEach((_, i) => {
    if (!axes.includes(i)) c.same(c.axis(x, i), c.axis(y, at++));
    else {
      const reduced = c.axis(x, i);
      if (!ignoresZeros) c.inexact(reduced, "it counts what it reduces, zeros too");
      if (keepdims) at++;
    }
  });
}

/** https://onnx.ai/onnx/operators/onnx__ReduceSum.html */
export const ReduceSum = reduction("ReduceSum", {
  since: 13,
  gradient: (_g, dy) => dy,
  ignoresZeros: true,
});

/** https://onnx.ai/onnx/operators/onnx__ReduceMean.html — a mean counts what it averages, zeros too */
export const ReduceMean = reduction("ReduceMean", {
  since: 18,
  gradient: (g, dy, _x, _y, count) => g.Mul(dy, g.scalar(1 / count, dy)),
  ignoresZeros: false,
});
