/** The form of a criterion. */

import type { Tensor } from "../graph/tensor.ts";
import type { Costs } from "../passes/costs.ts";
import type { Analysis } from "../prune/coupling/analysis.ts";
import type { Group } from "../prune/coupling/groups.ts";

/** Importance of each unit by group name; small = remove first. */
export type Scores = ReadonlyMap<string, Float64Array>;

/** A criterion that looks at weights alone. A group that it has nothing to say of is left out, and so stays whole. */
export interface WeightCriterion {
  readonly name: string;
  readonly summary: string;
  readonly kind: "weights";
  score(analysis: Analysis, weights: ReadonlyMap<string, Tensor>, seed: number): Scores;
}

/**
 * What a minibatch of N samples can tell of the units of a group. E_n is the loss of
 * sample n, E their mean, z = 1 the gates.
 */
export interface Evidence {
  /** N, the rows of `gates`, and the number of units. */
  readonly samples: number;
  readonly units: number;
  /** G[n, m] = ∂E_n/∂z_m, row by row: N rows of `units` numbers. */
  readonly gates: Float32Array;
  /** Over the parameters s that produce unit m, Σ g_s w_s and Σ (g_s w_s)²; g = ∂E/∂w. */
  readonly weights: { readonly sums: Float32Array; readonly squares: Float32Array };
  /** γ ∂E/∂γ + β ∂E/∂β, summed over the normalisations that keep statistics and that unit m's gates stand behind. */
  readonly scales: Float32Array;
  /**
   * Of the activations a that other nodes read unit m from: the mean of |a| and the share of a ≠ 0, over samples, space
   * and places. Also the sum over places of (mean of a²) · Σ w², w the weights that read them.
   */
  readonly activations: {
    readonly magnitudes: Float32Array;
    readonly nonzero: Float32Array;
    readonly reads: Float32Array;
  };
  /** (H·1)_m: the sum of the m-th row of the Hessian of E over the gates of all groups. */
  readonly row: Float64Array;
  /** H_mm, exact or estimated. */
  readonly diagonal: Float64Array;
  /** E(z_m = 0) - E, by evaluation. */
  readonly losses: Float64Array;
  /** For every subset of the units, E(z_S = 0) - E; bit m of the index stands for unit m. */
  readonly subsets: Float64Array;
}

/** What a criterion can ask to see. */
export const needs = [
  "gates",
  "weights",
  "scales",
  "activations",
  "row",
  "diagonal",
  "losses",
  "subsets",
] as const satisfies readonly (keyof Evidence)[];
export type Need = (typeof needs)[number];

/** What is known of a group when its evidence is in. */
export interface Context {
  readonly groups: Analysis;
  readonly group: Group;
  /** What the removal of a unit alone would save. */
  saving(unit: number): Costs;
}

/**
 * A criterion over data. An object of this form is all that a criterion of one's own takes. What it needs is measured,
 * shared with the other criteria that need it, and handed to `sample` for each group and minibatch.
 */
export interface DataCriterion<N extends Need = Need> {
  readonly name: string;
  readonly summary: string;
  readonly kind: "data";
  readonly needs: readonly N[];
  /**
   * Whether it takes G by its mean over samples alone, so that the rows of `gates` may be means
   * of several samples each; default not.
   */
  readonly means?: boolean;
  /**
   * Whether importance is counted per what a unit costs already, so that no other cost is to divide it; default not.
   */
  readonly countsCost?: boolean;
  /** What one minibatch gives for each unit; it is averaged over minibatches. */
  sample(evidence: Pick<Evidence, N | "samples" | "units">): Float64Array;
  /** The importances, from the average of what `sample` gave; default: as they are. */
  finish?(average: Float64Array, context: Context): Float64Array;
}

export type Criterion = WeightCriterion | DataCriterion;

/** The mean over samples of a function of G[n, m], for each unit m. */
export function meanOver(
  { gates, samples, units }: Pick<Evidence, "gates" | "samples" | "units">,
  of: (gradient: number) => number,
): Float64Array {
  const sum = new Float64Array(units);
  for (let n = 0; n < samples; n++) for (let m = 0; m < units; m++) sum[m]! += of(gates[n * units + m]!);
  return sum.map((value) => value / samples);
}

/** ∂E/∂z_m: the mean over samples of G[n, m]. */
export const meanGradient = (evidence: Pick<Evidence, "gates" | "samples" | "units">): Float64Array =>
  meanOver(evidence, (gradient) => gradient);
