/** The Kullback-Leibler divergence from a distribution over classes. */

import { fail } from "../../graph/error.ts";
import { sizeOf } from "../../graph/tensor.ts";
import { axisFrom, classesFirst, defineLoss, sampleAxes } from "./loss.ts";
import { entropyOf, meanOf, vectorsOf } from "./statistics.ts";

export const kl = defineLoss<"kl">({
  name: "kl",
  summary: "probabilities of several classes, as the votes of several people or another model give them",
  equation: "E_n = mean over places of Σ_c t_c (log t_c - log softmax(y)_c)",
  takes:
    "an output [N, C, d...], or with its classes along another axis; float32 probabilities in the same shape, which " +
    "sum to 1 along that axis",
  source: "Kullback and Leibler 1951, On Information and Sufficiency; torch.nn.KLDivLoss",
  activation: "softmax",
  distribution: "categorical",
  axis: ({ axis }, rank) => axisFrom(axis, rank),
  target({ name, shape }, { axis }) {
    const at = axisFrom(axis, shape.length);
    if (shape.length < 2 || at < 1 || at >= shape.length)
      fail("unsupported", `kl needs an output of [N, classes]; "${name}" is [${shape.join(", ")}]`);
    return { dtype: "float32", shape, classes: 0, isShare: true };
  },
  perSample(g, { output, target, settings: { axis }, mix }) {
    const at = axisFrom(axis, output.shape.length);
    const logits = classesFirst(g, output, at);
    const wanted = classesFirst(g, mix(target!), at);
    const [, , ...more] = logits.shape;
    // Of a class that cannot be, 0 log 0 is 0.
    const own = g.Log(g.Max(wanted, g.scalar(1e-37)));
    const products = g.Mul(wanted, g.Sub(own, g.LogSoftmax(logits, { axis: 1 })));
    return g.Mul(g.summed(products, sampleAxes(logits)), g.scalar(1 / sizeOf(more)));
  },
  chance({ target, settings: { axis } }) {
    const places = vectorsOf(target!, axisFrom(axis, target!.shape.length));
    const shares = places[0]!.map((_, c) => meanOf(places.map((place) => place[c]!)));
    return entropyOf(shares) - meanOf(places.map(entropyOf));
  },
});
