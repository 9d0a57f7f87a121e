/**
 * Values inside a model that learn to be what they are in its original, besides the outputs (Romero et al. 2015,
 * "FitNets", eq. 3, without its regressor: a cut says itself which positions of the original are left).
 */

import type { GraphBuilder } from "../graph/builder.ts";
import { fail } from "../graph/error.ts";
import type { Positions } from "../graph/graph.ts";
import type { Value } from "../ops/core/define.ts";
import type { Emit } from "../ops/core/emit.ts";
import { valueIn } from "../ops/emitter.ts";
import { meanOfSample } from "./losses/loss.ts";

/** A value of the same name in both models. */
export interface Feature {
  readonly value: string;
  /** The axis along which its samples lie. */
  readonly axis: number;
  /** The variance of the original's value: distances are in units of it. */
  readonly variance: number;
  /** What it counts beside an output. */
  readonly weight: number;
}

/** A feature as it stands in a graph. */
export interface AppendedFeature {
  readonly perSample: Value;
  /** Its input, and the value of the model that this is compared with. */
  readonly teacher: { readonly input: string; readonly value: string };
  /** What a value is worth that is as far from the original's as its mean is. */
  readonly counts: number;
}

/** The name of the input that takes a value as the original has it. */
export const featureInput = (value: string): string => `feature/${value}`;

/**
 * share · weight · mean over elements of (y - t)² / variance, [N], for each feature that is there still: t is the
 * original's value at the positions that a cut has left. Its input takes the whole value of the original.
 *
 * @param share of the original in the loss
 * @param positions what is left of each feature; those that are not named went with a whole group
 */
export function appendFeatures(
  builder: GraphBuilder,
  g: Emit,
  features: readonly Feature[],
  share: number,
  positions: Positions = new Map(),
): AppendedFeature[] {
  return features.flatMap(({ value, axis, variance, weight }) => {
    const axes = positions.get(value);
    if (axes === undefined) return [];
    const own = valueIn(builder, value);
    const whole = own.shape.map((size, i) => axes.get(i)?.of ?? size);
    const input = builder.input(featureInput(value), { dtype: "float32", shape: whole }, true);
    let theirs = valueIn(builder, input);
    for (const [i, { left }] of axes) theirs = g.Gather(theirs, g.ints(left), { axis: i });
    if (theirs.shape.join() !== own.shape.join())
      fail(
        "internal",
        `"${value}" is [${own.shape.join(", ")}], and [${theirs.shape.join(", ")}] of it should be left`,
      );
    const error = g.Sub(own, theirs);
    const order = [axis, ...own.shape.map((_, i) => i).filter((i) => i !== axis)];
    const squares = meanOfSample(g, g.transposed(g.Mul(error, error), order));
    const counts = share * weight;
    return [{ perSample: g.Mul(squares, g.scalar(counts / variance)), teacher: { input, value }, counts }];
  });
}
