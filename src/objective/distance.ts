/** How far what a model gives is from what another gives, as a graph. */

import { sizeOf } from "../graph/tensor.ts";
import type { Value } from "../ops/core/define.ts";
import type { Emit } from "../ops/core/emit.ts";
import { arranged } from "./draws.ts";
import { sampleAxes, type Others } from "./losses/loss.ts";
import type { Term } from "./terms.ts";

/**
 * How far an output is from another model's, [N].
 *
 * @param t the temperature that probabilities of classes are compared at
 */
export function distance(
  g: Emit,
  { loss, settings }: Pick<Term, "loss" | "settings">,
  [ours, theirs]: readonly [Value, Value],
  t: number,
  others: Others,
): Value {
  switch (loss.distribution) {
    case "categorical": {
      const axis = loss.axis?.(settings, ours.shape.length) ?? 1;
      const counts = loss.counts?.(g, { output: ours, settings, ...others });
      return divergence(g, arranged(g, theirs, "categorical", axis), arranged(g, ours, "categorical", axis), t, counts);
    }
    case "bernoulli":
      return divergenceOfYes(g, theirs, ours);
    case "gaussian": {
      if (loss.distance) return loss.distance(g, ours, theirs);
      const mix = (value: Value): Value => value;
      return loss.perSample(g, { output: ours, target: theirs, settings, labelSmoothing: 0, mix, ...others });
    }
  }
}

/**
 * T² KL(softmax(teacher / T) || softmax(logits / T)), the mean over places that count; T² keeps its gradient as large
 * as that of labels.
 */
function divergence(g: Emit, teacher: Value, logits: Value, temperature: number, counts: Value | undefined): Value {
  const cool = (x: Value) => g.LogSoftmax(g.Mul(x, g.scalar(1 / temperature)), { axis: 1 });
  const [p, q] = [cool(teacher), cool(logits)];
  const products = g.Mul(g.Exp(p), g.Sub(p, q));
  if (counts !== undefined) {
    const axes = sampleAxes(counts);
    const mean = g.Div(
      g.summed(g.Mul(g.summed(products, [1]), counts), axes),
      g.Max(g.summed(counts, axes), g.scalar(1)),
    );
    return g.Mul(mean, g.scalar(temperature ** 2));
  }
  const sum = g.Mul(g.summed(products, sampleAxes(logits)), g.scalar(temperature ** 2));
  return g.Mul(sum, g.scalar(1 / sizeOf(logits.shape.slice(2))));
}

/**
 * The same of yes and no, the mean over elements: p (log p - log q) + (1 - p) (log (1 - p) - log (1 - q)). There are no
 * other classes for a temperature to bring out: above 1 it would weigh how sure a no is, of which most may be, above
 * whether it is one.
 */
function divergenceOfYes(g: Emit, x: Value, y: Value): Value {
  const p = g.Sigmoid(x);
  // log σ(x) - log σ(y) is softplus(-y) - softplus(-x); for no it is softplus(y) - softplus(x).
  const yes = g.Mul(p, g.Sub(g.Softplus(g.Neg(y)), g.Softplus(g.Neg(x))));
  const no = g.Mul(g.Sub(g.scalar(1), p), g.Sub(g.Softplus(y), g.Softplus(x)));
  return g.Mul(g.summed(g.Add(yes, no), sampleAxes(y)), g.scalar(1 / sizeOf(y.shape.slice(1))));
}
