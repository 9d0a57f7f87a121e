/** What operators that work element by element have in common, broadcasting included. */

import { fail } from "../../graph/error.ts";
import type { DType, Shape, Tensor } from "../../graph/tensor.ts";
import { holdsBits, isFloat, tensor, toNumbers, type NumericDType } from "../../graph/tensor.ts";
import type { Channels } from "./channels.ts";
import { defineOp, type Op, type Pullback, type Sample, type Value, type Zero } from "./define.ts";
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

/** Whether the elements of a tensor are numbers to compute with: not text, and not the bits of a short float. */
const isNumeric = ({ dtype }: Tensor): boolean => dtype !== "string" && !holdsBits(dtype);

/** What a fold computed; `undefined` where an element is not the number that the runtime would give. */
export function computed(dtype: DType, shape: Shape, values: readonly number[]): Tensor[] | undefined {
  const isExact = isFloat(dtype) ? Number.isFinite : Number.isSafeInteger;
  return values.every(isExact) ? [tensor(dtype as NumericDType, shape, values)] : undefined;
}

/** Computes a broadcasting operator over constants, as shape arithmetic needs it. */
export function foldElements(
  inputs: readonly Value[],
  dtype: DType,
  apply: (...elements: number[]) => number,
): Tensor[] | undefined {
  const constants = inputs.flatMap(({ constant }) => (constant && isNumeric(constant) ? [constant] : []));
  if (constants.length < inputs.length) return undefined;
  const shapes = constants.map(({ shape }) => shape);
  const shape = broadcast(...shapes);
  const elements = constants.map(toNumbers);
  const values = eachIndex(shape, shapes, (positions) => apply(...positions.map((at, i) => elements[i]![at]!)));
  return computed(dtype, shape, values);
}

/** Integers or truth values, true as 1, in the float type of `like`. */
export function asFloat(g: Emit, value: Value, like: Value): Value {
  return g.Cast(value, { to: like.dtype === "float64" ? 11 : 1 });
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

interface UnaryFacts {
  readonly range?: readonly [number, number];
  readonly zero?: Zero;
  readonly homogeneous?: boolean;
  readonly fold?: (x: number) => number;
  /** What the inputs of the samples are where they are not floats. */
  readonly of?: "bool";
  /** The element type of the output where it is not the input's. */
  readonly dtype?: DType;
}

/** An operator of one input; `derivative` gives dX from dY and may use the output. */
export function unary(
  name: string,
  since: number,
  derivative: ((g: Emit, dy: Value, x: Value, y: Value, pullback: Pullback) => Value) | "stop",
  { range, zero, homogeneous, fold, of, dtype }: UnaryFacts = {},
): Op {
  return defineOp({
    name,
    since,
    inputs: ["X"],
    shape: ({ X }) => X.shape,
    ...(dtype && { dtype: () => dtype }),
    gradient:
      derivative === "stop"
        ? "stop"
        : (g, dy, { X }, _attributes, y, pullback) => ({ X: () => derivative(g, dy, X, y, pullback) }),
    channels: (c, { X }, [Y]) => coupleAll(c, X, Y!),
    ...(zero && { zero }),
    ...(homogeneous && { homogeneous }),
    ...(fold && { fold: ({ X }: { X: Value }) => foldElements([X], dtype ?? X.dtype, fold) }),
    samples: [{ inputs: [[2, 3, 4]], ...(range && { range }), ...(of && { of }) }],
  });
}

/** The shapes on which every broadcasting operator is tried. */
const broadcastShapes: readonly (readonly Shape[])[] = [
  [
    [2, 3, 4],
    [2, 3, 4],
  ],
  [
    [2, 3, 4],
    [3, 1],
  ],
  [
    [3, 1],
    [2, 1, 4],
  ],
  [[4], []],
];

interface BinaryRules {
  readonly gradient:
    | ((g: Emit, dy: Value, a: Value, b: Value, y: Value) => { A: () => Value; B: () => Value })
    | "stop";
  /** One element from two; `isWhole` says that they are of an integer type. */
  readonly fold?: (x: number, y: number, isWhole: boolean) => number;
  /** The element type of the output where it is not the inputs'. */
  readonly dtype?: DType;
  readonly range?: readonly [number, number];
  readonly of?: "bool";
  readonly zero?: Zero | ((inputs: { readonly A: Value; readonly B: Value }) => Zero | undefined);
  /** What is left where one of them is zero. */
  readonly wholeGroupRemoval?: (A: Value, B: Value, isZero: (value: Value) => boolean) => Value | "zero" | undefined;
  /** Samples besides those of broadcasting. */
  readonly samples?: readonly Sample[];
}

/** An operator of two inputs that broadcast; the engine sums gradients to the inputs' shapes. */
export function binary(name: string, since: number, rules: BinaryRules): Op {
  const { gradient, fold, dtype, range, of } = rules;
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
        foldElements([A, B], dtype ?? A.dtype, (x, y) => fold(x!, y!, !isFloat(A.dtype))),
    }),
    ...(rules.zero && { zero: rules.zero }),
    ...(rules.wholeGroupRemoval && {
      wholeGroupRemoval: (
        _g: Emit,
        { A, B }: { A: Value; B: Value },
        _Y: Value,
        _attributes: object,
        isZero: (value: Value) => boolean,
      ) => rules.wholeGroupRemoval!(A, B, isZero),
    }),
    samples: [
      ...broadcastShapes.map((inputs): Sample => (of ? { inputs, of } : { inputs, range: range ?? [-1, 1] })),
      ...(rules.samples ?? []),
    ],
  });
}

/** The elements of a constant, `undefined` of what is computed. */
export const elementsOf = ({ constant }: Value): number[] | undefined =>
  constant && isNumeric(constant) ? toNumbers(constant) : undefined;
