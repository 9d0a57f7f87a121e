/** Huber's loss: squares of small errors, and the size of large ones. */

import { toNumbers } from "../../graph/tensor.ts";
import { defineLoss, likeOutput, meanOfSample } from "./loss.ts";
import { leastOver, meanOf } from "./statistics.ts";

export const huber = defineLoss<"huber">({
  name: "huber",
  summary: "numbers, by the square of small errors and the size of large ones",
  equation: "E_n = mean over elements of e² / 2 where |e| ≤ δ, else δ (|e| - δ / 2), of e = y - t",
  details: "δ is `delta`, by default 1.",
  takes: "an output of any shape [N, ...]; float32 targets in the same shape",
  source: "Huber 1964, Robust Estimation of a Location Parameter; torch.nn.HuberLoss",
  distribution: "gaussian",
  target: (output) => likeOutput("huber", output),
  perSample(g, { output, target, settings: { delta = 1 }, mix }) {
    const size = g.Abs(g.Sub(output, mix(target!)));
    // With q = min(|e|, δ) both cases are q² / 2 + δ (|e| - q).
    const near = g.Min(size, g.scalar(delta));
    const square = g.Mul(g.Mul(near, near), g.scalar(0.5));
    return meanOfSample(g, g.Add(square, g.Mul(g.Sub(size, near), g.scalar(delta))));
  },
  around: (_, output) => ({ value: output, times: 0.5 }),
  chance({ target, settings: { delta = 1 } }) {
    const values = toNumbers(target!);
    const of = (y: number): number =>
      meanOf(
        values.map((t) => {
          const size = Math.abs(y - t);
          return size <= delta ? size ** 2 / 2 : delta * (size - delta / 2);
        }),
      );
    return leastOver(of, Math.min(...values), Math.max(...values));
  },
});
