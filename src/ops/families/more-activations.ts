/** Further activations: those through the error function and the exponential, and those with a threshold. */

import { defineOp, float, string, type Value } from "../core/define.ts";
import { coupleAll, unary } from "../core/elementwise.ts";
import type { Emit } from "../core/emit.ts";

/** https://onnx.ai/onnx/operators/onnx__Erf.html — dX = dY · 2/√π · exp(-X²) */
export const Erf = unary(
  "Erf",
  13,
  (g, dy, x) => g.Mul(dy, g.Mul(g.scalar(2 / Math.sqrt(Math.PI), x), g.Exp(g.Neg(g.Mul(x, x))))),
  { range: [-2, 2], zero: "any" },
);

/** d(x Φ(x)) = Φ + x φ, with Φ the normal distribution and φ its density. */
function exactSlope(g: Emit, x: Value): Value {
  const below = g.Mul(g.scalar(0.5, x), g.Add(g.scalar(1, x), g.Erf(g.Mul(x, g.scalar(Math.SQRT1_2, x)))));
  const density = g.Mul(g.scalar(1 / Math.sqrt(2 * Math.PI), x), g.Exp(g.Mul(g.scalar(-0.5, x), g.Mul(x, x))));
  return g.Add(below, g.Mul(x, density));
}

/** d(x/2 (1 + t)) = (1 + t)/2 + x/2 (1 - t²) u', with t = tanh u, u = √(2/π) (x + c x³), u' = √(2/π) (1 + 3c x²). */
function tanhSlope(g: Emit, x: Value): Value {
  const [c, scale] = [0.044715, Math.sqrt(2 / Math.PI)];
  const square = g.Mul(x, x);
  const inner = g.Mul(x, g.Add(g.scalar(scale, x), g.Mul(g.scalar(scale * c, x), square)));
  const t = g.Tanh(inner);
  const steep = g.Add(g.scalar(scale, x), g.Mul(g.scalar(3 * scale * c, x), square));
  const moved = g.Mul(g.Mul(x, steep), g.Sub(g.scalar(1, x), g.Mul(t, t)));
  return g.Mul(g.scalar(0.5, x), g.Add(g.Add(g.scalar(1, x), t), moved));
}

/** https://onnx.ai/onnx/operators/onnx__Gelu.html — x Φ(x), or nearly so by tanh */
export const Gelu = defineOp({
  name: "Gelu",
  since: 20,
  inputs: ["X"],
  attributes: { approximate: string("none") },
  shape: ({ X }) => X.shape,
  gradient: (g, dy, { X }, { approximate }) => ({
    X: () => g.Mul(dy, approximate === "tanh" ? tanhSlope(g, X) : exactSlope(g, X)),
  }),
  channels: (c, { X }, [Y]) => coupleAll(c, X, Y!),
  zero: "any",
  samples: [
    { inputs: [[2, 3, 4]], range: [-3, 3] },
    { inputs: [[2, 3, 4]], range: [-3, 3], attributes: { approximate: "tanh" } },
    { inputs: [[6]], range: [1, 3], attributes: { approximate: "none" } },
  ],
});

/** https://onnx.ai/onnx/operators/onnx__Selu.html — dX = dY · gamma where X > 0, dY · (Y + alpha gamma) elsewhere */
export const Selu = defineOp({
  name: "Selu",
  since: 22,
  inputs: ["X"],
  attributes: { alpha: float(1.6732631921768188), gamma: float(1.0507010221481323) },
  shape: ({ X }) => X.shape,
  gradient: (g, dy, { X }, { alpha, gamma }, y) => ({
    X: () => {
      const slope = g.Where(g.Greater(X, g.scalar(0, X)), g.scalar(gamma, y), g.Add(y, g.scalar(alpha * gamma, y)));
      return g.Mul(dy, slope);
    },
  }),
  channels: (c, { X }, [Y]) => coupleAll(c, X, Y!),
  zero: "any",
  samples: [{ inputs: [[2, 3, 4]] }, { inputs: [[6]], attributes: { alpha: 0.5, gamma: 3 } }],
});

/** https://onnx.ai/onnx/operators/onnx__Celu.html — dX = dY where X > 0, dY · (Y/alpha + 1) elsewhere */
export const Celu = defineOp({
  name: "Celu",
  since: 12,
  inputs: ["X"],
  attributes: { alpha: float(1) },
  shape: ({ X }) => X.shape,
  gradient: (g, dy, { X }, { alpha }, y) => ({
    X: () => {
      const below = g.Add(g.Mul(y, g.scalar(1 / alpha, y)), g.scalar(1, y));
      return g.Where(g.Greater(X, g.scalar(0, X)), dy, g.Mul(dy, below));
    },
  }),
  channels: (c, { X }, [Y]) => coupleAll(c, X, Y!),
  zero: "any",
  samples: [{ inputs: [[2, 3, 4]] }, { inputs: [[6]], attributes: { alpha: 0.4 } }],
});

/** https://onnx.ai/onnx/operators/onnx__Softsign.html — Y = X / (1 + |X|), dX = dY · (1 - |Y|)² */
export const Softsign = unary(
  "Softsign",
  22,
  (g, dy, _x, y) => {
    const rest = g.Sub(g.scalar(1, y), g.Abs(y));
    return g.Mul(dy, g.Mul(rest, rest));
  },
  { range: [-3, 3], zero: "any" },
);

/**
 * https://onnx.ai/onnx/operators/onnx__Mish.html — Y = X t, t = tanh(softplus X), dX = dY (t + X (1 - t²) sigmoid X)
 */
export const Mish = unary(
  "Mish",
  22,
  (g, dy, x) => {
    const t = g.Tanh(g.Softplus(x));
    const moved = g.Mul(g.Mul(x, g.Sigmoid(x)), g.Sub(g.scalar(1, t), g.Mul(t, t)));
    return g.Mul(dy, g.Add(t, moved));
  },
  { range: [-3, 3], zero: "any" },
);

/** https://onnx.ai/onnx/operators/onnx__ThresholdedRelu.html — Y = X where X > alpha, else 0 */
export const ThresholdedRelu = defineOp({
  name: "ThresholdedRelu",
  since: 22,
  inputs: ["X"],
  attributes: { alpha: float(1) },
  shape: ({ X }) => X.shape,
  gradient: (g, dy, { X }, { alpha }) => ({
    X: () => g.Where(g.Greater(X, g.scalar(alpha, X)), dy, g.scalar(0, dy)),
  }),
  channels: (c, { X }, [Y]) => coupleAll(c, X, Y!),
  zero: "any",
  samples: [
    { inputs: [[2, 3, 4]], range: [-2, 2] },
    { inputs: [[6]], attributes: { alpha: -0.3 } },
  ],
});
