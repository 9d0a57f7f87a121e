/** Binary cross-entropy: yes or no for each number. */

import { fail } from "../../graph/error.ts";
import { toNumbers } from "../../graph/tensor.ts";
import { defineLoss, meanOfSample } from "./loss.ts";

export const bce = defineLoss<"bce">({
  name: "bce",
  summary: "yes or no for each number of the output, as of several labels at once or of a mask",
  equation: "E_n = mean over elements of -p t log σ(y) - (1 - t) log(1 - σ(y)), with the weight p of yes, by default 1",
  source: "torch.nn.BCEWithLogitsLoss",
  activation: "sigmoid",
  distribution: "bernoulli",
  target({ name, shape }) {
    if (shape.length < 1) fail("unsupported", `bce needs an output with a batch axis; "${name}" is a scalar`);
    return { dtype: "float32", shape, classes: 0 };
  },
  perSample(g, { output, target, settings: { positiveWeight = 1 }, mix }) {
    const wanted = mix(target!);
    // log(1 + exp(-|y|)) + max(-y, 0) is -log of the probability of yes.
    const no = g.Softplus(g.Neg(output));
    if (positiveWeight === 1) return meanOfSample(g, g.Add(g.Mul(output, g.Sub(g.scalar(1), wanted)), no));
    const weight = g.Add(g.scalar(1), g.Mul(wanted, g.scalar(positiveWeight - 1)));
    return meanOfSample(g, g.Add(g.Mul(output, g.Sub(g.scalar(1), wanted)), g.Mul(weight, no)));
  },
  chance(target) {
    const values = toNumbers(target);
    const share = values.reduce((sum, value) => sum + value, 0) / values.length;
    return share <= 0 || share >= 1 ? 0 : -share * Math.log(share) - (1 - share) * Math.log(1 - share);
  },
});
