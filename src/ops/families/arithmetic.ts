/** Arithmetic, element by element. */

import { isFloat, tensor } from "../../graph/tensor.ts";
import { defineOp } from "../core/define.ts";
import { asFloat, binary, broadcast, coupleBroadcast, elementsOf, unary } from "../core/elementwise.ts";

/** https://onnx.ai/onnx/operators/onnx__Add.html */
export const Add = binary("Add", 14, {
  gradient: (_g, dy) => ({ A: () => dy, B: () => dy }),
  fold: (x, y) => x + y,
  zero: "all",
  wholeGroupRemoval: (a, b, isZero) => (isZero(a) ? b : a),
});

/** https://onnx.ai/onnx/operators/onnx__Sub.html */
export const Sub = binary("Sub", 14, {
  gradient: (g, dy) => ({ A: () => dy, B: () => g.Neg(dy) }),
  fold: (x, y) => x - y,
  zero: "all",
  wholeGroupRemoval: (a, b, isZero) => (isZero(b) ? a : undefined),
});

/** https://onnx.ai/onnx/operators/onnx__Mul.html */
export const Mul = binary("Mul", 14, {
  gradient: (g, dy, a, b) => ({ A: () => g.Mul(dy, b), B: () => g.Mul(dy, a) }),
  fold: (x, y) => x * y,
  zero: "any",
  wholeGroupRemoval: () => "zero",
});

/** https://onnx.ai/onnx/operators/onnx__Div.html — integers are divided towards zero */
export const Div = binary("Div", 14, {
  // ∂(a/b)/∂b = -(a/b)/b
  gradient: (g, dy, _a, b, y) => ({
    A: () => g.Div(dy, b),
    B: () => g.Neg(g.Div(g.Mul(dy, y), b)),
  }),
  fold: (x, y, isWhole) => (isWhole ? Math.trunc(x / y) : x / y),
  // What divides may be zero along a unit too, unless it is a constant.
  zero: ({ B }) => (elementsOf(B)?.every((y) => y !== 0) ? "any" : undefined),
  range: [0.5, 2],
  samples: [{ inputs: [[2, 3], tensor("float32", [3], [0.5, -2, 4])] }],
});

/** https://onnx.ai/onnx/operators/onnx__Pow.html — the base must be positive where the exponent learns */
export const Pow = binary("Pow", 15, {
  // ∂(a^b)/∂a = b a^(b-1);  ∂(a^b)/∂b = a^b ln a
  gradient: (g, dy, a, b, y) => ({
    A: () => {
      const exponent = isFloat(b.dtype) ? b : asFloat(g, b, dy);
      return g.Mul(dy, g.Mul(exponent, g.Pow(a, g.Sub(exponent, g.scalar(1, dy)))));
    },
    B: () => g.Mul(dy, g.Mul(y, g.Log(a))),
  }),
  zero: ({ B }) => (elementsOf(B)?.every((y) => y > 0) ? "any" : undefined),
  range: [0.5, 2],
  samples: [{ inputs: [[2, 3], tensor("float32", [], [2])] }, { inputs: [[2, 3], tensor("float32", [3], [1, 0, 3])] }],
});

/** https://onnx.ai/onnx/operators/onnx__Sum.html */
export const Sum = defineOp({
  name: "Sum",
  since: 13,
  inputs: ["data_0..."],
  shape: ({ data_0 }) => broadcast(...data_0.map((x) => x.shape)),
  gradient: (_g, dy, { data_0 }) => ({ data_0: data_0.map(() => () => dy) }),
  channels: (c, { data_0 }, [Y]) => coupleBroadcast(c, data_0, Y!),
  zero: "all",
  samples: [{ inputs: [[2, 3], [2, 3], [3]] }, { inputs: [[2, 3]] }],
});

/** https://onnx.ai/onnx/operators/onnx__Mean.html — dX = dY / n of n inputs */
export const Mean = defineOp({
  name: "Mean",
  since: 13,
  inputs: ["data_0..."],
  shape: ({ data_0 }) => broadcast(...data_0.map((x) => x.shape)),
  gradient: (g, dy, { data_0 }) => ({
    data_0: data_0.map(() => () => g.Mul(dy, g.scalar(1 / data_0.length, dy))),
  }),
  channels: (c, { data_0 }, [Y]) => coupleBroadcast(c, data_0, Y!),
  zero: "all",
  samples: [{ inputs: [[2, 3], [2, 3], [3]] }, { inputs: [[3, 1], [4]] }, { inputs: [[2, 3]] }],
});

/** https://onnx.ai/onnx/operators/onnx__Neg.html */
export const Neg = unary("Neg", 13, (g, dy) => g.Neg(dy), { zero: "any", fold: (x) => -x });
/** https://onnx.ai/onnx/operators/onnx__Sqrt.html — d√x = 1/(2√x) */
export const Sqrt = unary("Sqrt", 13, (g, dy, _x, y) => g.Div(dy, g.Add(y, y)), {
  range: [0.5, 2],
  zero: "any",
  fold: Math.sqrt,
});
/** https://onnx.ai/onnx/operators/onnx__Exp.html */
export const Exp = unary("Exp", 13, (g, dy, _x, y) => g.Mul(dy, y));
/** https://onnx.ai/onnx/operators/onnx__Log.html */
export const Log = unary("Log", 13, (g, dy, x) => g.Div(dy, x), { range: [0.5, 2] });
/** https://onnx.ai/onnx/operators/onnx__Reciprocal.html — d(1/x) = -1/x² */
export const Reciprocal = unary("Reciprocal", 13, (g, dy, _x, y) => g.Neg(g.Mul(dy, g.Mul(y, y))), {
  range: [0.5, 2],
});
/** https://onnx.ai/onnx/operators/onnx__Abs.html */
export const Abs = unary("Abs", 13, (g, dy, x) => g.Mul(dy, g.Sign(x)), { zero: "any", fold: Math.abs });
/** https://onnx.ai/onnx/operators/onnx__Sign.html — its derivative is 0 wherever it has one */
export const Sign = unary("Sign", 13, "stop", { zero: "any", fold: Math.sign });
