/** Attention as one operator. */

import { fail } from "../../graph/error.ts";
import { isFloat, tensor } from "../../graph/tensor.ts";
import type { Axis, Together } from "../core/channels.ts";
import { defineOp, float, given, int, type Value } from "../core/define.ts";
import { broadcast } from "../core/elementwise.ts";
import type { Emit } from "../core/emit.ts";
import {
  apart,
  headAxis,
  headRuns,
  headsOf,
  headsOfRuns,
  remainingHeads,
  placeAxis,
  together,
  type Heads,
} from "../gradients/heads.ts";

interface Inputs {
  readonly Q: Value;
  readonly K: Value;
  readonly V: Value;
  readonly attn_mask: Value | undefined;
  readonly past_key: Value | undefined;
  readonly past_value: Value | undefined;
}

interface Sizes {
  readonly queries: Heads;
  readonly keys: Heads;
  readonly values: Heads;
  /** How many query heads read one head of the keys: neighbours. */
  readonly share: number;
  /** Tokens before those of the keys, and those together. */
  readonly past: number;
  readonly total: number;
}

function sizesOf(
  { Q, K, V, past_key, past_value }: Inputs,
  { q_num_heads, kv_num_heads }: { readonly q_num_heads: number; readonly kv_num_heads: number },
): Sizes {
  const [queries, keys, values] = [headsOf(Q, q_num_heads), headsOf(K, kv_num_heads), headsOf(V, kv_num_heads)];
  const fits =
    queries.joined === keys.joined &&
    keys.joined === values.joined &&
    keys.count === values.count &&
    queries.count % keys.count === 0 &&
    queries.width === keys.width &&
    keys.tokens === values.tokens;
  if (!fits) {
    const shown = [Q, K, V].map(({ shape }) => `[${shape.join(", ")}]`).join(", ");
    fail("bad-model", `queries, keys and values ${shown} of ${queries.count} and ${keys.count} heads do not fit`);
  }
  if ((past_key === undefined) !== (past_value === undefined))
    fail("bad-model", "it has a past of keys or of values, and must have both or none");
  const past = past_key?.shape[2] ?? 0;
  return { queries, keys, values, share: queries.count / keys.count, past, total: past + keys.tokens };
}

/** The lowest float32: no sum of it and a finite score is NaN. */
const lowest = -3.4028234663852886e38;

/** The scores, at their lowest where a place may not be seen, and where it may; `undefined` is everywhere. */
function masked(
  g: Emit,
  scores: Value,
  attn_mask: Value | undefined,
  causal: boolean,
  past: number,
): { scores: Value; seen: Value | undefined } {
  const [tokens, total] = scores.shape.slice(-2) as [number, number];
  const biased = attn_mask && isFloat(attn_mask.dtype) ? g.Add(scores, attn_mask) : scores;
  const masks: Value[] = [];
  if (attn_mask && !isFloat(attn_mask.dtype)) masks.push(attn_mask);
  if (causal) {
    const allowed = Array.from({ length: tokens * total }, (_, i) => Number(i % total <= Math.floor(i / total) + past));
    masks.push(g.constant(tensor("bool", [tokens, total], allowed)));
  }
  if (masks.length === 0) return { scores: biased, seen: undefined };
  const seen = masks.reduce((one, other) => g.And(one, other));
  return { scores: g.Where(seen, biased, g.scalar(lowest, scores)), seen };
}

/**
 * https://onnx.ai/onnx/operators/onnx__Attention.html — Y = softmax(scale · Q Kᵀ, capped and masked) V for each head.
 * Neighbouring query heads share one head of keys and values. The scale is 1/√places unless it is stated.
 */
export const Attention = defineOp({
  name: "Attention",
  since: 23,
  inputs: ["Q", "K", "V", "attn_mask?", "past_key?", "past_value?", "nonpad_kv_seqlen?"],
  outputs: ["Y", "present_key", "present_value", "qk_matmul_output"],
  attributes: {
    is_causal: int(0),
    kv_num_heads: int(0),
    q_num_heads: int(0),
    qk_matmul_output_mode: int(0),
    scale: float(),
    softcap: float(0),
    softmax_precision: int(),
  },
  shape(inputs, attributes) {
    const { queries, keys, values, total } = sizesOf(inputs, attributes);
    const { batch, count, tokens } = queries;
    const scores = [batch, count, tokens, total];
    const { attn_mask, nonpad_kv_seqlen } = inputs;
    if (attn_mask && !nonpad_kv_seqlen && broadcast(attn_mask.shape, scores).join() !== scores.join())
      fail("bad-model", `a mask [${attn_mask.shape.join(", ")}] does not fit scores [${scores.join(", ")}]`);
    return [
      queries.joined ? [batch, tokens, count * values.width] : [batch, count, tokens, values.width],
      [batch, keys.count, total, keys.width],
      [batch, keys.count, total, values.width],
      scores,
    ];
  },
  dtype: ({ Q, K, V }) => [Q.dtype, K.dtype, V.dtype, Q.dtype],
  gradient: "decompose",
  channels(c, inputs, [Y, present_key, present_value, scores], attributes) {
    const { Q, K, V, attn_mask, past_key, past_value } = inputs;
    const { queries, keys, values, share } = sizesOf(inputs, attributes);
    const outputs = { ...queries, width: values.width };
    const axesOf = (at: number, ...list: readonly (Value | undefined)[]): Axis[] =>
      list.flatMap((x) => (x ? [c.axis(x, at)] : []));
    const states = [past_key, past_value, present_key, present_value];
    c.same(...(axesOf(0, Q, K, V, Y, ...states, scores) as [Axis]));
    const lead = attn_mask ? attn_mask.shape.length : 0;
    if (attn_mask && lead === 4 && attn_mask.shape[0] === queries.batch) c.same(c.axis(attn_mask, 0), c.axis(Q, 0));
    const byQuery = [
      ...axesOf(1, scores),
      ...(attn_mask && lead >= 3 && attn_mask.shape.at(-3) === queries.count ? [c.axis(attn_mask, -3)] : []),
    ];
    const byKey = axesOf(1, ...states);
    const lists: Together[] = [
      // A head of the keys goes with all queries that read it.
      [
        headRuns(c, Q, queries, share),
        headRuns(c, Y!, outputs, share),
        headAxis(c, K, keys),
        headAxis(c, V, values),
        ...byKey,
        ...byQuery.map((axis) => axis.blocks(share)),
      ],
    ];
    // One query of each of its heads goes, and the keys stay.
    if (share > 1)
      lists.push([
        headsOfRuns(c, Q, queries, share),
        headsOfRuns(c, Y!, outputs, share),
        ...byQuery.map((axis) => axis.digit(share, 1)),
      ]);
    const places = [
      [placeAxis(c, Q, queries), placeAxis(c, K, keys), ...axesOf(3, past_key, present_key)],
      [placeAxis(c, Y!, outputs), placeAxis(c, V, values), ...axesOf(3, past_value, present_value)],
    ] as const;
    if (queries.joined) lists.push(...(places as unknown as Together[]));
    else for (const axes of places) c.same(...axes);
    if (lists.length > 1) c.either(lists);
    else c.same(...(lists[0] as readonly Axis[]));
  },
  resize(remaining, inputs, _outputs, attributes) {
    const { queries, keys } = sizesOf(inputs, attributes);
    const left = remainingHeads(remaining, inputs.Q, queries);
    const { q_num_heads, kv_num_heads, scale } = attributes;
    return {
      attributes: {
        ...(q_num_heads > 0 && { q_num_heads: left.count }),
        ...(kv_num_heads > 0 && { kv_num_heads: remainingHeads(remaining, inputs.K, keys).count }),
        // Of fewer places the scale that follows would be another.
        ...(scale === undefined && left.width !== queries.width && { scale: 1 / Math.sqrt(queries.width) }),
      },
    };
  },
  macs(inputs, _outputs, attributes) {
    const { queries, values, total } = sizesOf(inputs, attributes);
    const { batch, count, tokens, width } = queries;
    return batch * count * tokens * total * (width + values.width);
  },
  decompose(g, inputs, attributes, outputs) {
    const { Q, K, V, attn_mask, past_key, past_value, nonpad_kv_seqlen } = inputs;
    const { is_causal, qk_matmul_output_mode, scale, softcap } = attributes;
    if (nonpad_kv_seqlen) fail("unsupported", "the gradient with nonpad_kv_seqlen is not known");
    if (outputs > 3 && qk_matmul_output_mode !== 0)
      fail("unsupported", `the gradient of its output of mode ${qk_matmul_output_mode} is not known`);
    const { queries, keys, values, share, past, total } = sizesOf(inputs, attributes);
    const { batch, count, tokens, width } = queries;
    const behind = (before: Value | undefined, x: Value): Value => (before ? g.Concat(before, x, { axis: 2 }) : x);
    const present = [behind(past_key, apart(g, K, keys)), behind(past_value, apart(g, V, values))] as const;
    // Queries that share a head stand below each other: one product for each head of the keys.
    const below = (x: Value, last: number): Value => g.reshaped(x, [batch, keys.count, share * tokens, last]);
    const asked = g.Mul(apart(g, Q, queries), g.scalar(scale ?? 1 / Math.sqrt(width), Q));
    const product = g.MatMul(below(asked, width), g.transposed(present[0], [0, 1, 3, 2]));
    const raw = g.reshaped(product, [batch, count, tokens, total]);
    const capped = softcap === 0 ? raw : g.Mul(g.Tanh(g.Mul(raw, g.scalar(1 / softcap, raw))), g.scalar(softcap, raw));
    const { scores, seen } = masked(g, capped, attn_mask, is_causal === 1, past);
    const weights = g.Softmax(scores, { axis: -1 });
    // Who may see nothing gets zeros.
    const amounts = seen ? g.Mul(weights, g.Cast(seen, { to: 1 })) : weights;
    const sums = g.reshaped(g.MatMul(below(amounts, total), present[1]), [batch, count, tokens, values.width]);
    return [together(g, sums, queries), ...present, raw].slice(0, outputs);
  },
  samples: [
    { inputs: given([2, 2, 3, 4], [2, 2, 5, 4], [2, 2, 5, 3]) },
    { inputs: given([2, 4, 3, 4], [2, 2, 3, 4], [2, 2, 3, 2]), attributes: { is_causal: 1 } },
    { inputs: given([2, 3, 8], [2, 5, 8], [2, 5, 6]), attributes: { q_num_heads: 2, kv_num_heads: 2, scale: 0.3 } },
    {
      inputs: given([1, 3, 24], [1, 3, 8], [1, 3, 4], [3, 3]),
      attributes: { q_num_heads: 6, kv_num_heads: 2, softcap: 2 },
    },
    { inputs: given([2, 4, 3, 2], [2, 1, 3, 2], [2, 1, 3, 2], [4, 3, 3]) },
    {
      inputs: [[1, 2, 2, 4], [1, 2, 2, 4], [1, 2, 2, 4], null, [1, 2, 3, 4], [1, 2, 3, 4]],
      attributes: { is_causal: 1 },
      outputs: 3,
    },
    { inputs: [[2, 2, 2, 4], [2, 2, 3, 4], [2, 2, 3, 4], tensor("bool", [2, 3], [1, 0, 1, 1, 1, 0])] },
  ],
});
