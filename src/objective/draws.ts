/**
 * Targets that are drawn from what the model itself predicts, so that squared gradients are the diagonal of the
 * Gauss-Newton matrix of the loss (Kunstner et al. 2019, "Limitations of the empirical Fisher approximation", eq. 3).
 */

import { sizeOf } from "../graph/tensor.ts";
import type { Value } from "../ops/core/define.ts";
import type { Emit } from "../ops/core/emit.ts";
import { classesFirst, sampleAxes, type Distribution } from "./losses/loss.ts";
import type { NoiseKind } from "./random-inputs.ts";

interface Drawing {
  readonly noise: NoiseKind;
  /**
   * One number for each sample, [N], whose gradient with respect to the output has the Gauss-Newton matrix of the mean
   * loss for its second moment: of K places that are drawn by themselves each counts 1 / √K.
   *
   * @param output what the loss looks at, as logits; of classes [N, C, d...]
   * @param noise of the same shape
   * @param weight of the loss
   * @param counts which places count, [N, d...] of 0 and 1, for classes; default all
   */
  perSample(g: Emit, output: Value, noise: Value, weight: number, counts?: Value): Value;
}

export const drawings: Readonly<Record<Distribution, Drawing>> = {
  /**
   * The classes drawn are the largest of the logits plus noise, for independent draws from Gumbel's distribution
   * (Gumbel 1954; Maddison et al. 2014, "A* Sampling", section 2).
   */
  categorical: {
    noise: "gumbel",
    perSample(g, logits, noise, weight, counts) {
      const [, classes, ...more] = logits.shape as [number, number, ...number[]];
      const target = g.ArgMax(g.Add(logits, noise), { axis: 1, keepdims: 0 });
      const logProbability = g.LogSoftmax(logits, { axis: 1 });
      const own = g.OneHot(target, g.ints([classes]), g.constant(zeroOne), { axis: 1 });
      const products = g.Mul(logProbability, own);
      if (counts === undefined)
        return g.Mul(g.summed(products, sampleAxes(logits)), g.scalar(-Math.sqrt(weight / sizeOf(more))));
      const picked = g.summed(g.Mul(g.summed(products, [1]), counts), sampleAxes(counts));
      const number = g.Sqrt(g.Max(g.summed(counts, sampleAxes(counts)), g.scalar(1)));
      return g.Mul(g.Div(picked, number), g.scalar(-Math.sqrt(weight)));
    },
  },
  /** Yes where a uniform number is below the probability. */
  bernoulli: {
    noise: "uniform",
    perSample(g, logits, noise, weight) {
      const drawn = g.Cast(g.Less(noise, g.Sigmoid(logits)), { to: 1 });
      const loss = g.Add(g.Mul(logits, g.Sub(g.scalar(1), drawn)), g.Softplus(g.Neg(logits)));
      return g.Mul(g.summed(loss, sampleAxes(logits)), g.scalar(Math.sqrt(weight / elementsOf(logits))));
    },
  },
  /**
   * Around a number y, with the variance K / 2 w for which w mean (y - t)² over K elements is the negative log
   * likelihood. Its gradient is -√(2 w / K) times a normal number, and so is that of this line.
   */
  gaussian: {
    noise: "normal",
    perSample(g, output, noise, weight) {
      const sum = g.summed(g.Mul(output, noise), sampleAxes(output));
      return g.Mul(sum, g.scalar(-Math.sqrt((2 * weight) / elementsOf(output))));
    },
  },
};

const zeroOne = { dtype: "float32", shape: [2], data: Float32Array.of(0, 1) } as const;

const elementsOf = ({ shape }: Value): number => sizeOf(shape.slice(1));

/** The output of a model as a distribution has it. */
export const arranged = (g: Emit, value: Value, distribution: Distribution, axis: number): Value =>
  distribution === "categorical" ? classesFirst(g, value, axis) : value;
