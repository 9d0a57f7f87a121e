/** Circular and hyperbolic functions and their inverses. */

import type { Value } from "../core/define.ts";
import { unary } from "../core/elementwise.ts";
import type { Emit } from "../core/emit.ts";

const onePlus = (g: Emit, x: Value): Value => g.Add(g.scalar(1, x), x);
const oneMinus = (g: Emit, x: Value): Value => g.Sub(g.scalar(1, x), x);
const square = (g: Emit, x: Value): Value => g.Mul(x, x);
/** Inside of where the slope grows beyond all bounds. */
const inside = [-0.9, 0.9] as const;

/** https://onnx.ai/onnx/operators/onnx__Sin.html — d sin x = cos x */
export const Sin = unary("Sin", 22, (g, dy, x) => g.Mul(dy, g.Cos(x)), { range: [-3, 3], zero: "any" });
/** https://onnx.ai/onnx/operators/onnx__Cos.html — d cos x = -sin x */
export const Cos = unary("Cos", 22, (g, dy, x) => g.Neg(g.Mul(dy, g.Sin(x))), { range: [-3, 3] });
/** https://onnx.ai/onnx/operators/onnx__Tan.html — d tan x = 1 + tan² x */
export const Tan = unary("Tan", 22, (g, dy, _x, y) => g.Mul(dy, onePlus(g, square(g, y))), { zero: "any" });
/** https://onnx.ai/onnx/operators/onnx__Asin.html — d asin x = 1 / √(1 - x²) */
export const Asin = unary("Asin", 22, (g, dy, x) => g.Div(dy, g.Sqrt(oneMinus(g, square(g, x)))), {
  range: inside,
  zero: "any",
});
/** https://onnx.ai/onnx/operators/onnx__Acos.html — d acos x = -1 / √(1 - x²) */
export const Acos = unary("Acos", 22, (g, dy, x) => g.Neg(g.Div(dy, g.Sqrt(oneMinus(g, square(g, x))))), {
  range: inside,
});
/** https://onnx.ai/onnx/operators/onnx__Atan.html — d atan x = 1 / (1 + x²) */
export const Atan = unary("Atan", 22, (g, dy, x) => g.Div(dy, onePlus(g, square(g, x))), {
  range: [-2, 2],
  zero: "any",
});

/** https://onnx.ai/onnx/operators/onnx__Sinh.html — d sinh x = cosh x */
export const Sinh = unary("Sinh", 22, (g, dy, x) => g.Mul(dy, g.Cosh(x)), { range: [-2, 2], zero: "any" });
/** https://onnx.ai/onnx/operators/onnx__Cosh.html — d cosh x = sinh x */
export const Cosh = unary("Cosh", 22, (g, dy, x) => g.Mul(dy, g.Sinh(x)), { range: [-2, 2] });
/** https://onnx.ai/onnx/operators/onnx__Asinh.html — d asinh x = 1 / √(1 + x²) */
export const Asinh = unary("Asinh", 22, (g, dy, x) => g.Div(dy, g.Sqrt(onePlus(g, square(g, x)))), {
  range: [-2, 2],
  zero: "any",
});
/** https://onnx.ai/onnx/operators/onnx__Acosh.html — d acosh x = 1 / √(x² - 1) */
export const Acosh = unary("Acosh", 22, (g, dy, x) => g.Div(dy, g.Sqrt(g.Sub(square(g, x), g.scalar(1, x)))), {
  range: [1.2, 3],
});
/** https://onnx.ai/onnx/operators/onnx__Atanh.html — d atanh x = 1 / (1 - x²) */
export const Atanh = unary("Atanh", 22, (g, dy, x) => g.Div(dy, oneMinus(g, square(g, x))), {
  range: inside,
  zero: "any",
});
