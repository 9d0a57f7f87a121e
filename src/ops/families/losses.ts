/** Losses that exporters write as one node: of log-probabilities, and of scores. */

import { fail } from "../../graph/error.ts";
import { int64s, sizeOf, tensor } from "../../graph/tensor.ts";
import { defineOp, given, int, string, type Value } from "../core/define.ts";
import type { Emit } from "../core/emit.ts";

interface Settings {
  readonly reduction: string;
  readonly ignore_index: number | undefined;
}

const attributes = { reduction: string("mean"), ignore_index: int() };

/** Of places [N, d...], or of all of them together. */
function shapeOf(scores: Value, labels: Value, { reduction }: Settings): readonly number[] {
  const [n, , ...more] = scores.shape;
  const places = [n!, ...more];
  if (scores.shape.length < 2 || places.join() !== labels.shape.join())
    fail("bad-model", `its labels are [${labels.shape.join(", ")}], and its scores [${scores.shape.join(", ")}]`);
  if (!["mean", "sum", "none"].includes(reduction)) fail("bad-model", `its reduction is "${reduction}"`);
  return reduction === "none" ? places : [];
}

/** -Σ_c w_c q_c y_c at each place, where q is 1 at the label; places of the ignored class are 0, and do not count. */
function loss(
  g: Emit,
  y: Value,
  labels: Value,
  weights: Value | undefined,
  { reduction, ignore_index }: Settings,
): Value {
  const [, classes, ...more] = y.shape as [number, number, ...number[]];
  const ids = labels.dtype === "int64" ? labels : g.Cast(labels, { to: 7 });
  const counts = ignore_index === undefined ? undefined : g.Not(g.Equal(ids, g.constant(int64(ignore_index))));
  // An ignored class need not be one of those that there are.
  const known = counts ? g.Where(counts, ids, g.constant(int64(0))) : ids;
  const own = g.OneHot(known, g.ints([classes]), g.constant(tensor("float32", [2], [0, 1])), { axis: 1 });
  const weighed = weights ? g.Mul(own, g.reshaped(weights, [classes, ...more.map(() => 1)])) : own;
  const counted = counts ? g.Mul(weighed, g.Unsqueeze(g.Cast(counts, { to: 1 }), g.ints([1]))) : weighed;
  const each = g.Neg(g.summed(g.Mul(y, counted), [1]));
  if (reduction === "none") return each;
  const all = each.shape.map((_, i) => i);
  const sum = g.summed(each, all);
  if (reduction === "sum") return sum;
  if (!counts && !weights) return g.Mul(sum, g.scalar(1 / sizeOf(each.shape)));
  return g.Div(sum, g.summed(counted, [...all, all.length]));
}

const int64 = (value: number) => ({ dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(value)) }) as const;

const places = { dtype: "int64", shape: [2, 3], data: BigInt64Array.of(0n, 2n, 1n, -1n, 1n, 3n) } as const;
const weights = tensor("float32", [4], [0.5, 2, 1, 1.5]);

/** https://onnx.ai/onnx/operators/onnx__NegativeLogLikelihoodLoss.html — dX = -w_t dY at the label, 0 elsewhere */
export const NegativeLogLikelihoodLoss = defineOp({
  name: "NegativeLogLikelihoodLoss",
  since: 22,
  inputs: ["input", "target", "weight?"],
  outputs: ["loss"],
  attributes,
  shape: ({ input, target }, settings) => shapeOf(input, target, settings as Settings),
  dtype: ({ input }) => input.dtype,
  gradient: "decompose",
  decompose: (g, { input, target, weight }, settings) => [loss(g, input, target, weight, settings as Settings)],
  samples: [
    { inputs: given([3, 4], int64s([2, 0, 3])) },
    { inputs: given([3, 4], int64s([2, 0, 3]), weights), attributes: { reduction: "sum" } },
    { inputs: given([2, 4, 3], places, weights), attributes: { ignore_index: -1 } },
    { inputs: given([2, 4, 3], places), attributes: { ignore_index: -1, reduction: "none" } },
  ],
});

/**
 * https://onnx.ai/onnx/operators/onnx__SoftmaxCrossEntropyLoss.html — the loss of log-probabilities, of
 * LogSoftmax(scores)
 */
export const SoftmaxCrossEntropyLoss = defineOp({
  name: "SoftmaxCrossEntropyLoss",
  since: 13,
  inputs: ["scores", "labels", "weights?"],
  outputs: ["output", "log_prob"],
  attributes,
  shape: ({ scores, labels }, settings) => [shapeOf(scores, labels, settings as Settings), scores.shape],
  dtype: ({ scores }) => [scores.dtype, scores.dtype],
  gradient: "decompose",
  decompose(g, { scores, labels, weights }, settings, outputs) {
    const y = g.LogSoftmax(scores, { axis: 1 });
    return [loss(g, y, labels, weights, settings as Settings), y].slice(0, outputs);
  },
  samples: [
    { inputs: given([3, 4], int64s([2, 0, 3])) },
    { inputs: given([3, 4], int64s([2, 0, 3])), outputs: 2 },
    { inputs: given([3, 4], int64s([2, 0, 3]), weights), attributes: { reduction: "none" } },
    { inputs: given([2, 4, 3], places, weights), attributes: { ignore_index: -1 } },
    { inputs: given([2, 4, 3], places), attributes: { ignore_index: -1 } },
    { inputs: given([2, 4, 3], places), attributes: { ignore_index: -1, reduction: "sum" } },
  ],
});
