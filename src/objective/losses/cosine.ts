/** The cosine between vectors. */

import { fail } from "../../graph/error.ts";
import type { Value } from "../../ops/core/define.ts";
import type { Emit } from "../../ops/core/emit.ts";
import { axisFrom, defineLoss, meanOfSample } from "./loss.ts";
import { meanOf, vectorsOf } from "./statistics.ts";

/** The square of the length below which a vector counts as none. */
const least = 1e-16;

/** Vectors along an axis, each over its length; zeros stay zeros, and have a gradient. */
export const normalised = (g: Emit, value: Value, axis: number): Value =>
  g.Div(value, g.Sqrt(g.Add(g.summed(g.Mul(value, value), [axis], true), g.scalar(least))));

/** 1 - cos of the vectors along an axis, the mean over places, [N]. */
export const angle = (g: Emit, a: Value, b: Value, axis: number): Value =>
  meanOfSample(g, g.Sub(g.scalar(1), g.summed(g.Mul(normalised(g, a, axis), normalised(g, b, axis)), [axis], true)));

export const cosine = defineLoss<"cosine">({
  name: "cosine",
  summary: "vectors, by their direction alone",
  equation: "E_n = mean over places of 1 - y · t / (|y| |t|)",
  takes: "an output [N, D, d...], or with its vectors along another axis; float32 targets in the same shape",
  source: "torch.nn.CosineEmbeddingLoss",
  distribution: "gaussian",
  target({ name, shape }, { axis }) {
    const at = axisFrom(axis, shape.length);
    if (shape.length < 2 || at < 1 || at >= shape.length)
      fail("unsupported", `cosine needs an output of vectors, [N, D]; "${name}" is [${shape.join(", ")}]`);
    return { dtype: "float32", shape, classes: 0 };
  },
  perSample: (g, { output, target, settings: { axis }, mix }) =>
    angle(g, output, mix(target!), axisFrom(axis, output.shape.length)),
  // 1 - cos is half the square of the distance of the vectors over their lengths.
  around(g, output, { axis }) {
    const at = axisFrom(axis, output.shape.length);
    return { value: normalised(g, output, at), times: output.shape[at]! / 2 };
  },
  chance({ target, settings: { axis } }) {
    const units = vectorsOf(target!, axisFrom(axis, target!.shape.length)).map((vector) => {
      const length = Math.hypot(...vector) || 1;
      return vector.map((value) => value / length);
    });
    return 1 - Math.hypot(...units[0]!.map((_, i) => meanOf(units.map((unit) => unit[i]!))));
  },
});
