/** Cross-entropy: one class of several. */

import { fail } from "../../graph/error.ts";
import { float32, sizeOf } from "../../graph/tensor.ts";
import { axisFrom, classesFirst, defineLoss, sampleAxes, shapeOfClasses } from "./loss.ts";

export const crossEntropy = defineLoss<"cross-entropy">({
  name: "cross-entropy",
  summary: "one class of several for each sample, pixel or token",
  equation:
    "E_n = -mean over places of Σ_c w_c q_c log softmax(y)_c; q is 1 at the label, or with label smoothing ε " +
    "1 - ε there and ε / C more everywhere; places of the ignored class do not count",
  source: "Szegedy et al. 2016, Rethinking the Inception Architecture, section 7; torch.nn.CrossEntropyLoss",
  activation: "softmax",
  distribution: "categorical",
  axis: ({ axis }, rank) => axisFrom(axis, rank),
  target({ name, shape }, { axis, ignore }) {
    const at = axisFrom(axis, shape.length);
    if (shape.length < 2 || at < 1 || at >= shape.length)
      fail(
        "unsupported",
        `cross-entropy needs an output of [N, classes]; "${name}" is [${shape.join(", ")}]. Use mse instead`,
      );
    const [n, classes, ...more] = shapeOfClasses(shape, at);
    return { dtype: "int64", shape: [n!, ...more], classes: classes!, ignore };
  },
  perSample(g, { output, target, settings: { axis, ignore, classWeights }, labelSmoothing, mix }) {
    const logits = classesFirst(g, output, axisFrom(axis, output.shape.length));
    const [, classes, ...more] = logits.shape as [number, number, ...number[]];
    const logProbability = g.LogSoftmax(logits, { axis: 1 });
    const elsewhere = labelSmoothing / classes;
    const values = float32([2], [elsewhere, 1 - labelSmoothing + elsewhere]);
    let own = g.OneHot(target!, g.ints([classes]), g.constant(values), { axis: 1 });
    if (classWeights) {
      if (classWeights.length !== classes)
        fail("bad-option", `there are ${classWeights.length} class weights for ${classes} classes`);
      own = g.Mul(own, g.constant(float32([classes, ...more.map(() => 1)], classWeights)));
    }
    const axes = sampleAxes(logits);
    if (ignore === undefined || more.length === 0)
      return g.Mul(g.summed(g.Mul(logProbability, mix(own)), axes), g.scalar(-1 / sizeOf(more)));
    const counts = g.Cast(
      g.Not(g.Equal(target!, g.constant({ dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(ignore)) }))),
      { to: 1 },
    );
    const weighted = g.Mul(own, g.Unsqueeze(counts, g.ints([1])));
    const counted = g.Max(g.summed(counts, axes.slice(0, -1)), g.scalar(1));
    return g.Neg(g.Div(g.summed(g.Mul(logProbability, mix(weighted)), axes), counted));
  },
  // A constant answer gives every class its share; that of all alike is the most it takes.
  chance: (_, { classes }) => Math.log(Math.max(2, classes)),
});
