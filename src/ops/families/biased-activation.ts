/** The activations that onnxruntime's optimiser writes: Gelu in its forms, with what is added before it. */

import { defineOp, float, type Value } from "../core/define.ts";
import { coupleAll, coupleBroadcast } from "../core/elementwise.ts";
import type { Emit } from "../core/emit.ts";

const domain = "com.microsoft";

const plus = (g: Emit, x: Value, bias: Value | undefined): Value => (bias ? g.Add(x, bias) : x);

/** https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.Gelu — x Φ(x) */
export const ContribGelu = defineOp({
  name: "Gelu",
  domain,
  since: 1,
  inputs: ["X"],
  shape: ({ X }) => X.shape,
  gradient: "decompose",
  channels: (c, { X }, [Y]) => coupleAll(c, X, Y!),
  zero: "any",
  decompose: (g, { X }) => [g.Gelu(X)],
  samples: [{ inputs: [[2, 3, 4]], range: [-3, 3] }],
});

/** https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.BiasGelu — Gelu(A + B) */
export const BiasGelu = defineOp({
  name: "BiasGelu",
  domain,
  since: 1,
  inputs: ["A", "B"],
  outputs: ["C"],
  shape: ({ A }) => A.shape,
  gradient: "decompose",
  channels: (c, { A, B }, [C]) => coupleBroadcast(c, [A, B], C!),
  zero: "all",
  decompose: (g, { A, B }) => [g.Gelu(g.Add(A, B))],
  samples: [{ inputs: [[2, 3, 4], [4]], range: [-2, 2] }],
});

/** https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.FastGelu — by tanh */
export const FastGelu = defineOp({
  name: "FastGelu",
  domain,
  since: 1,
  inputs: ["X", "bias?"],
  shape: ({ X }) => X.shape,
  gradient: "decompose",
  channels: (c, { X, bias }, [Y]) => coupleBroadcast(c, [X, bias], Y!),
  zero: "all",
  decompose: (g, { X, bias }) => [g.Gelu(plus(g, X, bias), { approximate: "tanh" })],
  samples: [
    { inputs: [[2, 3, 4]], range: [-3, 3] },
    { inputs: [[2, 3, 4], [4]], range: [-2, 2] },
  ],
});

/**
 * https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QuickGelu
 * — x · sigmoid(alpha x)
 */
export const QuickGelu = defineOp({
  name: "QuickGelu",
  domain,
  since: 1,
  inputs: ["X"],
  attributes: { alpha: float(1.702) },
  shape: ({ X }) => X.shape,
  gradient: "decompose",
  channels: (c, { X }, [Y]) => coupleAll(c, X, Y!),
  zero: "any",
  decompose: (g, { X }, { alpha }) => [g.Mul(X, g.Sigmoid(alpha === 1 ? X : g.Mul(X, g.scalar(alpha, X))))],
  samples: [
    { inputs: [[2, 3, 4]], range: [-3, 3] },
    { inputs: [[6]], range: [-3, 3], attributes: { alpha: 1 } },
  ],
});
