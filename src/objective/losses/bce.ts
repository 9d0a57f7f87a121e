/** Binary cross-entropy: yes or no for each number. */

import { toNumbers } from "../../graph/tensor.ts";
import { defineLoss, sharesOf, meanOfSample } from "./loss.ts";
import { entropyOf, meanOf } from "./statistics.ts";

export const bce = defineLoss<"bce">({
  name: "bce",
  summary: "yes or no for each number of the output, as of several labels at once or of a mask",
  equation: "E_n = mean over elements of -p t log σ(y) - (1 - t) log(1 - σ(y))",
  details: "p is the weight of yes, by default 1.",
  takes: "an output of any shape [N, ...]; float32 targets from 0 to 1 in the same shape",
  source: "torch.nn.BCEWithLogitsLoss",
  activation: "sigmoid",
  distribution: "bernoulli",
  target: (output) => sharesOf("bce", output),
  perSample(g, { output, target, settings: { positiveWeight = 1 }, mix }) {
    const wanted = mix(target!);
    // log(1 + exp(-|y|)) + max(-y, 0) is -log of the probability of yes.
    const no = g.Softplus(g.Neg(output));
    if (positiveWeight === 1) return meanOfSample(g, g.Add(g.Mul(output, g.Sub(g.scalar(1), wanted)), no));
    const weight = g.Add(g.scalar(1), g.Mul(wanted, g.scalar(positiveWeight - 1)));
    return meanOfSample(g, g.Add(g.Mul(output, g.Sub(g.scalar(1), wanted)), g.Mul(weight, no)));
  },
  chance({ target, settings: { positiveWeight = 1 } }) {
    const yes = positiveWeight * meanOf(toNumbers(target!));
    const all = yes + 1 - yes / positiveWeight;
    return all * entropyOf([yes / all, 1 - yes / all]);
  },
});
