/** Focal loss: yes or no for each number, where nearly all are no. */

import { toNumbers } from "../../graph/tensor.ts";
import { defineLoss, sharesOf, meanOfSample } from "./loss.ts";
import { leastOver, meanOf } from "./statistics.ts";

const usual = { alpha: 0.25, gamma: 2 } as const;

export const focal = defineLoss<"focal">({
  name: "focal",
  summary: "yes or no for each number, where nearly all are no: numbers that the model is sure of count less",
  equation: "E_n = mean over elements of -a (1 - q)^γ log q; q = σ(y), a = α for yes; q = 1 - σ(y), a = 1 - α for no",
  details: "By default α = 0.25 and γ = 2, as in the paper.",
  takes: "an output of any shape [N, ...]; float32 targets from 0 to 1 in the same shape",
  source: "Lin et al. 2017, Focal Loss for Dense Object Detection, eq. 5; torchvision.ops.sigmoid_focal_loss",
  activation: "sigmoid",
  distribution: "bernoulli",
  target: (output) => sharesOf("focal", output),
  perSample(g, { output, target, settings: { alpha = usual.alpha, gamma = usual.gamma }, mix }) {
    const yes = mix(target!);
    const no = g.Sub(g.scalar(1), yes);
    const loss = g.Add(g.Mul(output, no), g.Softplus(g.Neg(output)));
    const weight = g.Add(g.Mul(yes, g.scalar(alpha)), g.Mul(no, g.scalar(1 - alpha)));
    const weighted = g.Mul(weight, loss);
    if (gamma === 0) return meanOfSample(g, weighted);
    const wrong = g.Add(g.Mul(g.Sigmoid(g.Neg(output)), yes), g.Mul(g.Sigmoid(output), no));
    // At 0 a power below 1 has no gradient.
    const factor = g.Pow(g.Max(wrong, g.scalar(1e-12)), g.scalar(gamma));
    return meanOfSample(g, g.Mul(factor, weighted));
  },
  chance({ target, settings: { alpha = usual.alpha, gamma = usual.gamma } }) {
    const share = meanOf(toNumbers(target!));
    const of = (logit: number): number => {
      const p = 1 / (1 + Math.exp(-logit));
      const yes = alpha * (1 - p) ** gamma * Math.log1p(Math.exp(-logit));
      const no = (1 - alpha) * p ** gamma * Math.log1p(Math.exp(logit));
      return share * yes + (1 - share) * no;
    };
    return leastOver(of, -20, 20);
  },
});
