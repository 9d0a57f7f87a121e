/** Cross-entropy: one class of several. */

import { fail } from "../../graph/error.ts";
import { float32, int64s, sizeOf, toNumbers } from "../../graph/tensor.ts";
import type { Value } from "../../ops/core/define.ts";
import type { Emit } from "../../ops/core/emit.ts";
import { axisFrom, classesFirst, classesForm, defineLoss, sampleAxes } from "./loss.ts";
import { meanOf } from "./statistics.ts";

export const crossEntropy = defineLoss<"cross-entropy">({
  name: "cross-entropy",
  summary: "one class of several for each sample, pixel or token",
  equation: "E_n = -mean over places of Σ_c w_c q_c log softmax(y)_c",
  details:
    "q is 1 at the label and 0 elsewhere. With label smoothing ε it is 1 - ε + ε / C at the label, and ε / C " +
    "elsewhere. w are the class weights, by default 1. Places of the ignored class do not count. All samples count " +
    "alike; PyTorch divides the sum over a minibatch by the sum of its weights instead.",
  takes: "an output [N, C, d...], or with its classes along another axis; int64 class ids [N, d...]",
  source: "Szegedy et al. 2016, Rethinking the Inception Architecture, section 7; torch.nn.CrossEntropyLoss",
  activation: "softmax",
  distribution: "categorical",
  axis: ({ axis }, rank) => axisFrom(axis, rank),
  target: (output, { axis, ignore }) => ({ ...classesForm("cross-entropy", output, axis), ignore }),
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
    if (ignore === undefined)
      return g.Mul(g.summed(g.Mul(logProbability, mix(own)), axes), g.scalar(-1 / sizeOf(more)));
    const weighted = g.Mul(own, g.Unsqueeze(sharesOfPlaces(g, target!, ignore), g.ints([1])));
    return g.Neg(g.summed(g.Mul(logProbability, mix(weighted)), axes));
  },
  // The shares of classes in a minibatch say too much of its labels, where these are few: all have the same.
  chance({ target, form, settings: { classWeights, ignore } }) {
    const labels = toNumbers(target!);
    const places = labels.length / target!.shape[0]!;
    const weights = Array.from({ length: target!.shape[0]! }, (_, n) => {
      const counted = labels.slice(n * places, (n + 1) * places).filter((label) => label !== ignore);
      return counted.length === 0 ? 0 : meanOf(counted.map((label) => classWeights?.[label] ?? 1));
    });
    return meanOf(weights) * Math.log(Math.max(2, form!.classes));
  },
});

/** What each place counts of its sample: 1 over the places that do, and 0 at the ignored class. */
function sharesOfPlaces(g: Emit, target: Value, ignore: number): Value {
  const counts = g.Cast(g.Not(g.Equal(target, g.constant(int64s([ignore])))), { to: 1 });
  const axes = sampleAxes(target);
  return axes.length === 0 ? counts : g.Div(counts, g.Max(g.summed(counts, axes, true), g.scalar(1)));
}
