/** Options that say where importance is measured, how units are compared by it, and what has to stay. */

import { z } from "zod";
import { count, countOrAuto, countOrNone, mapOf, share, type OptionsOf } from "./kinds.ts";

/** Every criterion, as the table of criteria has them. */
export const criterionNames = [
  "taylor-fo",
  "taylor-fo-fg",
  "taylor-fo-variance",
  "taylor-fo-weight",
  "taylor-fo-weight-group",
  "taylor-so",
  "taylor-so-plus",
  "taylor-so-diag",
  "taylor-so-diag-plus",
  "oracle",
  "oracle-combinatorial",
  "obd",
  "obd-squared",
  "fisher-cost",
  "fisher-cost-bytes",
  "taylor-2016",
  "bn-taylor",
  "bn-scale",
  "magnitude",
  "magnitude-l1",
  "fpgm",
  "activation-mean",
  "apoz",
  "wanda",
  "random",
] as const;
/** Those that look at weights alone. */
export const weightCriterionNames = [
  "bn-scale",
  "magnitude",
  "magnitude-l1",
  "fpgm",
  "random",
] as const satisfies readonly CriterionName[];
export type CriterionName = (typeof criterionNames)[number];
export const criterionName = z.enum(criterionNames).describe("how importance is measured; see secateur criteria");

export const gatePlaces = ["after-bn", "before-bn", "after-activation", "residual"] as const;
/**
 * Where the gates of a unit stand: behind normalisation (the default; the fewest places that remove the unit), before
 * it, behind the activation and pooling that follow, or one shared gate on a residual stream, behind each of its sums.
 */
export type GatePlace = (typeof gatePlaces)[number];

/** How importance is measured. */
export const measuring = {
  /** Where gates stand; default behind normalisation. */
  gates: z.enum(gatePlaces).default("after-bn").describe("where importance is measured"),
  /**
   * Random directions from which the diagonal of the Hessian is estimated (Hutchinson); 0 computes it exactly, by one
   * Hessian-vector product for each unit. Default: exact for nets of up to 300 units, 32 directions for larger ones.
   */
  probes: countOrNone.describe("random directions for second derivatives; 0: exact").optional(),
};
/** Minibatches to average over. */
export const batches = count.default(10).describe("minibatches to average over");

export const pers = ["unit", "macs", "params", "bytes"] as const;
/** What importance is counted per: a unit, or what its removal alone saves. */
export type Per = (typeof pers)[number];

export const normalisations = ["none", "mean", "max", "sum", "standardised", "lamp", "loss"] as const;
/**
 * What the importances I of a group are divided by before groups are compared; the order within a group stays as it is.
 *
 * - `none`: nothing.
 * - `mean`, `max`, `sum`: the mean, the largest, or the sum of |I| over the group (the normalisers
 *   of Torch-Pruning, Fang et al. 2023).
 * - `standardised`: 1 / (1 + exp(-z)) with z = (I - mean) / standard deviation. The logistic function makes z
 *   positive, so that a cost can divide it.
 * - `lamp`: I_m over the sum of all I in the group that are at least I_m (Lee et al. 2021, "Layer-Adaptive Sparsity
 *   for the Magnitude-based Pruning", eq. 5): the share of what is left that goes with m. The last unit of any group
 *   has 1, the most there is. What is below 0 is divided by the sum of |I|.
 * - `loss`: what makes the lesser half add up to what masking that half does to the
 *   outputs of the net, which is measured.
 *
 * A group whose importances are all 0 keeps them; infinite ones stay so and are left out of means and sums.
 */
export type Normalisation = (typeof normalisations)[number];

export const scopes = ["local", "global", "isomorphic"] as const;
/**
 * `global` compares all units of the net, `local` the units of a group only, so that the same share of every group
 * goes. `isomorphic` compares the units of groups that are built alike (Fang et al. 2024, "Isomorphic Pruning for
 * Vision Models").
 */
export type Scope = (typeof scopes)[number];

/** How units are compared. */
export const ranking = {
  /** What importance is counted per; default a unit, or what the budget counts. */
  per: z.enum(pers).describe("what importance is counted per").optional(),
  /** How importances of different groups are made comparable; default "none". */
  normalise: z.enum(normalisations).default("none").describe("what importances of a group are divided by"),
};
/** Whom a unit is compared with. */
export const scope = z.enum(scopes).describe("which units are compared");

export const ratios = mapOf<number>(
  "a Map from patterns of groups to shares from 0 to 1",
  (value) => share.safeParse(value).success,
);

/** What has to stay. */
export const limits = {
  /** Patterns of groups that stay whole. */
  keep: z.array(z.string()).readonly().describe("groups that stay whole, as 'layer4.*'; may be repeated").optional(),
  /** How many units of every group stay at least; default 1. With 0, groups go as a whole where they can. */
  minUnits: countOrNone.describe("units of each group that stay (default: 1); 0: groups may go").optional(),
  /** The share of units that may go, by patterns of groups; the last pattern that fits counts. */
  ratios: ratios.optional(),
};
export type Limits = OptionsOf<typeof limits>;

/**
 * What remains of a group is a multiple of this; "auto": of the channels that the runtime's
 * kernels take at a time, found by trying.
 */
export const roundTo = countOrAuto.describe("round widths to multiples of n; auto: what this machine runs fastest");

export const scores = mapOf<Float64Array>(
  "importances, as score gives them",
  (value) => ArrayBuffer.isView(value) || Array.isArray(value),
);
