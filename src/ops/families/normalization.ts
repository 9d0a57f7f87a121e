/** Normalisations of each sample by itself, with a scale and a bias for each channel. */

import { fail } from "../../graph/error.ts";
import { sizeOf } from "../../graph/tensor.ts";
import { defineOp, float, int, type Value } from "../core/define.ts";
import { allButChannel, perChannel, standardise, standardiseGradient } from "../gradients/standardise.ts";

/** Refuses a scale or a bias that is not one number for each channel. */
function checkChannels(X: Value, ...vectors: readonly Value[]): void {
  for (const { name, shape } of vectors)
    if (X.shape.length < 3 || shape.length !== 1 || shape[0] !== X.shape[1])
      fail("bad-model", `"${name}" [${shape.join(", ")}] does not fit an input [${X.shape.join(", ")}]`);
}

/**
 * https://onnx.ai/onnx/operators/onnx__InstanceNormalization.html — Y = scale · X̂ + B, where X̂ is X standardised
 * over space for each sample and channel.
 */
export const InstanceNormalization = defineOp({
  name: "InstanceNormalization",
  since: 22,
  inputs: ["input", "scale", "B"],
  outputs: ["output"],
  attributes: { epsilon: float(1e-5) },
  shape({ input, scale, B }) {
    checkChannels(input, scale, B);
    return input.shape;
  },
  gradient(g, dy, { input, scale }, { epsilon }) {
    const space = input.shape.slice(2).map((_, i) => i + 2);
    const standard = standardise(g, input, space, epsilon);
    return {
      input: () => standardiseGradient(g, g.Mul(dy, perChannel(g, scale, input.shape.length)), standard, space),
      scale: () => g.summed(g.Mul(dy, standard.unit), allButChannel(input)),
      B: () => g.summed(dy, allButChannel(input)),
    };
  },
  channels(c, { input, scale, B }, [output]) {
    c.same(c.axis(input, 0), c.axis(output!, 0));
    c.same(c.axis(input, 1), c.axis(output!, 1), c.axis(scale, 0), c.axis(B, 0));
    // What is called space may hold channels: a GroupNormalization is often written as this between two Reshapes.
    for (let i = 2; i < input.shape.length; i++) {
      c.same(c.axis(input, i), c.axis(output!, i));
      c.inexact(c.axis(input, i), "its mean and variance over this axis count zeros too");
    }
  },
  samples: [{ inputs: [[2, 3, 4, 3], [3], [3]] }, { inputs: [[3, 4, 5], [4], [4]], attributes: { epsilon: 0.1 } }],
});

/**
 * https://onnx.ai/onnx/operators/onnx__GroupNormalization.html — Y = scale · X̂ + bias, where X̂ is X standardised over
 * space and the channels of a group, for each sample and group; scale and bias are the channels'.
 */
export const GroupNormalization = defineOp({
  name: "GroupNormalization",
  since: 21,
  inputs: ["X", "scale", "bias"],
  attributes: { epsilon: float(1e-5), num_groups: int(1), stash_type: int(1) },
  shape({ X, scale, bias }, { num_groups }) {
    checkChannels(X, scale, bias);
    if (num_groups < 1 || X.shape[1]! % num_groups !== 0)
      fail("bad-model", `${X.shape[1]} channels do not divide into ${num_groups} groups`);
    return X.shape;
  },
  gradient(g, dy, { X, scale }, { epsilon, num_groups }) {
    // A row for each sample and group.
    const rows = [X.shape[0]! * num_groups, sizeOf(X.shape.slice(1)) / num_groups];
    const standard = standardise(g, g.reshaped(X, rows), [1], epsilon);
    return {
      X: () => {
        const d = g.reshaped(g.Mul(dy, perChannel(g, scale, X.shape.length)), rows);
        return g.reshaped(standardiseGradient(g, d, standard, [1]), X.shape);
      },
      scale: () => g.summed(g.Mul(dy, g.reshaped(standard.unit, X.shape)), allButChannel(X)),
      bias: () => g.summed(dy, allButChannel(X)),
    };
  },
  channels(c, { X, scale, bias }, [Y], { num_groups }) {
    c.same(c.axis(X, 0), c.axis(Y!, 0));
    const channels = c.axis(X, 1);
    c.same(channels, c.axis(Y!, 1), c.axis(scale, 0), c.axis(bias, 0));
    const width = X.shape[1]! / num_groups;
    // Groups must stay equal: one goes as a whole, or the same place of every group.
    const groups = channels.blocks(width);
    const places = channels.digit(width, 1);
    const reason = "the mean and variance of a group count its channels, zeros too";
    if (num_groups === 1) c.inexact(channels, reason);
    else if (width > 1)
      c.either([
        [groups, groups],
        [places, places, reason],
      ]);
  },
  resize: (remaining, { X }, _outputs, { num_groups }) => {
    const width = X.shape[1]! / num_groups;
    return { attributes: { num_groups: new Set(remaining.axis(X, 1).map((i) => Math.floor(i / width))).size } };
  },
  samples: [
    { inputs: [[2, 6, 2, 3], [6], [6]], attributes: { num_groups: 3 } },
    { inputs: [[2, 6, 4], [6], [6]], attributes: { num_groups: 2, epsilon: 0.1 } },
    { inputs: [[3, 4, 5], [4], [4]], attributes: { num_groups: 4 } },
    { inputs: [[2, 4, 3], [4], [4]], attributes: { num_groups: 1 } },
  ],
});
