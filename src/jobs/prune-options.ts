/** What the job of pruning can be told. */

import { z } from "zod";
import type { Model } from "../graph/graph.ts";
import { pruning } from "../options/budget.ts";
import { takes } from "../options/check.ts";
import { callback, share, positive, type OptionsOf } from "../options/kinds.ts";
import { epochs, features, pruneLearningRate, targets } from "../options/learning.ts";
import { running, type RunOptions } from "../options/machine.ts";
import { limits, measuring, ranking, roundTo, scope } from "../options/ranking.ts";
import { checkpoints } from "./checkpoints.ts";
import { criterion, learning, type LearnJobOptions } from "./kinds.ts";
import { batchToLearn, type WithLoss } from "./opened.ts";
import type { PruneJobEvent } from "./prune-events.ts";

const own = {
  /** Is told at once what the job tells. */
  onEvent: callback<(event: PruneJobEvent) => void>().optional(),
  checkpoints: checkpoints.optional(),
  /** What tells importance, by its name or one of your own; default "taylor-fo". */
  criterion: criterion.default("taylor-fo"),
  /** Whom a unit is compared with; default all others. */
  scope: scope.default("global"),
  /** What has to stay of each group; default one unit. */
  limits: z.strictObject(limits).optional(),
  /** As {@link plan} takes it; default 1, or "auto" where a latency is to be reached. */
  roundTo: roundTo.optional(),
  /** What is learned from; default the labels. Without labels all comes from the original model. */
  targets,
  /** The learning rate while pruning; default "auto": found by a short trial on a copy of the model. */
  pruneLearningRate,
  /** Passes over the data after pruning; default 5. */
  epochs: epochs(5),
  /** The share of the original model's outputs in the loss of fine-tuning; default 0. */
  distil: share.default(0).describe("share of the original's outputs in the loss"),
  /** What logits are divided by to distil; default 4. */
  temperature: positive.default(4).describe("what logits are divided by to distil"),
  /**
   * Values inside that are to be as in the original, where all or some is learned from it: patterns of the names of
   * values, of nodes, or of modules that they are the result of. Distances are mean squared ones over the variance of
   * the original's value, of the positions that are left of it, and their mean counts as one output. Default none.
   */
  features: features.optional(),
};
export const pruneKinds = { ...running, ...learning, ...pruning, ...measuring, ...ranking, ...own };

/** Checks the options of pruning, and fills in what the table says where nothing is given. */
export function settle(given: PruneJobOptions, model: Model) {
  const options = taken(given, model);
  return { ...options, batchSize: batchToLearn(options) };
}
const taken = takes("prune", pruneKinds);

export interface PruneJobOptions
  extends
    RunOptions,
    LearnJobOptions,
    OptionsOf<typeof pruning>,
    OptionsOf<typeof measuring>,
    OptionsOf<typeof ranking>,
    OptionsOf<typeof own> {}

/** The options of pruning as they are checked, once the loss is known. */
export type CheckedOptions = WithLoss<ReturnType<typeof settle>>;
/** The same as they were given. */
export type AskedOptions = ReturnType<typeof settle>;

/** The options of a run that knows what it rounds to, and how many workers learn. */
export type SettledOptions = CheckedOptions & { readonly roundTo: number; readonly workers: number };
