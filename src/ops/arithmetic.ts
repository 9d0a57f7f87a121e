/** Arithmetic, element by element. */

import { tensor, toNumbers, type NumericDType } from "../graph/tensor.ts";
import { defineOp } from "./define.ts";
import { binary, broadcast, coupleBroadcast, eachIndex, unary } from "./elementwise.ts";

/** https://onnx.ai/onnx/operators/onnx__Add.html */
export const Add = binary("Add", 14, {
  gradient: (_g, dy) => ({ A: () => dy, B: () => dy }),
  fold: (x, y) => x + y,
  zero: "all",
});

/** https://onnx.ai/onnx/operators/onnx__Sub.html */
export const Sub = binary("Sub", 14, {
  gradient: (g, dy) => ({ A: () => dy, B: () => g.Neg(dy) }),
  fold: (x, y) => x - y,
  zero: "all",
});

/** https://onnx.ai/onnx/operators/onnx__Mul.html */
export const Mul = binary("Mul", 14, {
  gradient: (g, dy, a, b) => ({ A: () => g.Mul(dy, b), B: () => g.Mul(dy, a) }),
  fold: (x, y) => x * y,
  zero: "any",
});

/** https://onnx.ai/onnx/operators/onnx__Div.html — integers are divided towards zero */
export const Div = binary("Div", 14, {
  // ∂(a/b)/∂b = -(a/b)/b
  gradient: (g, dy, _a, b, y) => ({
    A: () => g.Div(dy, b),
    B: () => g.Neg(g.Div(g.Mul(dy, y), b)),
  }),
  fold: (x, y) => Math.trunc(x / y),
  range: [0.5, 2],
});

/** https://onnx.ai/onnx/operators/onnx__Pow.html — the base must be positive where the exponent learns */
export const Pow = binary("Pow", 15, {
  // ∂(a^b)/∂a = b a^(b-1);  ∂(a^b)/∂b = a^b ln a
  gradient: (g, dy, a, b, y) => ({
    A: () => g.Mul(dy, g.Mul(b, g.Pow(a, g.Sub(b, g.scalar(1, b))))),
    B: () => g.Mul(dy, g.Mul(y, g.Log(a))),
  }),
  range: [0.5, 2],
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

/** https://onnx.ai/onnx/operators/onnx__Greater.html */
export const Greater = binary("Greater", 13, { gradient: "stop", dtype: "bool" });
/** https://onnx.ai/onnx/operators/onnx__Less.html */
export const Less = binary("Less", 13, { gradient: "stop", dtype: "bool" });
/** https://onnx.ai/onnx/operators/onnx__Equal.html */
export const Equal = binary("Equal", 19, {
  gradient: "stop",
  fold: (x, y) => Number(x === y),
  dtype: "bool",
});

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
  fold({ condition, X, Y }, _attributes, [out]) {
    const constants = [condition.constant, X.constant, Y.constant];
    if (constants.some((one) => one === undefined)) return undefined;
    const [flags, xs, ys] = constants.map((one) => toNumbers(one!)) as [number[], number[], number[]];
    const shapes = [condition.shape, X.shape, Y.shape];
    const values = eachIndex(out!.shape, shapes, ([k, i, j]) => (flags[k!] ? xs[i!]! : ys[j!]!));
    return [tensor(out!.dtype as NumericDType, out!.shape, values)];
  },
  samples: [
    {
      inputs: [{ dtype: "bool", shape: [2, 1, 3], data: Uint8Array.of(1, 0, 1, 0, 0, 1) }, [2, 4, 3], [3]],
    },
    { inputs: [{ dtype: "bool", shape: [3], data: Uint8Array.of(1, 0, 1) }, [4, 3], []] },
  ],
});

/** https://onnx.ai/onnx/operators/onnx__Neg.html */
export const Neg = unary("Neg", 13, (g, dy) => g.Neg(dy), { zero: "any" });
/** https://onnx.ai/onnx/operators/onnx__Sqrt.html — d√x = 1/(2√x) */
export const Sqrt = unary("Sqrt", 13, (g, dy, _x, y) => g.Div(dy, g.Add(y, y)), {
  range: [0.5, 2],
  zero: "any",
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
export const Abs = unary("Abs", 13, (g, dy, x) => g.Mul(dy, g.Sign(x)), { zero: "any" });
/** https://onnx.ai/onnx/operators/onnx__Sign.html — its derivative is 0 wherever it has one */
export const Sign = unary("Sign", 13, "stop", { zero: "any" });
