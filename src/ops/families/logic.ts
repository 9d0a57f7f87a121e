/** Operators that compare, that compute with truth values, and that choose by them. */

import { tensor } from "../../graph/tensor.ts";
import { defineOp, int, type Op, type Sample, type Value, type Zero } from "../core/define.ts";
import { binary, broadcast, coupleAll, coupleBroadcast, elementsOf, foldElements, unary } from "../core/elementwise.ts";

const constant = (...values: number[]) => tensor("float32", [values.length], values);
/** Constants on either side of zero and at it, to the right and to the left of what is compared. */
const thresholds: readonly Sample[] = [
  { inputs: [[2, 3], constant(-0.5, -0.25, -0.5)] },
  { inputs: [[2, 3], constant(0, 0, 0)] },
  { inputs: [[2, 3], constant(0.5, 0.25, 0.5)] },
  { inputs: [[2, 3], constant(0.5, -0.5, 0)] },
  { inputs: [constant(-0.5, -0.25, -0.5), [2, 3]] },
  { inputs: [constant(0, 0, 0), [2, 3]] },
  { inputs: [constant(0.5, 0.25, 0.5), [2, 3]] },
  { inputs: [constant(0.5, -0.5, 0), [2, 3]] },
];

/** A comparison; false along a unit where it does not hold of zero and the constant that zero is compared with. */
function comparison(name: string, since: number, holds: (x: number, y: number) => boolean): Op {
  return binary(name, since, {
    gradient: "stop",
    dtype: "bool",
    fold: (x, y) => Number(holds(x, y)),
    zero({ A, B }): Zero | undefined {
      const [xs, ys] = [elementsOf(A), elementsOf(B)];
      const ever = (xs ?? [0]).some((x) => (ys ?? [0]).some((y) => holds(x, y)));
      return ever ? undefined : xs || ys ? "any" : "all";
    },
    samples: thresholds,
  });
}

/** https://onnx.ai/onnx/operators/onnx__Greater.html */
export const Greater = comparison("Greater", 13, (x, y) => x > y);
/** https://onnx.ai/onnx/operators/onnx__Less.html */
export const Less = comparison("Less", 13, (x, y) => x < y);
/** https://onnx.ai/onnx/operators/onnx__GreaterOrEqual.html */
export const GreaterOrEqual = comparison("GreaterOrEqual", 16, (x, y) => x >= y);
/** https://onnx.ai/onnx/operators/onnx__LessOrEqual.html */
export const LessOrEqual = comparison("LessOrEqual", 16, (x, y) => x <= y);
/** https://onnx.ai/onnx/operators/onnx__Equal.html */
export const Equal = comparison("Equal", 19, (x, y) => x === y);

/** https://onnx.ai/onnx/operators/onnx__And.html */
export const And = binary("And", 7, { gradient: "stop", of: "bool", fold: (x, y) => x & y, zero: "any" });
/** https://onnx.ai/onnx/operators/onnx__Or.html */
export const Or = binary("Or", 7, { gradient: "stop", of: "bool", fold: (x, y) => x | y, zero: "all" });
/** https://onnx.ai/onnx/operators/onnx__Xor.html */
export const Xor = binary("Xor", 7, { gradient: "stop", of: "bool", fold: (x, y) => x ^ y, zero: "all" });
/** https://onnx.ai/onnx/operators/onnx__Not.html — it makes of what is zero what is not */
export const Not = unary("Not", 1, "stop", { of: "bool", fold: (x) => 1 - x });

/** https://onnx.ai/onnx/operators/onnx__IsNaN.html */
export const IsNaN = unary("IsNaN", 20, "stop", { dtype: "bool", zero: "any" });

/** https://onnx.ai/onnx/operators/onnx__IsInf.html */
export const IsInf = defineOp({
  name: "IsInf",
  since: 20,
  inputs: ["X"],
  attributes: { detect_negative: int(1), detect_positive: int(1) },
  shape: ({ X }) => X.shape,
  dtype: () => "bool",
  gradient: "stop",
  channels: (c, { X }, [Y]) => coupleAll(c, X, Y!),
  zero: "any",
  samples: [{ inputs: [[2, 3, 4]] }, { inputs: [[2, 3]], attributes: { detect_negative: 0, detect_positive: 1 } }],
});

/** A scalar zero: exporters make it of a number in code, and it never learns. */
const isZero = (value: Value): boolean => value.shape.length === 0 && elementsOf(value)?.[0] === 0;

/** https://onnx.ai/onnx/operators/onnx__Where.html */
export const Where = defineOp({
  name: "Where",
  since: 16,
  inputs: ["condition", "X", "Y"],
  shape: ({ condition, X, Y }) => broadcast(condition.shape, X.shape, Y.shape),
  dtype: ({ X }) => X.dtype,
  gradient: (g, dy, { condition }) => ({
    X: () => g.Where(condition, dy, g.scalar(0, dy)),
    Y: () => g.Where(condition, g.scalar(0, dy), dy),
  }),
  channels: (c, { condition, X, Y }, [out]) => coupleBroadcast(c, [condition, X, Y], out!),
  // What is chosen is zero whatever the condition says.
  zero: ({ X, Y }) => (isZero(X) || isZero(Y) ? "any" : "all"),
  fold: ({ condition, X, Y }) => foldElements([condition, X, Y], X.dtype, (is, x, y) => (is ? x! : y!)),
  samples: [
    { inputs: [{ dtype: "bool", shape: [2, 1, 3], data: Uint8Array.of(1, 0, 1, 0, 0, 1) }, [2, 4, 3], [3]] },
    { inputs: [{ dtype: "bool", shape: [3], data: Uint8Array.of(1, 0, 1) }, [4, 3], []] },
    { inputs: [{ dtype: "bool", shape: [3], data: Uint8Array.of(1, 0, 1) }, [4, 3], tensor("float32", [], [0])] },
    { inputs: [{ dtype: "bool", shape: [3], data: Uint8Array.of(1, 0, 1) }, tensor("float32", [], [0]), [4, 3]] },
  ],
});
