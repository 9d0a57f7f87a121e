/** InfoNCE: pairs of embeddings, each told apart from the others of the minibatch. */

import { fail, option } from "../../graph/error.ts";
import type { Value } from "../../ops/core/define.ts";
import type { Emit } from "../../ops/core/emit.ts";
import { angle, normalised } from "./cosine.ts";
import { defineLoss, likeOutput } from "./loss.ts";

export const infoNce = defineLoss<"info-nce">({
  name: "info-nce",
  summary:
    "embeddings of pairs: each is to be nearer to its other half than to those of the other samples in the minibatch",
  equation: "E_n = -log softmax over m of cos(y_n, t_m) / τ, at m = n",
  details:
    "m goes over the samples of the minibatch, which is never split for memory or workers. τ is " +
    "`temperature`, by default 0.07. For both directions give two losses, one on each output.",
  takes:
    "an output [N, D]; float32 [N, D], or the output of the model that `with` names, which takes no target. The " +
    "minibatch has at least two samples",
  source: "van den Oord et al. 2018, Representation Learning with Contrastive Predictive Coding, eq. 4",
  distribution: "gaussian",
  comparesSamples: true,
  mixes: false,
  target(output, settings) {
    const { name, shape } = output;
    if (shape.length !== 2)
      fail("unsupported", `info-nce needs an output of embeddings, [N, D]; "${name}" is [${shape.join(", ")}]`);
    if (shape[0]! < 2)
      fail("unsupported", `info-nce compares the samples of a minibatch, and it has one; raise ${option("batchSize")}`);
    return settings.with === undefined ? likeOutput("info-nce", output) : undefined;
  },
  perSample(g, { output, target, settings: { temperature = 0.07, with: named }, other }) {
    const pair = target ?? other(named!);
    if (pair.shape.join() !== output.shape.join())
      fail(
        "bad-option",
        `info-nce pairs "${output.name}" [${output.shape.join(", ")}] with "${named}" [${pair.shape.join(", ")}]; ` +
          "both have to be embeddings of one size",
      );
    const [a, b] = [normalised(g, output, 1), normalised(g, pair, 1)];
    const scale = g.scalar(1 / temperature);
    const all = g.Mul(g.MatMul(a, g.Transpose(b, { perm: [1, 0] })), scale);
    return g.Sub(g.ReduceLogSumExp(all, g.ints([1]), { keepdims: 0 }), g.Mul(g.summed(g.Mul(a, b), [1]), scale));
  },
  around: (g, output) => ({ value: normalised(g, output, 1), times: output.shape[1]! / 2 }),
  distance: (g: Emit, ours: Value, theirs: Value) => angle(g, ours, theirs, 1),
  chance: ({ output }) => Math.log(output[0]!),
});
