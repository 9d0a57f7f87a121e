/** Whole parts and remainders. */

import { tensor } from "../../graph/tensor.ts";
import { defineOp, given, int } from "../core/define.ts";
import { broadcast, coupleBroadcast, elementsOf, foldElements, unary } from "../core/elementwise.ts";

/** The nearest whole number; of two the even one. */
const nearest = (x: number): number => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));

/** https://onnx.ai/onnx/operators/onnx__Floor.html — its derivative is 0 wherever it has one */
export const Floor = unary("Floor", 13, "stop", { range: [-3, 3], zero: "any", fold: Math.floor });
/** https://onnx.ai/onnx/operators/onnx__Ceil.html — its derivative is 0 wherever it has one */
export const Ceil = unary("Ceil", 13, "stop", { range: [-3, 3], zero: "any", fold: Math.ceil });
/** https://onnx.ai/onnx/operators/onnx__Round.html — its derivative is 0 wherever it has one */
export const Round = unary("Round", 22, "stop", { range: [-3, 3], zero: "any", fold: nearest });

/** https://onnx.ai/onnx/operators/onnx__Mod.html — of the sign of B, with `fmod` of A */
export const Mod = defineOp({
  name: "Mod",
  since: 13,
  inputs: ["A", "B"],
  attributes: { fmod: int(0) },
  shape: ({ A, B }) => broadcast(A.shape, B.shape),
  // Y = A - n B, where the whole number n stays as it is nearby.
  gradient: (g, dy, { A, B }, _attributes, y) => ({
    A: () => dy,
    B: () => g.Mul(dy, g.Div(g.Sub(y, A), B)),
  }),
  channels: (c, { A, B }, [Y]) => coupleBroadcast(c, [A, B], Y!),
  zero: ({ B }) => (elementsOf(B)?.every((y) => y !== 0) ? "any" : undefined),
  fold: ({ A, B }, { fmod }) => foldElements([A, B], A.dtype, (x, y) => (fmod ? x! % y! : ((x! % y!) + y!) % y!)),
  samples: [
    { inputs: given([3, 1], [2, 1, 4]), attributes: { fmod: 1 }, range: [0.75, 4.1] },
    { inputs: given([2, 3, 4], [3, 1]), attributes: { fmod: 1 }, range: [-4.1, -0.75] },
    { inputs: [[2, 3], tensor("float32", [3], [0.4, -0.4, 0.7])], attributes: { fmod: 1 } },
    { inputs: [tensor("int64", [6], [7, -7, 7, -7, 6, 0]), tensor("int64", [6], [3, 3, -3, -3, 3, 3])] },
    {
      inputs: [tensor("int64", [6], [7, -7, 7, -7, 6, 0]), tensor("int64", [6], [3, 3, -3, -3, 3, 3])],
      attributes: { fmod: 1 },
    },
  ],
});
