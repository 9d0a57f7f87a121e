/** The normalisations that onnxruntime's optimiser writes, with the sum before them. */

import { fail } from "../../graph/error.ts";
import type { Shape } from "../../graph/tensor.ts";
import type { Channels } from "../core/channels.ts";
import { RMSNormalization } from "./axis-normalization.ts";
import { defineOp, float, int, type Value } from "../core/define.ts";
import { broadcast, coupleBroadcast } from "../core/elementwise.ts";
import type { Emit } from "../core/emit.ts";

const domain = "com.microsoft";

/**
 * https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#SimplifiedLayerNormalization —
 * RMSNormalization before the standard had it, without a domain of its own
 */
export const SimplifiedLayerNormalization = defineOp({
  name: "SimplifiedLayerNormalization",
  since: 1,
  inputs: ["X", "scale"],
  outputs: ["Y", "inv_std_var"],
  attributes: { axis: int(-1), epsilon: float(1e-5), stash_type: int(1) },
  shape({ X, scale }, attributes, outputs) {
    if (outputs > 1) fail("unsupported", "its second output is not known");
    return RMSNormalization.shape([X, scale], attributes, 1)[0]!;
  },
  gradient: "decompose",
  channels: (c, { X, scale }, outputs, attributes) => RMSNormalization.channels!(c, [X, scale], outputs, attributes),
  zero: "any",
  decompose: (g, { X, scale }, attributes) => [g.RMSNormalization(X, scale, attributes)],
  samples: [{ inputs: [[2, 3, 5], [5]] }, { inputs: [[2, 3, 4], [4]], attributes: { axis: 2, epsilon: 0.1 } }],
});

/** The shapes of the outputs: what is normalised, two statistics that only training kernels give, the sum. */
function shapesOf(sum: Shape, vectors: readonly (Value | undefined)[], outputs: number): Shape[] {
  const width = sum.at(-1)!;
  for (const vector of vectors)
    if (vector && (vector.shape.length !== 1 || vector.shape[0] !== width))
      fail("bad-model", `"${vector.name}" [${vector.shape.join(", ")}] does not fit an input of [${sum.join(", ")}]`);
  const statistics = [...sum.slice(0, -1), 1];
  return [sum, statistics, statistics, sum].slice(0, outputs);
}

function coupleSum(c: Channels, inputs: readonly (Value | undefined)[], outputs: readonly Value[], what: string): void {
  const [input] = inputs;
  coupleBroadcast(c, inputs, outputs[0]!);
  const sum = outputs[3];
  sum?.shape.forEach((_, i) => c.same(c.axis(sum, i), c.axis(outputs[0]!, i)));
  for (const statistic of outputs.slice(1, 3))
    statistic.shape.forEach(
      (_, i) => i < statistic.shape.length - 1 && c.same(c.axis(statistic, i), c.axis(input!, i)),
    );
  c.inexact(c.axis(input!, -1), `${what} over this axis counts zeros too`);
}

/** The sum, and what is made of it; the statistics between them nobody may read. */
function outputsOf(g: Emit, terms: readonly (Value | undefined)[], outputs: number, normalise: (sum: Value) => Value) {
  const sum = terms.flatMap((term) => term ?? []).reduce((one, other) => g.Add(one, other));
  const statistic = g.ReduceMean(sum, g.ints([-1]), { keepdims: 1 });
  return [normalise(sum), statistic, statistic, sum].slice(0, outputs);
}

/**
 * https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.SkipLayerNormalization —
 * LayerNormalization of input + skip + bias
 */
export const SkipLayerNormalization = defineOp({
  name: "SkipLayerNormalization",
  domain,
  since: 1,
  inputs: ["input", "skip", "gamma", "beta?", "bias?"],
  outputs: ["output", "mean", "inv_std_var", "input_skip_bias_sum"],
  attributes: { epsilon: float(1e-12) },
  shape: ({ input, skip, gamma, beta, bias }, _attributes, outputs) =>
    shapesOf(broadcast(input.shape, skip.shape), [gamma, beta, bias], outputs),
  gradient: "decompose",
  channels: (c, { input, skip, gamma, beta, bias }, outputs) =>
    coupleSum(c, [input, skip, gamma, beta, bias], outputs, "its mean and variance"),
  zero: "all",
  decompose: (g, { input, skip, gamma, beta, bias }, { epsilon }, outputs) =>
    outputsOf(g, [input, skip, bias], outputs, (sum) => g.LayerNormalization(sum, gamma, beta, { epsilon })),
  samples: [
    { inputs: [[2, 3, 4], [2, 3, 4], [4], [4], [4]] },
    { inputs: [[2, 3, 4], [2, 3, 4], [4]], attributes: { epsilon: 0.1 } },
    { inputs: [[2, 3, 4], [2, 3, 4], [4], [4]] },
  ],
});

/**
 * RMSNormalization of input + skip + bias, in
 * https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.SkipSimplifiedLayerNormalization
 */
export const SkipSimplifiedLayerNormalization = defineOp({
  name: "SkipSimplifiedLayerNormalization",
  domain,
  since: 1,
  inputs: ["input", "skip", "gamma", "bias?"],
  outputs: ["output", "mean", "inv_std_var", "input_skip_bias_sum"],
  attributes: { epsilon: float(1e-12) },
  shape: ({ input, skip, gamma, bias }, _attributes, outputs) =>
    shapesOf(broadcast(input.shape, skip.shape), [gamma, bias], outputs),
  gradient: "decompose",
  channels: (c, { input, skip, gamma, bias }, outputs) =>
    coupleSum(c, [input, skip, gamma, bias], outputs, "its mean of squares"),
  zero: "all",
  decompose: (g, { input, skip, gamma, bias }, { epsilon }, outputs) =>
    outputsOf(g, [input, skip, bias], outputs, (sum) => g.RMSNormalization(sum, gamma, { epsilon })),
  samples: [
    { inputs: [[2, 3, 4], [2, 3, 4], [4], [4]] },
    { inputs: [[2, 3, 4], [2, 3, 4], [4]], attributes: { epsilon: 0.1 } },
  ],
});
