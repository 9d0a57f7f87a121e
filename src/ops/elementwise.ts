/** What operators that work element by element have in common, broadcasting included. */

import { fail } from "../graph/error.ts";
import type { DType, Shape, Tensor } from "../graph/tensor.ts";
import { tensor, toNumbers, type NumericDType } from "../graph/tensor.ts";
import type { Channels } from "./channels.ts";
import { defineOp, type Op, type Sample, type Value, type Zero } from "./define.ts";
import type { Emit } from "./emit.ts";

/** The shape that ONNX's multidirectional broadcasting gives. */
export function broadcast(...shapes: readonly Shape[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, i) => {
    let dim = 1;
    for (const shape of shapes) {
      const own = shape[i - rank + shape.length] ?? 1;
      if (own !== 1 && dim !== 1 && own !== dim)
        fail("bad-model", `shapes ${shapes.map((s) => `[${s.join(", ")}]`).join(" and ")} do not broadcast`);
      if (own !== 1) dim = own;
    }
    return dim;
  });
}

/** Axes of equal size couple with the output's; an axis of size 1 that is broadcast does not. */
export function coupleBroadcast(c: Channels, inputs: readonly (Value | undefined)[], y: Value): void {
  y.shape.forEach((dim, i) => {
    const together = inputs.flatMap((x) => {
      const at = x === undefined ? -1 : i - y.shape.length + x.shape.length;
      return x !== undefined && at >= 0 && x.shape[at] === dim ? [c.axis(x, at)] : [];
    });
    c.same(c.axis(y, i), ...together);
  });
}

/** All axes of two values of the same shape. */
export function coupleAll(c: Channels, x: Value, y: Value): void {
  x.shape.forEach((_, i) => c.same(c.axis(x, i), c.axis(y, i)));
}

/** Computes a broadcasting operator over constants of integers, as shape arithmetic needs it. */
export function foldBinary(
  a: Tensor | undefined,
  b: Tensor | undefined,
  apply: (x: number, y: number) => number,
  dtype?: DType,
): Tensor[] | undefined {
  if (a === undefined || b === undefined || a.dtype === "string" || b.dtype === "string") return undefined;
  const shape = broadcast(a.shape, b.shape);
  const [xs, ys] = [toNumbers(a), toNumbers(b)];
  const values = eachIndex(shape, [a.shape, b.shape], ([i, j]) => apply(xs[i!]!, ys[j!]!));
  return values.every(Number.isFinite) ? [tensor((dtype ?? a.dtype) as NumericDType, shape, values)] : undefined;
}

/** Visits a shape in row-major order with the flat positions in arrays that broadcast to it. */
export function eachIndex<T>(shape: Shape, shapes: readonly Shape[], visit: (positions: readonly number[]) => T): T[] {
  const strides = shapes.map((own) => {
    let step = 1;
    const result = shape.map(() => 0);
    for (let i = own.length - 1; i >= 0; i--) {
      if (own[i] !== 1) result[i + shape.length - own.length] = step;
      step *= own[i]!;
    }
    return result;
  });
  const total = shape.reduce((x, y) => x * y, 1);
  const results: T[] = [];
  for (let flat = 0; flat < total; flat++) {
    let rest = flat;
    const positions = shapes.map(() => 0);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const at = rest % shape[axis]!;
      rest = Math.floor(rest / shape[axis]!);
      for (let k = 0; k < strides.length; k++) positions[k]! += at * strides[k]![axis]!;
    }
    results.push(visit(positions));
  }
  return results;
}

/** An operator of one input; `derivative` gives dX from dY and may use the output. */
export function unary(
  name: string,
  since: number,
  derivative: ((g: Emit, dy: Value, x: Value, y: Value) => Value) | "stop",
  facts: { readonly range?: readonly [number, number]; readonly zero?: Zero } = {},
): Op {
  return defineOp({
    name,
    since,
    inputs: ["X"],
    shape: ({ X }) => X.shape,
    gradient: derivative === "stop" ? "stop" : (g, dy, { X }, _attributes, y) => ({ X: () => derivative(g, dy, X, y) }),
    channels: (c, { X }, [Y]) => coupleAll(c, X, Y!),
    ...(facts.zero && { zero: facts.zero }),
    samples: [{ inputs: [[2, 3, 4]], ...(facts.range && { range: facts.range }) }],
  });
}

/** The shapes on which every broadcasting operator is tried. */
const broadcastSamples = (range: readonly [number, number]): Sample[] => [
  {
    inputs: [
      [2, 3, 4],
      [2, 3, 4],
    ],
    range,
  },
  {
    inputs: [
      [2, 3, 4],
      [3, 1],
    ],
    range,
  },
  {
    inputs: [
      [3, 1],
      [2, 1, 4],
    ],
    range,
  },
  { inputs: [[4], []], range },
];

interface BinaryRules {
  readonly gradient:
    | ((g: Emit, dy: Value, a: Value, b: Value, y: Value) => { A: () => Value; B: () => Value })
    | "stop";
  readonly fold?: (x: number, y: number) => number;
  /** The element type of the output where it is not the inputs'. */
  readonly dtype?: DType;
  readonly range?: readonly [number, number];
  readonly zero?: Zero;
}

/** An operator of two inputs that broadcast; the engine sums gradients to the inputs' shapes. */
export function binary(name: string, since: number, rules: BinaryRules): Op {
  const { gradient, fold, dtype } = rules;
  return defineOp({
    name,
    since,
    inputs: ["A", "B"],
    shape: ({ A, B }) => broadcast(A.shape, B.shape),
    ...(dtype && { dtype: () => dtype }),
    gradient: gradient === "stop" ? "stop" : (g, dy, { A, B }, _attributes, y) => gradient(g, dy, A, B, y),
    channels: (c, { A, B }, [Y]) => coupleBroadcast(c, [A, B], Y!),
    ...(fold && {
      fold: ({ A, B }: { A: Value; B: Value }) =>
        A.dtype === "int64" || A.dtype === "int32" ? foldBinary(A.constant, B.constant, fold, dtype) : undefined,
    }),
    ...(rules.zero && { zero: rules.zero }),
    samples: broadcastSamples(rules.range ?? [-1, 1]),
  });
}
