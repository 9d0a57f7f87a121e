/** What a run tells while it goes on. */

import type { Costs } from "../prune/costs.ts";
import type { Removal } from "../prune/groups.ts";

/** One minibatch was learned from. */
export interface StepEvent {
  readonly kind: "step";
  readonly phase: "prune" | "finetune";
  /** Minibatches of the phase so far. */
  readonly step: number;
  /** Minibatches of the phase in all, where known. */
  readonly steps: number | undefined;
  /** From 1 on. */
  readonly epoch: number;
  /** Epochs of the phase, where known. */
  readonly epochs: number | undefined;
  /** The mean loss of the minibatch before the update. */
  readonly loss: number;
  readonly learningRate: number;
}

/** Units were removed. */
export interface RemovalEvent {
  readonly kind: "removal";
  /** Removals so far. */
  readonly step: number;
  /** The mean training loss since the last removal. */
  readonly loss: number;
  /** In the numbering of before the removal. */
  readonly removed: Removal;
  /** Units that are left. */
  readonly units: number;
  readonly costs: Costs;
  /** The share of the latency at the start, where it is measured. */
  readonly latency?: number | undefined;
  /** What the units were chosen by: the importance of each unit of each group before the removal. */
  readonly importances: ReadonlyMap<string, Float64Array>;
}

export type LearnEvent = StepEvent | RemovalEvent;
