/** The mean squared error. */

import { toNumbers } from "../../graph/tensor.ts";
import { defineLoss, likeOutput, meanOfSample } from "./loss.ts";
import { varianceOf } from "./statistics.ts";

export const mse = defineLoss<"mse">({
  name: "mse",
  summary: "numbers, by the square of the error",
  equation: "E_n = mean over elements of (y - t)²",
  takes: "an output of any shape [N, ...]; float32 targets in the same shape",
  source: "torch.nn.MSELoss",
  distribution: "gaussian",
  target: (output) => likeOutput("mse", output),
  perSample(g, { output, target, mix }) {
    const error = g.Sub(output, mix(target!));
    return meanOfSample(g, g.Mul(error, error));
  },
  chance: ({ target }) => varianceOf(toNumbers(target!)),
});
