/** The mean absolute error. */

import { toNumbers } from "../../graph/tensor.ts";
import { defineLoss, likeOutput, meanOfSample } from "./loss.ts";
import { meanOf } from "./statistics.ts";

export const l1 = defineLoss<"l1">({
  name: "l1",
  summary: "numbers, by the size of the error, so that outliers count less",
  equation: "E_n = mean over elements of |y - t|",
  takes: "an output of any shape [N, ...]; float32 targets in the same shape",
  source: "torch.nn.L1Loss",
  distribution: "gaussian",
  target: (output) => likeOutput("l1", output),
  perSample: (g, { output, target, mix }) => meanOfSample(g, g.Abs(g.Sub(output, mix(target!)))),
  chance({ target }) {
    const values = toNumbers(target!).toSorted((a, b) => a - b);
    const median = values[Math.floor(values.length / 2)]!;
    return meanOf(values.map((value) => Math.abs(value - median)));
  },
});
