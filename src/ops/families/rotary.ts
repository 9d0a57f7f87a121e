/** Rotations of queries and keys by their positions. */

import { fail } from "../../graph/error.ts";
import { int64s, tensor } from "../../graph/tensor.ts";
import type { Axis } from "../core/channels.ts";
import { defineOp, int, type Value } from "../core/define.ts";
import { headAxis, headsOf, remainingHeads } from "../gradients/heads.ts";

/** How many places of each head are rotated, the first ones. */
const rotatedOf = (stated: number, width: number): number => (stated > 0 ? stated : width);

/**
 * https://onnx.ai/onnx/operators/onnx__RotaryEmbedding.html — pairs of places (a, b) of a head become (a cos - b sin, a
 * sin + b cos); the pairs are neighbours where `interleaved`, else as far apart as there are pairs
 */
export const RotaryEmbedding = defineOp({
  name: "RotaryEmbedding",
  since: 23,
  inputs: ["X", "cos_cache", "sin_cache", "position_ids?"],
  attributes: { interleaved: int(0), num_heads: int(0), rotary_embedding_dim: int(0) },
  shape({ X, cos_cache, sin_cache, position_ids }, { num_heads, rotary_embedding_dim }) {
    const { batch, tokens, width } = headsOf(X, num_heads);
    const pairs = rotatedOf(rotary_embedding_dim, width) / 2;
    const table = position_ids ? [cos_cache.shape[0]!, pairs] : [batch, tokens, pairs];
    for (const cache of [cos_cache, sin_cache])
      if (cache.shape.join() !== table.join() || 2 * pairs > width || !Number.isInteger(pairs))
        fail(
          "bad-model",
          `its cache [${cache.shape.join(", ")}] does not fit ${pairs} pairs of [${X.shape.join(", ")}]`,
        );
    return X.shape;
  },
  // The transpose of a rotation turns the other way. The caches are tables of positions, which nothing learns.
  gradient: (g, dy, { cos_cache, sin_cache, position_ids }, attributes) => ({
    X: () => g.RotaryEmbedding(dy, cos_cache, g.Neg(sin_cache), position_ids, attributes),
  }),
  channels(c, { X, cos_cache, sin_cache, position_ids }, [Y], { interleaved, num_heads, rotary_embedding_dim }) {
    const heads = headsOf(X, num_heads);
    const rotated = rotatedOf(rotary_embedding_dim, heads.width);
    c.same(c.axis(X, 0), c.axis(Y!, 0), ...(position_ids ? [c.axis(position_ids, 0)] : [c.axis(cos_cache, 0)]));
    if (!position_ids) c.same(c.axis(X, 0), c.axis(sin_cache, 0));
    const caches = [c.axis(cos_cache, -1), c.axis(sin_cache, -1)] as const;
    const length = heads.joined ? heads.count * rotated : rotated;
    const pairsOf = (x: Value): Axis =>
      c
        .axis(x, -1)
        .slice(0, length)
        .digit(rotated / 2, interleaved ? 2 : 1);
    if (!heads.joined) {
      c.same(headAxis(c, X, heads), headAxis(c, Y!, heads));
      c.same(c.axis(X, 3), c.axis(Y!, 3));
      c.same(pairsOf(X), ...caches);
      return;
    }
    const whole = [headAxis(c, X, heads), headAxis(c, Y!, heads)] as const;
    // The places that are left as they are have no digit of their own.
    if (rotated === heads.width) c.either([whole, [pairsOf(X), pairsOf(Y!), ...caches]]);
    else {
      c.either([whole]);
      for (const cache of caches) c.freeze(cache, "it turns a part of each head, which stays whole");
    }
  },
  zero: "any",
  resize: (remaining, { X, cos_cache }, _outputs, { num_heads, rotary_embedding_dim }) => ({
    attributes: {
      ...(num_heads > 0 && { num_heads: remainingHeads(remaining, X, headsOf(X, num_heads)).count }),
      ...(rotary_embedding_dim > 0 && {
        rotary_embedding_dim: 2 * remaining.axis(cos_cache, cos_cache.shape.length - 1).length,
      }),
    },
  }),
  samples: [
    { inputs: [[2, 2, 3, 8], table(5, 4, 0), table(5, 4, 1), positions(2, 3)] },
    { inputs: [[2, 2, 3, 8], table(5, 4, 0), table(5, 4, 1), positions(2, 3)], attributes: { interleaved: 1 } },
    { inputs: [[2, 3, 16], table(6, 4, 0, [2, 3]), table(6, 4, 1, [2, 3])], attributes: { num_heads: 2 } },
    {
      inputs: [[2, 3, 16], table(5, 4, 0), table(5, 4, 1), positions(2, 3)],
      attributes: { num_heads: 2, interleaved: 1 },
    },
    {
      inputs: [[2, 2, 3, 8], table(5, 2, 0), table(5, 2, 1), positions(2, 3)],
      attributes: { rotary_embedding_dim: 4, num_heads: 2 },
    },
    {
      inputs: [[2, 3, 16], table(5, 2, 0), table(5, 2, 1), positions(2, 3)],
      attributes: { rotary_embedding_dim: 4, num_heads: 2 },
    },
  ],
});

/** The cosines or the sines of positions at frequencies that fall. */
function table(rows: number, pairs: number, sine: number, lead: readonly number[] = [rows]) {
  const angles = Array.from({ length: rows * pairs }, (_, i) => Math.floor(i / pairs) / 3 ** (i % pairs) + 0.3);
  return tensor("float32", [...lead, pairs], angles.map(sine ? Math.sin : Math.cos));
}

function positions(batch: number, tokens: number) {
  const { data } = int64s(Array.from({ length: batch * tokens }, (_, i) => (2 * i) % 5));
  return { dtype: "int64" as const, shape: [batch, tokens], data };
}
