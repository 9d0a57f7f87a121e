/** The mean squared error. */

import { fail } from "../../graph/error.ts";
import { toNumbers } from "../../graph/tensor.ts";
import { defineLoss, meanOfSample } from "./loss.ts";

export const mse = defineLoss<"mse">({
  name: "mse",
  summary: "numbers, by the square of the error",
  equation: "E_n = mean over elements of (y - t)²",
  source: "torch.nn.MSELoss",
  distribution: "gaussian",
  target({ name, shape }) {
    if (shape.length < 1) fail("unsupported", `mse needs an output with a batch axis; "${name}" is a scalar`);
    return { dtype: "float32", shape, classes: 0 };
  },
  perSample(g, { output, target, mix }) {
    const error = g.Sub(output, mix(target!));
    return meanOfSample(g, g.Mul(error, error));
  },
  chance(target) {
    const values = toNumbers(target);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  },
});
