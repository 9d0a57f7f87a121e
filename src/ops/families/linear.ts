/** Matrix products. */

import { fail } from "../../graph/error.ts";
import { sizeOf } from "../../graph/tensor.ts";
import { defineOp, float, given, int } from "../core/define.ts";
import { broadcast } from "../core/elementwise.ts";

/** https://onnx.ai/onnx/operators/onnx__Gemm.html — Y = alpha · A' B' + beta · C */
export const Gemm = defineOp({
  name: "Gemm",
  since: 13,
  inputs: ["A", "B", "C?"],
  attributes: { alpha: float(1), beta: float(1), transA: int(0), transB: int(0) },
  shape({ A, B }, { transA, transB }) {
    const [inner, other] = [A.shape[transA ? 0 : 1], B.shape[transB ? 1 : 0]];
    if (A.shape.length !== 2 || B.shape.length !== 2 || inner !== other)
      fail("bad-model", `matrices [${A.shape.join(", ")}] and [${B.shape.join(", ")}] do not multiply`);
    return [A.shape[transA ? 1 : 0]!, B.shape[transB ? 0 : 1]!];
  },
  gradient: (g, dy, { A, B, C }, { alpha, beta, transA, transB }) => ({
    // d(A'B') : dA' = dY B'ᵀ, dB' = A'ᵀ dY; transposed again where the operand was
    A: () =>
      transA ? g.Gemm(B, dy, { alpha, transA: transB, transB: 1 }) : g.Gemm(dy, B, { alpha, transB: 1 - transB }),
    B: () =>
      transB ? g.Gemm(dy, A, { alpha, transA: 1, transB: transA }) : g.Gemm(A, dy, { alpha, transA: 1 - transA }),
    C: C && (() => (beta === 1 ? dy : g.Mul(dy, g.scalar(beta, dy)))),
  }),
  channels(c, { A, B, C }, [Y], { transA, transB }) {
    c.same(c.axis(A, transA ? 0 : 1), c.axis(B, transB ? 1 : 0));
    const [rows, columns] = [c.axis(Y!, 0), c.axis(Y!, 1)];
    c.same(rows, c.axis(A, transA ? 1 : 0));
    c.same(columns, c.axis(B, transB ? 0 : 1));
    if (C && C.shape.length >= 1 && C.shape.at(-1) === columns.length) c.same(columns, c.axis(C, -1));
    if (C && C.shape.length === 2 && C.shape[0] === rows.length) c.same(rows, c.axis(C, 0));
  },
  wholeGroupRemoval(g, { A, B, C }, _Y, { beta }, isZero) {
    if (!isZero(A) && !isZero(B)) return undefined;
    if (C === undefined) return "zero";
    const scaled = beta === 1 ? C : g.Mul(C, g.scalar(beta, C));
    return g.reshaped(scaled, [...[1, 1].slice(C.shape.length), ...C.shape]);
  },
  macs: ({ A }, [Y]) => sizeOf(A.shape) * (sizeOf(Y!.shape) / Y!.shape[0]!),
  samples: [
    { inputs: [[2, 6], [4, 6], [4]], attributes: { transB: 1 } },
    { inputs: given([2, 6], [6, 4]) },
    { inputs: given([6, 3], [6, 4], [3, 1]), attributes: { transA: 1, alpha: 0.5, beta: 2 } },
    { inputs: [[6, 3], [4, 6], []], attributes: { transA: 1, transB: 1, alpha: -1.5 } },
    { inputs: given([3, 5], [5, 2], [3, 2]), attributes: { beta: 0.25 } },
  ],
});

/** https://onnx.ai/onnx/operators/onnx__MatMul.html — as numpy.matmul: leading axes broadcast */
export const MatMul = defineOp({
  name: "MatMul",
  since: 13,
  inputs: ["A", "B"],
  shape({ A, B }) {
    if (A.shape.length === 0 || B.shape.length === 0 || A.shape.at(-1) !== B.shape.at(B.shape.length === 1 ? -1 : -2))
      fail("bad-model", `[${A.shape.join(", ")}] and [${B.shape.join(", ")}] do not multiply`);
    const batch = broadcast(A.shape.slice(0, -2), B.shape.slice(0, -2));
    return [
      ...batch,
      ...(A.shape.length === 1 ? [] : [A.shape.at(-2)!]),
      ...(B.shape.length === 1 ? [] : [B.shape.at(-1)!]),
    ];
  },
  gradient(g, dy, { A, B }) {
    // Vectors are given the axis they lack, so that there is one case.
    const wide = (x: typeof A, front: boolean) =>
      x.shape.length > 1 ? x : g.reshaped(x, front ? [1, x.shape[0]!] : [x.shape[0]!, 1]);
    const [a, b] = [wide(A, true), wide(B, false)];
    const batch = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2));
    const d = g.reshaped(dy, [...batch, a.shape.at(-2)!, b.shape.at(-1)!]);
    const swap = (x: typeof A) => {
      const rank = x.shape.length;
      return g.transposed(x, [...Array.from({ length: rank - 2 }, (_, i) => i), rank - 1, rank - 2]);
    };
    return {
      A: () => {
        // A stack of samples against one matrix is a single product over all rows.
        const full = g.MatMul(d, swap(b));
        return A.shape.length > 1 ? full : g.reshaped(g.unbroadcast(full, a.shape), A.shape);
      },
      B: () => {
        if (b.shape.length === 2 && a.shape.length > 2) {
          const rows = (x: typeof A) => g.reshaped(x, [sizeOf(x.shape.slice(0, -1)), x.shape.at(-1)!]);
          return g.reshaped(g.Gemm(rows(a), rows(d), { transA: 1 }), B.shape);
        }
        const full = g.MatMul(swap(a), d);
        return B.shape.length > 1 ? full : g.reshaped(g.unbroadcast(full, b.shape), B.shape);
      },
    };
  },
  channels(c, { A, B }, [Y]) {
    c.same(c.axis(A, -1), c.axis(B, B.shape.length === 1 ? 0 : -2));
    const [left, right] = [A.shape.length > 1, B.shape.length > 1];
    if (left) c.same(c.axis(A, -2), c.axis(Y!, right ? -2 : -1));
    if (right) c.same(c.axis(B, -1), c.axis(Y!, -1));
    const lead = Y!.shape.length - (left ? 1 : 0) - (right ? 1 : 0);
    for (let i = 0; i < lead; i++) {
      const both = [A, B].flatMap((x) => {
        const at = x.shape.length - 2 - lead + i;
        return at >= 0 && x.shape[at] === Y!.shape[i] ? [c.axis(x, at)] : [];
      });
      c.same(c.axis(Y!, i), ...both);
    }
  },
  wholeGroupRemoval: () => "zero",
  macs: ({ A }, [Y]) => sizeOf(Y!.shape) * A.shape.at(-1)!,
  samples: [
    { inputs: given([3, 4], [4, 5]) },
    { inputs: given([2, 3, 4], [4, 5]) },
    { inputs: given([2, 1, 3, 4], [5, 4, 2]) },
    { inputs: [[4], [2, 4, 3]] },
    { inputs: [[2, 3, 4], [4]] },
    { inputs: [[4], [4]] },
  ],
});
