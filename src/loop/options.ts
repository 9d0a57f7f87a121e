/** What pruning takes, where it stands and what it comes to. */

import type { Budget, RemovalSchedule } from "../options/budget.ts";
import type { GatePlace, Limits, Normalisation, Per, Scope } from "../options/ranking.ts";
import type { Targets } from "../options/learning.ts";
import type { Criterion, Scores } from "../criteria/criterion.ts";
import type { LatencyGoal } from "../evaluate/latency.ts";
import type { Graph } from "../graph/graph.ts";
import type { Removal } from "../prune/coupling/removal.ts";
import type { Costs } from "../passes/costs.ts";
import type { GroupLoss } from "../score/group-losses.ts";
import type { LearnEvent } from "../train/events.ts";
import type { LearnOptions, TaughtOptions } from "../train/options.ts";
import type { TrainerState } from "../train/step.ts";
import type { Position } from "../train/stream.ts";
import type { WatchState } from "../train/watch.ts";

/** The paper's: minibatches between two removals, and the share of the units at the start that goes each time. */
export const [defaultEvery, stepShare] = [10, 0.02];

export interface PruneOptions extends LearnOptions, TaughtOptions {
  readonly criterion: Criterion;
  readonly target: Budget;
  /** Where gates stand; default behind normalisation. */
  readonly gates?: GatePlace | undefined;
  /**
   * What the loss compares with when importance is measured. Sampled targets take passes of their own. Default: what is
   * learned from, or sampled targets where all is learned from a teacher and the criterion takes passes of its own.
   */
  readonly targets?: Targets | undefined;
  /** Random directions for the diagonal of the Hessian, for criteria that need it; see ScoreOptions. */
  readonly probes?: number | undefined;
  /** Pruning stops when the mean training loss between two removals is above this. */
  readonly maxLoss?: number | undefined;
  /** Minibatches between two removals; default 10 (the paper's for CIFAR-10). */
  readonly every?: number;
  /** Units removed each time; default 2 % of the units at the start (the paper's). */
  readonly unitsPerStep?: number;
  /** The share of the old importance in the average over removals; default 0.9 (the paper's). */
  readonly momentum?: number;
  /** How importances of different groups are made comparable; default "none". */
  readonly normalise?: Normalisation | undefined;
  /**
   * What importance is counted per; default a unit, or where a latency is to be reached
   * the milliseconds that were measured.
   */
  readonly per?: Per | undefined;
  /** Whom a unit is compared with; default all others. */
  readonly scope?: Scope | undefined;
  /** What remains of a group is a multiple of this, or the group stays as it is; default 1. */
  readonly roundTo?: number | undefined;
  /** What has to stay of each group; default one unit. */
  readonly limits?: Limits | undefined;
  /** How much goes each time; default the same number of units. */
  readonly schedule?: RemovalSchedule | undefined;
  /** A latency to reach, besides the target. */
  readonly latency?: LatencyGoal | undefined;
  /** Learning rate while pruning; "auto": found by a short trial on a copy of the model. */
  readonly learningRate: number | "auto";
  readonly onEvent?: ((event: LearnEvent) => void) | undefined;
  /** Is told of features that went with their groups. */
  readonly onNote?: ((text: string) => void) | undefined;
  /** Where an earlier run of the same options stood; it goes on from there. */
  readonly from?: PrunePoint | undefined;
  /** Offered after every removal. */
  readonly onPoint?: ((point: PrunePoint) => Promise<void>) | undefined;
  /** Whether a point is far enough, whatever the target says. */
  readonly enough?: ((point: PrunePoint) => Promise<boolean>) | undefined;
}

/** What units are chosen by. */
export interface Measured {
  /** The average of the importances of what is left. */
  readonly importances: Scores;
  /** What was measured of the groups for the normalisation `loss`. */
  readonly groupLosses?: readonly GroupLoss[] | undefined;
}

/** Where pruning stands after a removal: all that it needs to go on as if it had never stopped. */
export interface PrunePoint extends TrainerState, Measured {
  readonly phase: "prune";
  /** All removals so far, each in the numbering of before it. */
  readonly removals: readonly Removal[];
  readonly position: Position;
  /** Whether the target is met. */
  readonly met: boolean;
  /** Where it was found by a trial. */
  readonly learningRate?: number | undefined;
  /** What watches over learning; without it that begins anew. */
  readonly watched?: WatchState | undefined;
}

export interface PruneResult {
  readonly graph: Graph;
  readonly costs: Costs;
  readonly units: number;
  readonly removals: readonly Removal[];
  /**
   * Whether the target was met, or pruning ended because the loss passed its limit, nothing was left to remove, or
   * learning did harm: the graph is then the last one that was good.
   */
  readonly end: "met" | "max-loss" | "exhausted" | "diverged";
}
